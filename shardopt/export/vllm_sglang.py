"""vLLM and SGLang: layers of each pipeline rank, from an environment variable.

Both want one count for each rank, as many as the pipeline has ranks, summing to the number of
layers. Both put the embedding on the first rank and the output layer on the last.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from shardopt.export.deployment import (
    Deployment,
    Pipeline,
    refusal,
    require_head_on_last,
    require_pipelines,
)
from shardopt.export.script import MODEL, blocks_text, script
from shardopt.export.target import Target

PORT = 29501
HEAD = "address of the first device of the pipeline"
ENDS = "The embedding is on the first device of a pipeline and the output layer on the last: both"
ENDS += " need room beside the blocks."
SEVERAL = "The replicas are servers of their own: put a router before them."
EngineCommand = Callable[[Pipeline, int], str]


def vllm(plan: Deployment, model: Target) -> str:
    """Return a script that starts a rank of vLLM on each device."""
    for pipeline in require_pipelines(plan, "vllm"):
        # NixlConnector moves caches between pipelines of one rank only.
        if pipeline.role is not None and len(pipeline.stages) > 1:
            found = f"a {pipeline.role} replica of {len(pipeline.stages)} devices"
            raise refusal(found, "vllm", "each replica that has a role on one device")
    return _script("vllm", plan, model, _vllm_command)


def sglang(plan: Deployment, model: Target) -> str:
    """Return a script that starts a rank of SGLang on each device."""
    return _script("sglang", plan, model, _sglang_command)


def partition(pipeline: Pipeline) -> str:
    """Return the counts of layers in rank order, e.g. ``12,20,8``."""
    return ",".join(str(stage.count) for stage in pipeline.stages)


def _script(engine: str, plan: Deployment, model: Target, command: EngineCommand) -> str:
    pipelines = require_pipelines(plan, engine)
    commands = []
    for n, pipeline in enumerate(pipelines):
        require_head_on_last(pipeline, engine)
        kind = f"{pipeline.role or 'replica'} {n}, " if len(pipelines) > 1 else ""
        for rank, stage in enumerate(pipeline.stages):
            remark = f"{kind}rank {rank}: {blocks_text(stage)}"
            commands.append((stage.device, remark, command(pipeline, rank)))
    notes = [*plan.notes, ENDS, *_several(pipelines)]
    return script(engine, notes, model, {"HEAD": HEAD}, commands)


def _several(pipelines: Sequence[Pipeline]) -> list[str]:
    return [SEVERAL] if len(pipelines) > 1 else []


def _vllm_command(pipeline: Pipeline, rank: int) -> str:
    ranks = len(pipeline.stages)
    words = [f"VLLM_PP_LAYER_PARTITION={partition(pipeline)}", "vllm", "serve", MODEL]
    words += ["--tensor-parallel-size", "1", "--pipeline-parallel-size", str(ranks)]
    if ranks > 1:
        words += ["--distributed-executor-backend", "mp", "--nnodes", str(ranks)]
        words += ["--node-rank", str(rank), "--master-addr", '"$HEAD"']
        words += ["--master-port", str(PORT)]
        words += ["--headless"] if rank else []
    if pipeline.batch is not None:
        words += ["--max-num-seqs", str(pipeline.batch * ranks)]
    if pipeline.role is not None:
        config = '{"kv_connector":"NixlConnector","kv_role":"kv_both"}'
        words += ["--kv-transfer-config", shlex.quote(config)]
    return " ".join(words)


def _sglang_command(pipeline: Pipeline, rank: int) -> str:
    ranks = len(pipeline.stages)
    words = [f"SGLANG_PP_LAYER_PARTITION={partition(pipeline)}"]
    words += ["python3", "-m", "sglang.launch_server", "--model-path", MODEL]
    words += ["--tp-size", "1", "--pp-size", str(ranks)]
    if ranks > 1:
        words += ["--nnodes", str(ranks), "--node-rank", str(rank)]
        words += ["--dist-init-addr", f'"$HEAD:{PORT}"']
    if pipeline.batch is not None:
        words += ["--max-running-requests", str(pipeline.batch * ranks)]
    if pipeline.role is not None:
        words += ["--disaggregation-mode", pipeline.role]
    return " ".join(words)
