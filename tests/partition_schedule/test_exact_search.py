"""`exact`, against brute force, hand-checkable and golden values, and under changes of the data."""

from __future__ import annotations

import _thread
import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from partition_schedule.brute import all_cuts, best_for_cuts, brute_force
from partition_schedule.draws import tiny_instance
from partition_schedule.instances import GOLDEN, HAND, OBJECTIVES, golden, judged_by, make
from shardopt.instances.partition_schedule.presets import random, stress
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.data import Instance
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.partition_schedule.cut_search import CutSearch
from shardopt.solvers.partition_schedule.exact_search import exact, exact_under_cuts
from shardopt.solvers.partition_schedule.first_stage import bsdp_cuts, equal_cuts
from shardopt.solvers.partition_schedule.frame import make_frame

SCHEDULED = ("mean-latency", "makespan")


def assert_solves(instance: Instance, optimum: float | None, **more) -> None:
    result = exact(instance, **more)
    assert result.faults == ()
    assert result.termination == "completed"
    if optimum is None:
        assert result.status == "infeasible"
    else:
        assert result.status == "optimal"
        assert result.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12)
        assert result.bound == result.objective


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", range(40))
def test_finds_the_optimum_of_tiny_instances(objective, seed):
    instance = tiny_instance(seed, objective)
    assert_solves(instance, brute_force(instance).value)


@pytest.mark.long
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("block", range(10))
def test_finds_the_optimum_of_hundreds_of_tiny_instances(objective, block):
    for seed in range(1000 + 30 * block, 1030 + 30 * block):
        instance = tiny_instance(seed, objective)
        assert_solves(instance, brute_force(instance).value)


@pytest.mark.parametrize("name", HAND)
def test_finds_what_is_worked_out_by_hand(name):
    assert_solves(*HAND[name])


@pytest.mark.parametrize(("preset", "objective"), GOLDEN)
def test_finds_the_golden_values(preset, objective):
    optimum, cuts = GOLDEN[preset, objective]
    result = exact(golden(preset, objective))
    assert result.status == "optimal"
    assert result.objective == pytest.approx(optimum, abs=6e-11)
    assert cuts in (None, result.solution.cuts)


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("seed", range(12))
def test_under_fixed_cuts_the_search_finds_the_best_schedule(objective, seed):
    instance = tiny_instance(500 + seed, objective)
    frame = make_frame(make_tables(instance))
    for cuts in all_cuts(instance):
        optimum = best_for_cuts(instance, cuts).value
        search = CutSearch(frame, Budget(), memory_bytes=1e8)
        search.push([cuts])
        search.run()
        assert search.proven()
        if optimum is None:
            assert search.best is None
        else:
            assert search.value == pytest.approx(optimum, rel=1e-9)


@pytest.mark.parametrize("rule", ["bsdp", "equal"])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", range(700, 715))
def test_under_the_cuts_of_a_rule_the_best_schedule_is_found(rule, objective, seed):
    instance = tiny_instance(seed, objective)
    tables = make_tables(instance)
    cuts = bsdp_cuts(tables, Budget()) if rule == "bsdp" else equal_cuts(tables)
    result = exact_under_cuts(instance, rule=rule)
    assert result.faults == ()
    assert result.termination == "completed"
    if cuts is None:
        assert result.status == ("infeasible" if rule == "bsdp" else "unknown")
        assert rule == "equal" or brute_force(instance).value is None
        return
    optimum = best_for_cuts(instance, cuts).value
    assert result.solution.cuts == cuts
    assert result.objective == pytest.approx(optimum, rel=1e-9)
    assert result.extra["fixed_cuts_bound"] == pytest.approx(optimum, rel=1e-9)
    assert result.bound is None


def test_the_bound_under_fixed_cuts_is_none_of_the_whole_problem():
    result = exact_under_cuts(golden("hyperion-phi3-medium", "mean-latency"), rule="bsdp")
    assert result.status == "feasible"
    assert result.bound is None
    assert all(point.bound is None for point in result.trace)
    assert result.extra["fixed_cuts_bound"] == result.objective


