"""BSDP's cuts: the problem with one number per tier, against full enumeration."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from partition_schedule.brute import all_cuts
from partition_schedule.draws import tiny_instance
from partition_schedule.instances import (
    four_at_once,
    make,
    no_memory,
    slow_twin,
    small_and_large_memory,
    too_few_blocks,
    two_by_two,
    unequal_activations,
)
from shardopt.instances.partition_schedule.presets import random
from shardopt.models.partition_schedule.data import Instance
from shardopt.models.partition_schedule.tables import Cuts, make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.partition_schedule.bottleneck import bottleneck_dp
from shardopt.solvers.partition_schedule.first_stage import bsdp_cuts, equal_cuts

CAPACITIES = {
    "mean": lambda speeds: sum(speeds) / len(speeds),
    "sum": sum,
    "max": max,
    "min": min,
}
MEMORIES = {"any": max, "all": min}
OPTIONS = list(itertools.product(CAPACITIES, MEMORIES))


def cuts_of(instance: Instance, **options) -> Cuts | None:
    return bsdp_cuts(make_tables(instance), Budget(), **options)


def by_enumeration(instance: Instance, capacity: str, memory: str) -> Cuts | None:
    """Return the first of all cuts in lexicographic order that is within 1e-12 of the least."""
    values = {}
    for cuts in all_cuts(instance):
        runs = list(itertools.pairwise((0, *cuts, len(instance.blocks))))
        stages = []
        for (a, b), tier in zip(runs, instance.tiers, strict=True):
            speed = CAPACITIES[capacity]([node.flops_per_s for node in tier.nodes])
            size = MEMORIES[memory]([node.memory_bytes for node in tier.nodes])
            if sum(block.weight_bytes for block in instance.blocks[a:b]) <= size:
                stages.append(sum(block.flops_per_token for block in instance.blocks[a:b]) / speed)
        if len(stages) == len(runs):
            values[cuts] = max(stages)
    if not values:
        return None
    least = min(values.values())
    return min(cuts for cuts, value in values.items() if value <= least * (1 + 1e-12))


@pytest.mark.parametrize(("capacity", "memory"), OPTIONS)
def test_that_its_cuts_are_the_first_of_the_best(capacity, memory):
    for seed in range(60):
        instance = tiny_instance(seed, "bottleneck")
        expected = by_enumeration(instance, capacity, memory)
        assert cuts_of(instance, capacity=capacity, memory=memory) == expected


@pytest.mark.parametrize("seed", range(20))
def test_that_its_cuts_are_the_first_of_the_best_over_four_tiers(seed):
    instance = random(seed=seed, blocks=11, tiers=4, nodes=3)
    for capacity, memory in OPTIONS:
        expected = by_enumeration(instance, capacity, memory)
        assert cuts_of(instance, capacity=capacity, memory=memory) == expected


@pytest.mark.long
@pytest.mark.parametrize(("capacity", "memory"), OPTIONS)
def test_that_its_cuts_are_the_first_of_the_best_on_hundreds_of_instances(capacity, memory):
    for seed in range(1000, 1300):
        instance = random(seed=seed, blocks=10, tiers=2 + seed % 4, nodes=2)
        expected = by_enumeration(instance, capacity, memory)
        assert cuts_of(instance, capacity=capacity, memory=memory) == expected


def test_that_among_many_equal_cuts_the_lexicographically_smallest_is_taken():
    """One block of 6 FLOP decides; the others lie anywhere beside it."""
    instance = make(
        [(3, 1, 1, 0), (1, 6, 1, 0), (4, 1, 1, 0)],
        [[(1, 99)]] * 4,
        [(0, 1)] * 3,
        [(0, 1)],
        "makespan",
    )
    assert cuts_of(instance) == (1, 3, 4)


def test_that_a_block_too_heavy_for_the_first_tier_goes_to_the_second():
    """As many blocks as fit would be the first three, and leave too little for the others."""
    instance = make(
        [(1, 1, 1, 0), (2, 1, 5, 0), (1, 1, 9, 0)],
        [[(9, 11)], [(1, 10)], [(1, 9)]],
        [(0, 1)] * 2,
        [(0, 1)],
        "makespan",
    )
    assert cuts_of(instance) == (2, 3)


@pytest.mark.parametrize(
    ("capacity", "cut"), [("mean", (7,)), ("sum", (9,)), ("max", (9,)), ("min", (2,))]
)
def test_that_each_capacity_balances_as_worked_out_by_hand(capacity, cut):
    assert cuts_of(slow_twin(), capacity=capacity) == cut


@pytest.mark.parametrize(("memory", "cut"), [("any", (3,)), ("all", (1,))])
def test_that_memory_is_that_of_some_node_or_of_all(memory, cut):
    assert cuts_of(small_and_large_memory(), memory=memory) == cut


def test_that_it_does_not_look_at_transfers():
    assert cuts_of(unequal_activations()) == (2,)


@pytest.mark.parametrize("instance", [no_memory(), too_few_blocks()], ids=lambda i: i.name)
def test_that_there_may_be_no_cuts(instance):
    assert cuts_of(instance) is None


@pytest.mark.parametrize("seed", range(20))
def test_that_with_one_node_per_tier_and_equal_activations_it_solves_p0(seed):
    drawn = random(seed=seed, blocks=12, tiers=3, nodes=1, objective="bottleneck")
    blocks = tuple(replace(block, activation_bytes_per_token=3) for block in drawn.blocks)
    instance = replace(drawn, blocks=blocks)
    cuts, result = cuts_of(instance), bottleneck_dp(instance)
    if cuts is None:
        assert result.status == "infeasible"
    else:
        tables = make_tables(instance)
        stages = (tables.service_s(j, a, b)[0, 0] for j, (a, b) in enumerate(tables.runs(cuts)))
        links = sum(tables.transfer_s(j, cut)[0] for j, cut in enumerate(cuts))
        assert max(stages) + links == pytest.approx(result.objective, rel=1e-12)


@pytest.mark.parametrize(
    ("instance", "cuts"),
    [
        (four_at_once("makespan"), (3,)),
        (two_by_two("makespan"), (3,)),
        (too_few_blocks(), None),
        (no_memory(), None),
        (make([(8, 1, 1, 0)], [[(1, 9)]] * 3, [(0, 1)] * 2, [(0, 1)], "makespan"), (3, 6)),
        (make([(5, 1, 1, 0)], [[(1, 9)]], [], [(0, 1)], "makespan"), ()),
    ],
)
def test_that_equal_cuts_give_the_first_tiers_one_block_more(instance, cuts):
    assert equal_cuts(make_tables(instance)) == cuts
