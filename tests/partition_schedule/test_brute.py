"""The reference itself: enumeration by states is enumeration of everything."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from partition_schedule.brute import all_cuts, brute_force
from partition_schedule.draws import random_plan, tiny_instance
from partition_schedule.instances import OBJECTIVES, four_at_once
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.data import Instance
from shardopt.models.partition_schedule.tables import make_tables

close = pytest.approx


def by_permutations(instance: Instance) -> float | None:
    """Return the optimum by every sequence of dispatches with every choice of nodes."""
    best = None
    requests, tiers = len(instance.requests), len(instance.tiers)
    orders = set(itertools.permutations([r for r in range(requests) for _ in range(tiers)]))
    for cuts in all_cuts(instance):
        ends = (0, *cuts, len(instance.blocks))
        runs = [instance.blocks[a:b] for a, b in itertools.pairwise(ends)]
        eligible = [
            [n for n in tier.nodes if sum(b.weight_bytes for b in run) <= n.memory_bytes]
            for tier, run in zip(instance.tiers, runs, strict=True)
        ]
        pairs = [(r, j) for r in range(requests) for j in range(tiers)]
        for nodes in itertools.product(*(eligible[j] for _, j in pairs)):
            chosen = dict(zip(pairs, nodes, strict=True))
            for order in orders:
                value = serial(instance, runs, chosen, order)
                best = value if best is None else min(best, value)
    return best


def serial(instance, runs, chosen, order) -> float:
    """Return the objective when services are dispatched in this order, each at once."""
    now = [request.arrival_s for request in instance.requests]
    free, stage = Counter(), Counter()
    for r in order:
        j, request = stage[r], instance.requests[r]
        node = chosen[r, j]
        work = request.tokens * sum(b.flops_per_token for b in runs[j])
        now[r] = free[node.name] = max(now[r], free[node.name]) + work / node.flops_per_s
        if j + 1 < len(runs):
            link, handed = instance.links[j], runs[j][-1].activation_bytes_per_token
            now[r] += link.latency_s + request.tokens * handed / link.bytes_per_s
        stage[r] += 1
    arrivals = [request.arrival_s for request in instance.requests]
    if instance.objective == "makespan":
        return max(now) - min(arrivals)
    return sum(end - arrival for end, arrival in zip(now, arrivals, strict=True)) / len(now)


@pytest.mark.parametrize("objective", ["mean-latency", "makespan"])
def test_that_enumeration_by_states_agrees_with_plain_permutations(objective):
    compared = 0
    for seed in range(120):
        instance = tiny_instance(seed, objective)
        services = len(instance.requests) * len(instance.tiers)
        choices = max(len(tier.nodes) for tier in instance.tiers) ** services
        if services > 6 or choices * len(all_cuts(instance)) > 200:
            continue
        expected = by_permutations(instance)
        assert brute_force(instance).value == (expected and close(expected, rel=1e-12))
        compared += len(instance.requests) > 1
    assert compared > 20


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_that_no_drawn_plan_beats_full_enumeration(objective):
    for seed in range(20):
        instance = tiny_instance(seed, objective)
        plan = random_plan(instance, seed)
        assert (plan is None) == (brute_force(instance).value is None)
        if plan is not None:
            report = check(instance, plan)
            assert report.feasible
            assert report.objective >= brute_force(instance).value * (1 - 1e-12)


def test_that_the_drawn_instances_cover_the_corners_of_the_page():
    drawn = [tiny_instance(seed, "mean-latency") for seed in range(200)]
    feasible = [i for i in drawn if any(map(make_tables(i).fits, all_cuts(i)))]
    assert 100 < len(feasible) < 180
    assert {len(i.tiers) for i in feasible} == {1, 2, 3}
    assert any(len(i.blocks) < len(i.tiers) for i in drawn)
    assert any(len(i.blocks) == len(i.tiers) > 1 for i in feasible)
    assert any(len(set(i.requests)) < len(i.requests) for i in feasible)
    assert any(b.weight_bytes == 0 for i in feasible for b in i.blocks)
    assert any(
        one.flops_per_s == other.flops_per_s
        for i in feasible
        for tier in i.tiers
        for one, other in itertools.combinations(tier.nodes, 2)
    )
    assert any(len({b.activation_bytes_per_token for b in i.blocks}) > 1 for i in feasible)


def test_that_equal_requests_at_once_take_turns_at_the_slowest_stage():
    """One node per tier: the sum of stages and links plus (R - 1) / 2 largest stages."""
    makespan = [
        (stages := (cut, (5 - cut) / 2)) and sum(stages) + 0.5 + 3 * max(stages)
        for cut in range(1, 5)
    ]
    latency = [cut + 0.5 + (5 - cut) / 2 + 1.5 * max(cut, (5 - cut) / 2) for cut in range(1, 5)]
    assert brute_force(four_at_once("makespan")).value == close(min(makespan))
    assert brute_force(four_at_once("mean-latency")).value == close(min(latency))


def test_that_permuted_requests_have_the_same_optimum():
    for seed in range(8):
        instance = tiny_instance(seed, "mean-latency")
        turned = replace(instance, requests=instance.requests[::-1])
        value = brute_force(instance).value
        assert brute_force(turned).value == (None if value is None else close(value, rel=1e-12))
