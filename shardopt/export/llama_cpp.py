"""llama.cpp: the last device is the main machine, all before it are RPC servers.

llama.cpp takes devices in the order RPC servers, then local ones, and counts the output layer as
layer n of n + 1. With S the running sums of ``--tensor-split`` over its total, layer i goes to
the first device whose S is above i / (n + 1): integers that sum to n + 1 put the cuts where the
plan has them, and the device that holds the last layer holds the output layer.
"""

from __future__ import annotations

from shardopt.export.deployment import (
    Deployment,
    refusal,
    require_head_on_last,
    require_one_pipeline,
)
from shardopt.export.script import MODEL, blocks_text, script
from shardopt.export.target import Target

MOST_DEVICES = 16
"""What llama.cpp and its RPC client are built for."""
PORT = 50052
ENDS = "The embedding stays in the main machine's own memory, the output layer on its device."
MAIN = "The main machine must show llama.cpp one local device: see llama-server --list-devices."
OPEN = "RPC servers check nobody's identity: keep them inside a network that you trust."


def llama_cpp(plan: Deployment, model: Target) -> str:
    """Return a script that starts an RPC server on each device, llama-server on the last."""
    pipeline = require_one_pipeline(plan, "llama.cpp")
    require_head_on_last(pipeline, "llama.cpp")
    *others, main = pipeline.stages
    if len(pipeline.stages) > MOST_DEVICES:
        raise refusal(f"{len(pipeline.stages)} devices", "llama.cpp", f"at most {MOST_DEVICES}")
    serve = f"rpc-server --host 0.0.0.0 --port {PORT}"
    commands = [(stage.device, blocks_text(stage), serve) for stage in others]
    words = ["llama-server", "--model", MODEL, "--split-mode", "layer"]
    words += ["--n-gpu-layers", str(plan.blocks + 1)]
    words += ["--tensor-split", tensor_split([stage.count for stage in pipeline.stages])]
    words += ["--rpc", '"$RPC"'] if others else []
    remark = f"{blocks_text(main)} and the output layer"
    commands.append((main.device, remark, " ".join(words)))
    variables = {"MODEL": "a GGUF file", "RPC": "host:port of the others, with commas between"}
    order = "RPC is the host:port of " + ", ".join(stage.device for stage in others)
    notes = [*plan.notes, ENDS, MAIN, *([f"{order}, in this order.", OPEN] if others else [])]
    return script("llama.cpp", notes, Target(), variables, commands)


def tensor_split(counts: list[int]) -> str:
    """Return the counts with the output layer added to the last device."""
    return ",".join(str(count) for count in (*counts[:-1], counts[-1] + 1))