@pytest.mark.parametrize("seed", range(10))
def test_the_price_of_two_stages_and_of_being_online_is_never_negative(seed):
    instance = random(seed=seed, blocks=9, requests=6)
    best, at_bsdp = exact(instance), exact_under_cuts(instance, rule="bsdp")
    if best.status == "infeasible":
        assert at_bsdp.status == "infeasible"
    else:
        assert best.objective <= at_bsdp.objective * (1 + 1e-9)


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("tokens", [1, 4])
def test_equal_requests_at_once_on_one_node_per_tier_flow_in_line(objective, tokens):
    """Sum of stages and links, and then the largest stage for each request in line."""
    count = 5
    instance = make(
        [(2, 3, 1, 2), (3, 1, 1, 1), (2, 2, 1, 0)],
        [[(2, 9)], [(3, 9)], [(1, 9)]],
        [(0.5, 4), (0.25, 2)],
        [(0, tokens)] * count,
        objective,
    )
    tables = make_tables(instance)
    waits = (count - 1) / 2 if objective == "mean-latency" else count - 1

    def in_line(cuts: tuple[int, ...]) -> float:
        stages = [tables.service_s(j, a, b)[0, 0] for j, (a, b) in enumerate(tables.runs(cuts))]
        links = sum(tables.transfer_s(j, cut)[0] for j, cut in enumerate(cuts))
        return sum(stages) + links + waits * max(stages)

    assert_solves(instance, min(in_line(cuts) for cuts in all_cuts(instance)))


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("seed", range(10))
def test_more_of_anything_never_worsens_the_optimum(objective, seed):
    instance = random(seed=seed, blocks=7, tiers=2, nodes=2, requests=5, objective=objective)
    value = objective_of(instance)
    for better in (
        with_nodes(instance, lambda node: replace(node, flops_per_s=1.5 * node.flops_per_s)),
        with_nodes(instance, lambda node: replace(node, memory_bytes=2 * node.memory_bytes)),
        replace(
            instance,
            links=tuple(replace(k, bytes_per_s=2 * k.bytes_per_s) for k in instance.links),
        ),
        replace(
            instance,
            tiers=(
                *instance.tiers[:-1],
                replace(
                    instance.tiers[-1],
                    nodes=(
                        *instance.tiers[-1].nodes,
                        replace(instance.tiers[-1].nodes[0], name="+"),
                    ),
                ),
            ),
        ),
    ):
        assert objective_of(better) <= value * (1 + 1e-9)


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("seed", range(6))
def test_scaling_all_times_scales_the_objective(objective, seed):
    instance = random(seed=seed, blocks=8, tiers=3, nodes=2, requests=5, objective=objective)
    slower = with_nodes(instance, lambda node: replace(node, flops_per_s=node.flops_per_s / 8))
    slower = replace(
        slower,
        links=tuple(
            replace(k, latency_s=8 * k.latency_s, bytes_per_s=k.bytes_per_s / 8)
            for k in instance.links
        ),
        requests=tuple(replace(r, arrival_s=8 * r.arrival_s) for r in instance.requests),
    )
    assert objective_of(slower) == pytest.approx(8 * objective_of(instance), rel=1e-9)


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("seed", range(6))
def test_order_and_names_play_no_part(objective, seed):
    instance = random(seed=seed, blocks=8, tiers=3, nodes=3, requests=5, objective=objective)
    shuffled = replace(
        instance,
        requests=instance.requests[::-1],
        tiers=tuple(
            replace(
                tier,
                name=f"tier {j}",
                nodes=tuple(
                    replace(node, name=f"{j}/{k}") for k, node in enumerate(tier.nodes[::-1])
                ),
            )
            for j, tier in enumerate(instance.tiers)
        ),
    )
    assert objective_of(shuffled) == pytest.approx(objective_of(instance), rel=1e-9)


