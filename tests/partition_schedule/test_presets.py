"""Generator presets: the fixed testbed, and what each drawn preset promises."""

import itertools
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import shardopt
import shardopt.instances
from cli.commandline import run
from shardopt.instances.partition_schedule.devices import TIERS
from shardopt.instances.partition_schedule.presets import PRESETS
from shardopt.models.errors import InputError

close = pytest.approx
HYPERION = ("hyperion-llama3-8b", "hyperion-phi3-medium")
DRAWN = ("stress", "random")


def generate(preset, **options):
    return shardopt.generate("partition-schedule", preset, **options)


def device(node) -> str:
    """Return which device a node of a testbed is: `edge-1-orin-nx-16` is an orin-nx-16."""
    return node.name.split("-", 2)[2]


@pytest.mark.parametrize(
    ("preset", "count", "flops", "weight", "activation"),
    [
        ("hyperion-llama3-8b", 32, 436207616, 436224000, 8192),
        ("hyperion-phi3-medium", 40, 681574400, 681594880, 10240),
    ],
)
def test_that_a_model_has_the_sizes_of_its_public_configuration(
    preset, count, flops, weight, activation
):
    blocks = generate(preset).blocks
    assert len(blocks) == count
    assert {b.flops_per_token for b in blocks} == {flops}
    assert {b.weight_bytes for b in blocks} == {weight}
    assert {b.activation_bytes_per_token for b in blocks} == {activation}


@pytest.mark.parametrize("preset", HYPERION)
def test_that_without_a_seed_the_testbed_is_the_fixed_one(preset):
    instance = generate(preset)
    assert instance.name == preset
    assert [(t.name, [device(k) for k in t.nodes]) for t in instance.tiers] == [
        ("edge", ["orin-nx-16", "agx-orin-32"]),
        ("fog", ["rtx-3060", "rtx-3090"]),
        ("cloud", ["l4", "a100-40"]),
    ]
    speeds = [[k.flops_per_s for k in tier.nodes] for tier in instance.tiers]
    assert speeds == [[1e13, 2e13], [1.024e13, 2.84e13], [4.84e13, 1.248e14]]
    memories = [[k.memory_bytes for k in tier.nodes] for tier in instance.tiers]
    assert memories == [
        [12_800_000_000, 25_600_000_000],
        [9_600_000_000, 19_200_000_000],
        [19_200_000_000, 32_000_000_000],
    ]
    assert [(x.latency_s, x.bytes_per_s) for x in instance.links] == [(0.005, 125e6), (0.02, 625e6)]
    assert [r.tokens for r in instance.requests] == [512, 1024, 256, 512, 128, 768]
    assert [r.arrival_s for r in instance.requests] == [0, 0.05, 0.1, 0.15, 0.2, 0.25]
    assert instance.objective == "mean-latency"


def best_bottleneck(instance) -> float:
    """Return the optimum of P0 by trying all cuts: its definition in three lines."""
    (request,) = instance.requests
    values = []
    for inner in itertools.combinations(range(1, len(instance.blocks)), len(instance.links)):
        cuts = (0, *inner, len(instance.blocks))
        runs = [instance.blocks[a:b] for a, b in itertools.pairwise(cuts)]
        stages = [
            min(
                (
                    request.tokens * sum(b.flops_per_token for b in run) / node.flops_per_s
                    for node in tier.nodes
                    if sum(b.weight_bytes for b in run) <= node.memory_bytes
                ),
                default=math.inf,
            )
            for run, tier in zip(runs, instance.tiers, strict=True)
        ]
        transfers = [
            link.latency_s + request.tokens * run[-1].activation_bytes_per_token / link.bytes_per_s
            for run, link in zip(runs, instance.links, strict=False)
        ]
        values.append(max(stages) + sum(transfers))
    return min(values)


@pytest.mark.parametrize(
    ("preset", "optimum"),
    [("hyperion-llama3-8b", 0.10821499136), ("hyperion-phi3-medium", 0.159217728)],
)
def test_that_the_testbed_gives_the_golden_bottleneck(preset, optimum):
    instance = generate(preset, objective="bottleneck")
    assert best_bottleneck(instance) == close(optimum, rel=1e-9)


