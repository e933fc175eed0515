"""What each engine is told is what it makes the plan's holdings of, or it is refused."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.plans import chain, option, plan, run_script, start_script
from shardopt.export.accelerate import accelerate
from shardopt.export.deployment import Deployment, Holding
from shardopt.export.llama_cpp import llama_cpp, tensor_split
from shardopt.export.petals import petals
from shardopt.export.tables import as_csv, as_json
from shardopt.export.target import Target, require_blocks, target
from shardopt.export.vllm_sglang import sglang, vllm
from shardopt.instances.catalogue.load import models
from shardopt.models.errors import InputError

LLAMA = target("llama-3-8b")
NOBODY = Target("some/model")
TANGLED = Deployment(4, (Holding("a", 0, 3), Holding("b", 1, 4)), (), (), "block 1 twice")


def ranges_of_ranks(text, layers, ranks):
    """Return each rank's layers, as vLLM and SGLang read the variable."""
    counts = [int(word) for word in text.split(",")]
    assert len(counts) == ranks
    assert sum(counts) == layers
    return [(sum(counts[:rank]), sum(counts[: rank + 1])) for rank in range(ranks)]


def devices_of_layers(split, layers):
    """Return the device of each layer and of the output, in llama.cpp's 32-bit arithmetic."""
    sums = np.cumsum(np.array(split, dtype=np.float32), dtype=np.float32)
    shares = sums / sums[-1]
    slots = layers + 1
    places = [np.float32(i) / np.float32(slots) for i in range(slots)]
    return [int(np.searchsorted(shares, place, side="right")) for place in places]


@pytest.mark.parametrize("engine", [vllm, sglang])
def test_that_every_rank_is_told_the_layers_of_all(engine, tmp_path):
    pipeline = chain(3, 1, 4)
    text = engine(plan(pipeline), NOBODY)
    for rank, stage in enumerate(pipeline.stages):
        first, *words = run_script(text, stage.device, tmp_path, HEAD="10.0.0.1")
        ranges = ranges_of_ranks(first.removeprefix("partition="), 8, 3)
        assert ranges[rank] == (stage.start, stage.stop)
        assert option(words, "--node-rank") == str(rank)
        assert option(words, "--nnodes") == "3"
        assert "some/model" in words


def test_that_vllm_serves_from_the_first_rank_only(tmp_path):
    text = vllm(plan(chain(2, 2)), NOBODY)
    first = run_script(text, "a", tmp_path, HEAD="h")
    second = run_script(text, "b", tmp_path, HEAD="h")
    assert "--headless" not in first
    assert "--headless" in second
    assert option(second, "--master-addr") == "h"
    assert option(second, "--pipeline-parallel-size") == "2"


def test_that_a_single_device_needs_no_address(tmp_path):
    words = run_script(sglang(plan(chain(4)), NOBODY), "a", tmp_path)
    assert words[0] == "partition=4"
    assert "--nnodes" not in words


def test_that_sglang_takes_roles_of_several_devices(tmp_path):
    pipelines = (
        chain(2, 2, role="prefill", batch=1, head="b"),
        chain(4, names="z", role="decode", batch=3, head="z"),
    )
    text = sglang(plan(*pipelines), NOBODY)
    prefill = run_script(text, "b", tmp_path, HEAD="h")
    decode = run_script(text, "z", tmp_path)
    assert option(prefill, "--disaggregation-mode") == "prefill"
    assert option(prefill, "--max-running-requests") == "2"
    assert option(decode, "--disaggregation-mode") == "decode"
    assert option(decode, "--max-running-requests") == "3"


def test_that_vllm_takes_roles_of_one_device_each(tmp_path):
    pipelines = (chain(4, role="prefill"), chain(4, names="z", role="decode"))
    words = run_script(vllm(plan(*pipelines), NOBODY), "z", tmp_path)
    assert json.loads(option(words, "--kv-transfer-config"))["kv_connector"] == "NixlConnector"
    with pytest.raises(InputError, match="a decode replica of 2 devices"):
        vllm(plan(pipelines[0], chain(2, 2, names="yz", role="decode")), NOBODY)


@pytest.mark.parametrize("engine", [vllm, sglang, llama_cpp])
def test_that_an_output_layer_before_the_end_is_refused(engine):
    with pytest.raises(InputError, match="the output layer on 'a', expected it on the last"):
        engine(plan(chain(2, 2, head="a")), NOBODY)


@pytest.mark.parametrize("engine", [vllm, sglang, llama_cpp, accelerate])
def test_that_a_block_on_two_devices_is_refused_with_the_reason(engine):
    with pytest.raises(InputError, match="found block 1 twice, expected separate chains"):
        engine(TANGLED, NOBODY)


@pytest.mark.parametrize("engine", [llama_cpp, accelerate])
def test_that_replicas_are_refused_by_engines_of_one_chain(engine):
    with pytest.raises(InputError, match="found 2 replicas, expected one chain"):
        engine(plan(chain(4), chain(4, names="z")), LLAMA)


@pytest.mark.parametrize("engine", [petals, llama_cpp, accelerate])
def test_that_roles_are_refused_by_engines_without(engine):
    with pytest.raises(InputError, match="found a decode replica, expected no separate roles"):
        engine(plan(chain(4, role="decode")), LLAMA)


def test_that_petals_takes_blocks_on_several_servers(tmp_path):
    text = petals(TANGLED, NOBODY)
    first = run_script(text, "a", tmp_path)
    second = run_script(text, "b", tmp_path, PEERS="/ip4/h/tcp/1/p2p/x /ip4/h/tcp/2/p2p/y")
    assert option(first, "--block_indices") == "0:3"
    assert "--new_swarm" in first
    assert option(second, "--block_indices") == "1:4"
    assert second[-3:] == ["--initial_peers", "/ip4/h/tcp/1/p2p/x", "/ip4/h/tcp/2/p2p/y"]
    assert "--attn_cache_tokens" not in first