@pytest.mark.parametrize("objective", SCHEDULED)
def test_late_arrivals_change_little(objective):
    instance = random(seed=3, blocks=8, tiers=3, nodes=2, requests=5, objective=objective)
    later = replace(
        instance,
        requests=tuple(replace(r, arrival_s=r.arrival_s + 2.0**30) for r in instance.requests),
    )
    result = exact(later)
    assert result.status == "optimal"
    assert result.faults == ()
    assert result.objective == pytest.approx(objective_of(instance), rel=1e-5)


@pytest.mark.parametrize("objective", SCHEDULED)
def test_at_a_time_limit_plan_and_bound_remain(objective):
    instance = stress(seed=1, requests=30, nodes=3, objective=objective)
    result = exact(instance, time_limit=1.0)
    assert result.termination == "time-limit"
    assert result.status == "feasible"
    assert check(instance, result.solution).feasible
    assert 0 < result.bound < result.objective


def test_the_bound_rises_while_the_search_goes_on():
    result = exact(stress(seed=1, requests=30, nodes=3), time_limit=1.0)
    bounds = [point.bound for point in result.trace if point.bound is not None]
    assert len(bounds) > 1
    assert all(one <= other for one, other in pairwise(bounds))
    assert all(point.bound <= result.objective for point in result.trace if point.bound)


def test_ctrl_c_ends_with_plan_and_bound():
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    try:
        result = exact(stress(seed=1, requests=30, nodes=3), time_limit=30)
    finally:
        timer.cancel()
    assert result.termination == "interrupted"
    assert result.status == "feasible"
    assert 0 < result.bound < result.objective


def test_out_of_memory_ends_with_plan_and_bound():
    result = exact(stress(seed=1, requests=12, nodes=3), memory_limit_bytes=3e5)
    assert result.termination == "memory-limit"
    assert result.status == "feasible"
    assert 0 < result.bound < result.objective


@pytest.mark.parametrize("objective", SCHEDULED)
def test_many_requests_still_get_plan_and_bound(objective):
    instance = stress(seed=1, requests=20_000, objective=objective)
    result = exact(instance, time_limit=10, memory_limit_bytes=1e9)
    assert result.status == "feasible"
    assert 0.3 * result.objective < result.bound < result.objective


@pytest.mark.parametrize("objective", SCHEDULED)
def test_one_thread_and_two_prove_the_same(objective):
    instance = stress(seed=2, requests=8, objective=objective)
    one, two = (exact(instance, threads=threads) for threads in (1, 2))
    assert one.status == two.status == "optimal"
    assert one.objective == pytest.approx(two.objective, rel=1e-9)


def test_blocks_of_very_different_size_are_not_lost_in_rounding():
    """2^60 FLOP come first: beside them the others would vanish in a sum."""
    instance = make(
        [(1, 2.0**60, 1, 0), (3, 1, 1, 0)],
        [[(2.0**60, 9)], [(1, 9), (2, 9)]],
        [(0, 1)],
        [(0, 1), (0, 2), (1, 1)],
        "mean-latency",
    )
    assert_solves(instance, brute_force(instance).value)


def test_with_one_request_mean_latency_and_makespan_agree():
    instance = random(seed=5, requests=1)
    other = judged_by(instance, "makespan")
    assert objective_of(instance) == pytest.approx(objective_of(other), rel=1e-12)


def objective_of(instance: Instance) -> float:
    result = exact(instance)
    return np.inf if result.status == "infeasible" else result.objective


def with_another_node(instance: Instance) -> Instance:
    last = instance.tiers[-1]
    last = replace(last, nodes=(*last.nodes, replace(last.nodes[0], name="another")))
    return replace(instance, tiers=(*instance.tiers[:-1], last))


def with_nodes(instance: Instance, change) -> Instance:
    tiers = (replace(t, nodes=tuple(change(node) for node in t.nodes)) for t in instance.tiers)
    return replace(instance, tiers=tuple(tiers))