@pytest.mark.parametrize(
    ("option", "value"), [("tiers", 4), ("nodes", 3), ("requests", 7), ("load", 0.5)]
)
def test_that_the_fixed_testbed_refuses_options_of_the_drawn_one(option, value):
    with pytest.raises(InputError, match=f"{option}.*seed"):
        generate("hyperion-llama3-8b", **{option: value})
    generate("hyperion-llama3-8b", seed=0, **{option: value})


def test_that_the_command_line_makes_the_fixed_testbed_without_a_seed_and_draws_with_one():
    command = ("generate", "partition-schedule", "--preset", "hyperion-llama3-8b")
    fixed = json.loads(run(*command).stdout)
    drawn = json.loads(run(*command, "--seed", "0").stdout)
    assert fixed["name"] == "hyperion-llama3-8b"
    assert drawn["name"] == "hyperion-llama3-8b-t3-k2-r6-load1-s0"


@pytest.mark.parametrize("tiers", [2, 3, 4, 5])
@pytest.mark.parametrize("preset", HYPERION)
def test_that_drawn_devices_are_those_of_their_tier(preset, tiers):
    for seed in range(5):
        instance = generate(preset, seed=seed, tiers=tiers, nodes=4)
        assert [len(tier.nodes) for tier in instance.tiers] == [4] * tiers
        assert len(instance.links) == tiers - 1
        for tier in instance.tiers:
            assert {device(node) for node in tier.nodes} <= set(TIERS[tier.name])


def test_that_tiers_are_added_in_the_order_of_the_page():
    names = [
        [tier.name for tier in generate("hyperion-llama3-8b", seed=1, tiers=t).tiers]
        for t in (2, 3, 4, 5)
    ]
    assert names == [
        ["edge", "cloud"],
        ["edge", "fog", "cloud"],
        ["edge", "fog", "regional", "cloud"],
        ["device", "edge", "fog", "regional", "cloud"],
    ]


def test_that_links_follow_the_number_of_tiers():
    def found(tiers):
        made = generate("hyperion-llama3-8b", seed=1, tiers=tiers)
        return [(link.latency_s, link.bytes_per_s) for link in made.links]

    assert found(2) == [(0.002, 50e6)]
    assert found(3) == [(0.005, 125e6), (0.02, 625e6)]
    assert found(5) == [(0.002, 50e6), (0.005, 125e6), (0.01, 625e6), (0.02, 1.25e9)]


def test_that_requests_arrive_at_the_rate_of_the_load():
    made = generate("hyperion-llama3-8b", seed=2, load=0.5, requests=20_000)
    work = sum(r.tokens for r in made.requests) * sum(b.flops_per_token for b in made.blocks)
    speed = sum(node.flops_per_s for tier in made.tiers for node in tier.nodes)
    assert work / made.requests[-1].arrival_s / speed == close(0.5, rel=0.03)
    assert {128, 1024} <= {r.tokens for r in made.requests}
    assert all(128 <= r.tokens <= 1024 for r in made.requests)


def test_that_another_load_only_stretches_the_arrivals():
    slow, fast = (generate("hyperion-llama3-8b", seed=4, load=load) for load in (0.25, 1.0))
    assert slow.tiers == fast.tiers
    assert [r.tokens for r in slow.requests] == [r.tokens for r in fast.requests]
    assert [r.arrival_s for r in slow.requests] == close(
        [4 * r.arrival_s for r in fast.requests], abs=1e-5
    )


def test_that_more_requests_continue_the_stream():
    few, many = (generate("hyperion-llama3-8b", seed=4, requests=r) for r in (6, 12))
    assert few.tiers == many.tiers
    assert few.requests == many.requests[:6]


@pytest.mark.parametrize("preset", PRESETS)
def test_that_another_objective_changes_nothing_else(preset):
    mean, makespan, bottleneck = (
        generate(preset, seed=3, objective=objective)
        for objective in ("mean-latency", "makespan", "bottleneck")
    )
    assert replace(makespan, name=mean.name, objective="mean-latency") == mean
    assert bottleneck.requests == mean.requests[:1]
    assert (bottleneck.blocks, bottleneck.tiers) == (mean.blocks, mean.tiers)
    assert len({made.name for made in (mean, makespan, bottleneck)}) == 3


