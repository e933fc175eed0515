"""Generator presets: the published testbed with our speeds, and what each drawn preset promises."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

import shardopt
import shardopt.instances
from shardopt.instances.replica_clustering import devices as hardware
from shardopt.instances.replica_clustering.presets import PRESETS
from shardopt.models.errors import InputError
from shardopt.models.replica_clustering.bounds import additive_bound
from shardopt.models.replica_clustering.data import Instance, Link
from shardopt.models.replica_clustering.tables import make_tables

close = pytest.approx
DRAWN = ("random-edge", "typed", "links")
LIBRARY = Path(shardopt.instances.__path__[0]) / "library" / "replica-clustering"


def generate(preset: str, **options) -> Instance:
    return shardopt.generate("replica-clustering", preset, **options)


def test_that_gpt_oss_20b_has_the_sizes_of_its_public_configuration():
    model = generate("e2llm-testbed").model
    assert model.blocks == 24
    assert model.block_weight_bytes == 476098560
    assert model.head_weight_bytes == 2316533760
    assert model.cache_bytes_per_token_per_block == 2048
    assert model.activation_bytes_per_token == 5760
    # The published checkpoint has 12.8 GiB.
    whole = model.blocks * model.block_weight_bytes + model.head_weight_bytes
    assert whole == close(12.8 * 2**30, rel=1e-3)


TESTBED = {
    "rtx5070": (12e9, 2.394947396e-05, 4.984902619e-04, 1.261626031e-03, 5.038314994e-03),
    "m1-a": (12e9, 2.770886123e-04, 4.772874298e-03, 1.245316874e-02, 4.962212757e-02),
    "m1-b": (12e9, 2.770886123e-04, 4.772874298e-03, 1.245316874e-02, 4.962212757e-02),
    "rtx3060m": (6e9, 6.489580741e-05, 9.940121056e-04, 2.588409970e-03, 1.013486570e-02),
    "m2max-a": (22e9, 5.228978105e-05, 8.359419160e-04, 2.166323111e-03, 8.506251563e-03),
    "m2max-b": (22e9, 5.228978105e-05, 8.359419160e-04, 2.166323111e-03, 8.506251563e-03),
    "orin": (25e9, 1.062167830e-04, 1.617757954e-03, 4.232644322e-03, 1.661364201e-02),
}
"""Memory; prefill per token and block; decode per block at q = 1 and 5; head at q = 1."""


def test_that_the_testbed_has_the_golden_speeds():
    made = generate("e2llm-testbed").devices
    assert [d.name for d in made] == list(TESTBED)
    for device in made:
        memory, prefill, decode_1, decode_5, head = TESTBED[device.name]
        assert device.memory_bytes == memory
        assert device.prefill_s_per_token_per_block == close(prefill, rel=1e-9)
        assert device.decode_s_per_block[0] == close(decode_1, rel=1e-9)
        assert device.decode_s_per_block[4] == close(decode_5, rel=1e-9)
        assert device.head_decode_s[0] == close(head, rel=1e-9)
        assert device.head_prefill_s_per_token == close(head / 576, rel=1e-9)
        assert len(device.decode_s_per_block) == len(device.head_decode_s) == 16


def test_that_the_testbed_has_the_published_workload_and_lan():
    extended, custom = (generate("e2llm-testbed", workload=w) for w in ("extended", "custom"))
    assert extended.link == custom.link == Link(115e6, 0.0005)
    assert (extended.workload.input_tokens, extended.workload.output_tokens) == (576, 588)
    assert (custom.workload.input_tokens, custom.workload.output_tokens) == (2284, 1004)
    for workload in (extended.workload, custom.workload):
        assert (workload.min_tokens_per_s, workload.max_batch) == (15, 16)
        assert workload.arrival_period_s == 0.5
    assert (extended.name, custom.name) == ("e2llm-testbed-extended", "e2llm-testbed-custom")


def test_that_the_additive_bound_of_the_testbed_is_the_golden_one():
    tables = make_tables(generate("e2llm-testbed"))
    assert additive_bound(tables) == close(1.0339866361, rel=1e-9)


def test_that_one_m2_max_holds_five_requests_at_the_published_rate():
    device = next(d for d in generate("e2llm-testbed").devices if d.name == "m2max-a")

    def rate(q: int) -> float:
        return 1 / (24 * device.decode_s_per_block[q - 1] + device.head_decode_s[q - 1])

    assert rate(5) >= 15 > rate(6)


def test_that_the_options_of_the_testbed_change_what_they_name():
    base = generate("e2llm-testbed")
    made = generate("e2llm-testbed", min_tokens_per_s=5, max_batch=4, period=2)
    assert made.workload == replace(
        base.workload, min_tokens_per_s=5, max_batch=4, arrival_period_s=2
    )
    for one, other in zip(made.devices, base.devices, strict=True):
        assert one.decode_s_per_block == other.decode_s_per_block[:4]
        assert one.memory_bytes == other.memory_bytes
    assert made.name == "e2llm-testbed-extended-rate5-batch4-period2"


def test_that_all_experts_are_touched_by_many_requests():
    workload = replace(generate("e2llm-testbed").workload, max_batch=400)
    device = hardware.roofline("x", 1e15, 1e30, 1e9, workload)
    cached = (576 + 588 / 2) * 2048
    reads = [(s - hardware.CALL_S) * 0.35e15 for s in device.decode_s_per_block]
    experts = [read - (q + 1) * cached for q, read in enumerate(reads)]
    one = 2 * hardware.ATTENTION + 4 * hardware.EXPERT_BYTES
    everything = hardware.gpt_oss_20b().block_weight_bytes
    assert experts[0] == close(one, rel=1e-9)
    assert experts[-1] == close(everything, rel=1e-6)


@pytest.mark.parametrize("preset", DRAWN)
def test_that_the_same_seed_gives_the_same_instance_and_another_one_another(preset):
    assert generate(preset, seed=5) == generate(preset, seed=5)
    assert generate(preset, seed=5).devices != generate(preset, seed=6).devices


@pytest.mark.parametrize("preset", DRAWN)
def test_that_the_name_tells_instances_apart(preset):
    variants = [{}, {"seed": 1}, {"devices": 5}, {"memory": 0.5}, {"blocks": 30}]
    variants += [{"types": 3}] if preset == "typed" else []
    assert len({generate(preset, **options).name for options in variants}) == len(variants)


def test_that_the_names_of_the_testbed_tell_its_options_apart():
    variants = [
        {},
        {"workload": "custom"},
        {"min_tokens_per_s": 5},
        {"max_batch": 8},
        {"period": 1},
    ]
    assert len({generate("e2llm-testbed", **options).name for options in variants}) == len(variants)


@pytest.mark.parametrize("seed", range(10))
def test_that_random_devices_lie_in_their_ranges(seed):
    made = generate("random-edge", seed=seed, devices=10)
    asked = made.workload
    assert asked.input_tokens in range(200, 2501)
    assert asked.output_tokens in range(200, 1201)
    assert asked.min_tokens_per_s in (3, 5, 7)
    assert (asked.max_batch, asked.arrival_period_s) == (16, 1.0)
    assert made.link == Link(115e6, 0.0005)
    assert made.model == generate("e2llm-testbed").model
    for device in made.devices:
        assert device.memory_bytes / 0.9e9 in (close(n) for n in (6, 8, 12, 16, 24, 32))
        bandwidth, peak = drawn_speeds(device)
        assert bandwidth * (1 + 1e-9) >= 50e9 and bandwidth <= 700e9 * (1 + 1e-9)
        assert peak / bandwidth * (1 + 1e-6) >= 16 and peak / bandwidth <= 100 * (1 + 1e-6)


def drawn_speeds(device) -> tuple[float, float]:
    """Return the bandwidth and peak of a device from the times of its head."""
    peak = 2 * 2880 * 201088 / (device.head_decode_s[1] - device.head_decode_s[0]) / 0.40
    flops_s = 2 * 2880 * 201088 / (0.40 * peak)
    return 2 * 2880 * 201088 / (device.head_decode_s[0] - 2e-5 - flops_s) / 0.35, peak


def test_that_another_memory_or_number_of_blocks_changes_nothing_else():
    base, half, longer = (
        generate("random-edge", seed=2, **more) for more in ({}, {"memory": 0.5}, {"blocks": 48})
    )
    assert longer.devices == base.devices
    assert replace(longer, name=base.name, model=base.model) == base
    assert [d.memory_bytes for d in half.devices] == close(
        [d.memory_bytes / 2 for d in base.devices]
    )
    memory = [d.memory_bytes for d in base.devices]
    restored = tuple(replace(d, memory_bytes=m) for d, m in zip(half.devices, memory, strict=True))
    assert restored == base.devices


def test_that_more_devices_continue_the_draws():
    few, many = (generate("random-edge", seed=4, devices=m) for m in (4, 9))
    assert few.devices == many.devices[:4]


@pytest.mark.parametrize(("types", "devices"), [(3, 10), (5, 5), (4, 2), (1, 7)])
def test_that_typed_device_k_is_a_copy_of_draw_k_mod_types(types, devices):
    made = generate("typed", types=types, devices=devices).devices
    assert len({d.name for d in made}) == devices
    for k, device in enumerate(made):
        assert replace(device, name="") == replace(made[k % types], name="")
    kinds = make_tables(generate("typed", types=types, devices=devices)).types
    assert len(kinds.members) == min(types, devices)


@pytest.mark.parametrize("seed", range(5))
def test_that_links_differ_by_pair_and_direction_and_lie_in_their_ranges(seed):
    made = generate("links", seed=seed, devices=6)
    assert made.link is None
    assert made.links is not None
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    for matrix, low, high in (
        (made.links.bytes_per_s, 5e6, 120e6),
        (made.links.latency_s, 0.0002, 0.005),
    ):
        values = [matrix[i][j] for i, j in pairs]
        assert len(set(values)) == 30
        assert all(low <= value <= high for value in values)
    assert made.devices == generate("random-edge", seed=seed, devices=6).devices


@pytest.mark.parametrize(
    ("preset", "option", "value"),
    [
        ("e2llm-testbed", "min_tokens_per_s", -1),
        ("e2llm-testbed", "max_batch", 0),
        ("e2llm-testbed", "max_batch", 1025),
        ("e2llm-testbed", "period", 0),
        ("e2llm-testbed", "seed", -1),
        ("e2llm-testbed", "workload", "short"),
        ("e2llm-testbed", "devices", 3),
        ("random-edge", "seed", -1),
        ("random-edge", "devices", 0),
        ("random-edge", "devices", 1001),
        ("random-edge", "blocks", 10_001),
        ("random-edge", "memory", 0),
        ("random-edge", "memory", math.nan),
        ("typed", "types", 0),
        ("links", "types", 3),
    ],
)
def test_that_a_parameter_out_of_range_is_refused_by_name(preset, option, value):
    with pytest.raises(InputError, match=option):
        generate(preset, **{option: value})


@pytest.mark.parametrize("preset", PRESETS)
def test_that_every_preset_takes_a_seed(preset):
    assert generate(preset, seed=3).problem == "replica-clustering"


SHIPPED = {
    "e2llm-testbed-extended": ("e2llm-testbed", {}),
    "e2llm-testbed-custom": ("e2llm-testbed", {"workload": "custom"}),
    "random-edge-m8-s0": ("random-edge", {}),
    "random-edge-m8-s1-memory0.5": ("random-edge", {"seed": 1, "memory": 0.5}),
    "typed-m12-s0-y3": ("typed", {"types": 3}),
    "links-m6-s0": ("links", {}),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_that_the_shipped_instance_is_what_its_preset_makes(name):
    preset, options = SHIPPED[name]
    shipped, made = shardopt.load(LIBRARY / f"{name}.json"), generate(preset, **options)
    assert (shipped.name, shipped.source) == (made.name, made.source)
    assert (shipped.model, shipped.link, shipped.workload) == (made.model, made.link, made.workload)
    for one, other in zip(shipped.devices, made.devices, strict=True):
        assert one.name == other.name
        # Logarithms and powers may differ in the last digit between C libraries.
        assert numbers(one) == close(numbers(other), rel=1e-13)
    if made.links is not None:
        for key, matrix in vars(made.links).items():
            for found, row in zip(getattr(shipped.links, key), matrix, strict=True):
                assert found == close(row, rel=1e-13)


def numbers(device) -> list[float]:
    flat = [value if isinstance(value, tuple) else (value,) for value in vars(device).values()]
    return [value for values in flat for value in values if not isinstance(value, str)]