def test_that_petals_gets_room_for_the_sessions_of_the_plan(tmp_path):
    holding = Holding("a", 0, 4, cache_tokens=640)
    words = run_script(petals(Deployment(4, (holding,), ()), NOBODY), "a", tmp_path)
    assert option(words, "--attn_cache_tokens") == "640"


def test_that_petals_refuses_a_family_it_does_not_know():
    with pytest.raises(InputError, match="the family qwen3, expected one of bloom"):
        petals(TANGLED, target("qwen3-14b"))


def test_that_llama_cpp_runs_on_the_last_device_and_asks_the_others(tmp_path):
    text = llama_cpp(plan(chain(3, 1, 4)), NOBODY)
    helper = run_script(text, "b", tmp_path)
    main = run_script(text, "c", tmp_path, MODEL="m.gguf", RPC="h1:50052,h2:50052")
    assert helper[1] == "rpc-server"
    assert option(main, "--rpc") == "h1:50052,h2:50052"
    assert option(main, "--n-gpu-layers") == "9"
    assert option(main, "--tensor-split") == "3,1,5"
    assert "host:port of a, b, in this order" in text


@given(st.lists(st.integers(1, 30), min_size=1, max_size=16))
@settings(max_examples=200)
def test_that_llama_cpp_cuts_where_the_plan_does(counts):
    split = [int(word) for word in tensor_split(counts).split(",")]
    expected = [device for device, count in enumerate(counts) for _ in range(count)]
    assert devices_of_layers(split, sum(counts)) == [*expected, len(counts) - 1]


def test_that_llama_cpp_takes_so_many_devices_and_no_more():
    assert llama_cpp(plan(chain(*[1] * 16)), NOBODY)
    with pytest.raises(InputError, match="found 17 devices, expected at most 16"):
        llama_cpp(plan(chain(*[1] * 17)), NOBODY)


def test_that_accelerate_maps_every_module_once():
    devices = json.loads(accelerate(plan(chain(10, 22)), LLAMA))
    assert devices["model.embed_tokens"] == 0
    assert [devices[f"model.layers.{n}"] for n in range(32)] == [0] * 10 + [1] * 22
    assert devices["model.norm"] == devices["lm_head"] == 1


def test_that_accelerate_keeps_a_tied_head_with_the_embedding():
    devices = json.loads(accelerate(plan(chain(8, 8)), target("llama-3.2-1b")))
    assert devices["lm_head"] == devices["model.embed_tokens"] == 0


def test_that_accelerate_knows_what_bloom_calls_its_parts():
    devices = json.loads(accelerate(plan(chain(35, 35)), target("bloom-176b")))
    assert devices["transformer.word_embeddings_layernorm"] == 0
    assert devices["transformer.h.69"] == devices["transformer.ln_f"] == 1


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (NOBODY, "found no sizes, expected a model of the catalogue"),
        (Target("m", LLAMA.sizes, nested=True), "a text model inside another"),
    ],
)
def test_that_accelerate_refuses_what_it_cannot_name(model, message):
    with pytest.raises(InputError, match=message):
        accelerate(plan(chain(32)), model)


def test_that_json_says_all_and_csv_a_row_for_each_device():
    value = json.loads(as_json(plan(chain(3, 1)), NOBODY))
    assert value["pipelines"][0]["stages"][1]["device"] == "b"
    assert value["model"] == "some/model"
    rows = list(csv.DictReader(io.StringIO(as_csv(plan(chain(3, 1)), NOBODY))))
    assert [(row["device"], row["start"], row["stop"]) for row in rows] == [
        ("a", "0", "3"),
        ("b", "3", "4"),
    ]
    assert [row["device"] for row in csv.DictReader(io.StringIO(as_csv(TANGLED, NOBODY)))] == [
        "a",
        "b",
    ]


@pytest.mark.parametrize("name", ["two words", "$(touch x)", "it's", "*", "a)b", "né|é"])
def test_that_a_device_may_have_any_name(name, tmp_path):
    holdings = (Holding(name, 0, 1), Holding("other", 1, 2))
    text = petals(Deployment(2, holdings, ()), Target("a/$(touch y) b'c"))
    words = run_script(text, name, tmp_path)
    assert option(words, "--block_indices") == "0:1"
    assert words[4] == "a/$(touch y) b'c"


def test_that_a_script_says_what_it_lacks(tmp_path):
    text = vllm(plan(chain(1, 1)), Target())
    done = start_script(text, "b", tmp_path, HEAD="h")
    assert done.returncode
    assert "MODEL: the model to load" in done.stderr
    done = start_script(text, "b", tmp_path, MODEL="m")
    assert "HEAD: address of the first device" in done.stderr
    done = start_script(text, "x", tmp_path)
    assert done.returncode == 2
    assert "no such device in this plan: x" in done.stderr


def test_that_a_plan_for_another_model_is_refused():
    with pytest.raises(InputError, match="a plan of 40 blocks, expected 32"):
        require_blocks(LLAMA, 40)


def test_that_a_model_may_be_named_in_three_ways(tmp_path):
    path = tmp_path / "config.json"
    config = {"text_config": models().entries["llama-3-8b"].config}
    path.write_text(json.dumps(config), encoding="utf-8")
    assert LLAMA.location == "meta-llama/Meta-Llama-3-8B"
    assert target("owner/model") == Target("owner/model")
    assert target(str(path)).location == str(tmp_path)
    assert target(str(path)).nested
    with pytest.raises(InputError, match="did you mean llama-3-8b"):
        target("llama3-8b")