@pytest.mark.parametrize("preset", PRESETS)
def test_that_the_same_seed_gives_the_same_instance_and_another_one_another(preset):
    assert generate(preset, seed=5) == generate(preset, seed=5)
    assert generate(preset, seed=5).requests != generate(preset, seed=6).requests


@pytest.mark.parametrize("preset", PRESETS)
def test_that_the_name_tells_instances_apart(preset):
    variants = [{}, {"seed": 1}, {"seed": 1, "tiers": 4}, {"seed": 1, "nodes": 4}]
    variants += [{"seed": 1, "requests": 7}]
    variants += [{"seed": 1, "load": 0.5}] if preset in HYPERION else [{"blocks": 20}]
    variants += [{"spread": 0.5}] if preset == "stress" else []
    names = {generate(preset, **options).name for options in variants}
    assert len(names) == len(variants)


@pytest.mark.parametrize("seed", range(5))
def test_that_stress_lies_in_its_ranges(seed):
    made = generate("stress", seed=seed, blocks=40, tiers=4, nodes=3, requests=10, spread=2.0)
    assert Counter((b.flops_per_token, b.weight_bytes) for b in made.blocks) == {(0.5, 1): 40}
    nodes = [node for tier in made.tiers for node in tier.nodes]
    assert len(nodes) == 12
    assert {node.memory_bytes for node in nodes} == {18}
    assert all(2 <= node.flops_per_s <= 6 for node in nodes)
    assert all(0.1 <= link.latency_s <= 0.5 for link in made.links)
    assert {r.tokens for r in made.requests} <= {1, 2, 4}
    assert all(0 <= r.arrival_s <= 10 for r in made.requests)
    assert max(r.arrival_s for r in made.requests) > 5


def test_that_random_has_unequal_blocks_twins_bursts_and_tight_memory():
    seeds = [generate("random", seed=seed) for seed in range(10)]
    assert any(len(set(made.blocks)) > 1 for made in seeds)
    twins = [
        len(tier.nodes) - len({(k.flops_per_s, k.memory_bytes) for k in tier.nodes})
        for made in seeds
        for tier in made.tiers
    ]
    assert any(twins)
    assert {len(tier.nodes) for made in seeds for tier in made.tiers} == {1, 2, 3}
    assert any(len({r.arrival_s for r in made.requests}) < 8 for made in seeds)
    whole = [sum(b.weight_bytes for b in made.blocks) for made in seeds]
    least = [min(k.memory_bytes for t in made.tiers for k in t.nodes) for made in seeds]
    assert any(m < w / 3 for m, w in zip(least, whole, strict=True))


@pytest.mark.parametrize(
    ("preset", "option", "value"),
    [
        ("hyperion-llama3-8b", "seed", -1),
        ("hyperion-llama3-8b", "tiers", 1),
        ("hyperion-llama3-8b", "tiers", 6),
        ("hyperion-llama3-8b", "nodes", 0),
        ("hyperion-llama3-8b", "requests", 1_000_001),
        ("hyperion-llama3-8b", "load", 0),
        ("hyperion-llama3-8b", "load", math.nan),
        ("stress", "blocks", 10_001),
        ("stress", "tiers", 101),
        ("stress", "nodes", 5000),
        ("stress", "spread", -1),
        ("random", "requests", 0),
    ],
)
def test_that_a_parameter_out_of_range_is_refused_by_name(preset, option, value):
    with pytest.raises(InputError, match=option):
        generate(preset, **({"seed": 0} | {option: value}))


@pytest.mark.parametrize("preset", HYPERION)
def test_that_the_shipped_instance_is_what_its_preset_makes(preset):
    folder = Path(shardopt.instances.__path__[0])
    shipped = shardopt.load(folder / "library" / "partition-schedule" / f"{preset}.json")
    assert shipped == generate(preset)
