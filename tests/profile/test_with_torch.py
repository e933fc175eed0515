"""Tiny blocks, built and timed (extra: torch)."""

from __future__ import annotations

import itertools
import json
import math

import pytest

from cli.commandline import run
from shardopt.instances.catalogue.load import read_machine
from shardopt.instances.catalogue.shapes import block_shape, matrices
from shardopt.models.errors import InputError

torch = pytest.importorskip("torch", reason="needs torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # its warnings are not ours

TINY = {
    "model_type": "llama",
    "torch_dtype": "float32",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 32,
}
LATENT = {
    "model_type": "deepseek_v3",
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 12,
}
ROUTED = {"n_routed_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
CONFIGS = {
    "grouped": TINY,
    "ungrouped": TINY | {"num_key_value_heads": 4},
    "experts": TINY | {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2},
    "plain MLP": TINY | {"model_type": "bloom"},
    "latent": TINY | LATENT | ROUTED | {"n_shared_experts": 1},
    "latent, whole queries": TINY | LATENT | {"q_lora_rank": None},
}


@pytest.fixture
def blocks():
    from shardopt.profile import block

    torch.manual_seed(0)
    return block


@pytest.mark.parametrize("name", CONFIGS)
def test_that_a_block_has_the_weights_of_its_shape(name, blocks):
    shape = block_shape(CONFIGS[name])
    weights = blocks.random_weights(shape, torch.float32, "cpu")
    expected = sum(math.prod(size) for size in matrices(shape).values())
    assert sum(weight.numel() for weight in weights.values()) == expected


@pytest.mark.parametrize("name", CONFIGS)
def test_that_decoding_token_by_token_says_what_prefill_says(name, blocks):
    shape, count = block_shape(CONFIGS[name]), 6
    weights = {k: 10 * w for k, w in blocks.random_weights(shape, torch.float32, "cpu").items()}
    x = torch.randn(count, shape.hidden)
    expected, cache = blocks.prefill(shape, weights, x), None
    for n in range(count):
        longer = blocks.empty_cache(shape, n, x)
        if cache is not None:
            longer.keys[:, :n] = cache.keys
            longer.values[:, :n] = cache.values
        cache = longer
        said = blocks.decode(shape, weights, x[n : n + 1], cache)
        assert torch.allclose(said[0], expected[n], atol=1e-4, rtol=1e-4)


def test_that_a_tiny_config_is_profiled_from_end_to_end(tmp_path, monkeypatch):
    from shardopt.profile import disk, machine

    monkeypatch.setattr(disk, "LEAST_BYTES", 1 << 16)
    monkeypatch.setattr(machine, "COPY_BYTES", 1 << 20)
    monkeypatch.setattr(machine, "SECONDS_A_ROW", 0.0)
    config, entry = tmp_path / "config.json", tmp_path / "device.toml"
    config.write_text(json.dumps(TINY), encoding="utf-8")
    sizes = ("--input-tokens", "32", "--output-tokens", "16")
    places = ("--folder", str(tmp_path), "-o", str(entry))
    outcome = run("profile", str(config), *sizes, *places, "--device", "cpu", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    said = json.loads(outcome.stdout)
    assert {row["step"] for row in said["rows"]} == {"prefill", "decode"}
    assert {row["fitted"] for row in said["rows"]} == {True, False}
    assert all(row["measured_s"] > 0 for row in said["rows"])
    device = next(iter(read_machine(entry).entries.values()))
    assert device.fp16_flops_per_s.value == pytest.approx(said["flops_per_s"], rel=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "device.toml"]


def test_that_a_block_that_does_not_fit_is_refused(monkeypatch, tmp_path):
    from shardopt.profile import machine
    from shardopt.profile.measure import measure

    monkeypatch.setattr(machine, "memory", lambda device: (1e4, 2e4))
    with pytest.raises(InputError, match=r"for a block, expected at most 10 kB, as cpu has free"):
        measure(TINY, device="cpu", folder=tmp_path)


def test_that_memory_that_runs_out_is_one_line(monkeypatch, tmp_path, blocks):
    from shardopt.profile import disk
    from shardopt.profile.measure import measure

    def exhausted(*arguments):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(disk, "LEAST_BYTES", 1 << 16)
    monkeypatch.setattr(blocks, "prefill", exhausted)
    with pytest.raises(InputError, match="--input-tokens: found too little memory"):
        measure(TINY, device="cpu", folder=tmp_path)


def test_that_a_device_that_is_not_there_is_refused(monkeypatch):
    from shardopt.profile import machine

    monkeypatch.setattr(machine.torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="--device: found cuda, expected one that PyTorch sees"):
        machine.choose_device("cuda")


@pytest.mark.parametrize("tokens", list(itertools.product((16, 17, 512), (1, 2, 128))))
def test_that_some_rows_of_each_phase_are_kept_from_the_fit(tokens):
    from shardopt.profile.measure import steps

    rows = steps(*tokens)
    assert len({(phase, count) for phase, count, _ in rows}) == len(rows)
    for phase in ("prefill", "decode"):
        assert {fitted for p, _, fitted in rows if p == phase} == {True, False}
