"""`latency-cuts` and `beam`, the heuristics of our own."""

from __future__ import annotations

import numpy as np
import pytest

from partition_schedule.brute import all_cuts, brute_force
from partition_schedule.draws import tiny_instance
from partition_schedule.instances import OBJECTIVES, no_memory, too_few_blocks
from shardopt.instances.partition_schedule.presets import random, stress
from shardopt.models.errors import InputError
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.partition_schedule.annealing import annealed
from shardopt.solvers.partition_schedule.cut_descent import descend, latency_cuts
from shardopt.solvers.partition_schedule.exact_search import beam, exact
from shardopt.solvers.partition_schedule.frame import make_frame
from shardopt.solvers.partition_schedule.two_stage import bsdp_arts

SCHEDULED = ("mean-latency", "makespan")
HEURISTICS = (latency_cuts, beam)


@pytest.mark.parametrize("heuristic", HEURISTICS)
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", range(100, 130))
def test_plans_are_valid_and_never_better_than_the_optimum(heuristic, objective, seed):
    instance = tiny_instance(seed, objective)
    optimum, result = brute_force(instance).value, heuristic(instance)
    assert result.faults == ()
    assert result.termination == "completed"
    assert result.bound is None
    if optimum is None:
        assert result.status == "infeasible"
    else:
        assert result.objective >= optimum * (1 - 1e-9)
        assert check(instance, result.solution).feasible


@pytest.mark.parametrize("heuristic", HEURISTICS)
@pytest.mark.parametrize("instance", [no_memory(), too_few_blocks()], ids=lambda i: i.name)
def test_where_no_cuts_fit_that_is_proven(heuristic, instance):
    assert heuristic(instance).status == "infeasible"


@pytest.mark.parametrize("heuristic", HEURISTICS)
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", range(10))
def test_they_never_end_behind_the_two_stages(heuristic, objective, seed):
    requests = 1 if objective == "bottleneck" else 12
    instance = random(seed=seed, requests=requests, objective=objective)
    two_stages = bsdp_arts(instance).objective
    if two_stages is not None:
        assert heuristic(instance).objective <= two_stages


@pytest.mark.parametrize("objective", SCHEDULED)
def test_latency_cuts_come_close_to_the_best_of_all_cuts(objective):
    """In the mean over some instances, within 3% of trying every vector of cuts."""
    excess = []
    for seed in range(10):
        instance = stress(seed=seed, blocks=16, requests=8, objective=objective)
        frame = make_frame(make_tables(instance))
        plans = [frame.online_plan(c) for c in all_cuts(instance) if frame.tables.fits(c)]
        best = min(check(instance, plan).objective for plan in plans)
        found = check(instance, frame.online_plan(descend(frame, Budget()))).objective
        excess.append(found / best - 1)
    assert min(excess) > -1e-9
    assert np.mean(excess) < 0.03


def test_latency_cuts_judge_many_requests_by_the_first():
    instance = stress(seed=4, requests=5_000)
    result = latency_cuts(instance)
    assert check(instance, result.solution).feasible


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_over_all_cuts_finds_the_optimum(seed):
    instance = stress(seed=seed, blocks=9, requests=5)
    optimum = exact(instance).objective
    assert beam(instance, width=10_000, vectors=100).objective == pytest.approx(optimum, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_never_makes_its_start_worse(seed):
    instance = stress(seed=seed, requests=8)
    start = exact(instance, time_limit=5).solution
    given = check(instance, start).objective
    assert beam(instance, start=start, width=1, vectors=1).objective <= given


@pytest.mark.parametrize("option", ["width", "vectors"])
@pytest.mark.parametrize("value", [-5, 0, 10**12])
def test_beam_refuses_a_search_of_no_width_and_one_beyond_all_memory(option, value):
    with pytest.raises(InputError, match=f"{option}: found {value}"):
        beam(stress(requests=3), **{option: value})


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("seed", range(10))
def test_annealing_ends_in_a_valid_plan_that_is_no_worse_than_its_beginning(objective, seed):
    instance = random(seed=seed, blocks=9, requests=8, objective=objective)
    frame = make_frame(make_tables(instance))
    if frame.lone[0, 0] == np.inf:
        return
    begun = descend(frame, Budget())
    cuts, plan = annealed(frame, begun, Budget())
    report = check(instance, plan)
    assert report.feasible
    assert plan.cuts == cuts
    assert report.objective <= check(instance, frame.online_plan(begun)).objective * (1 + 1e-12)


@pytest.mark.parametrize("objective", SCHEDULED)
def test_annealing_comes_close_to_the_optimum(objective):
    """In the mean over some instances, within 1%."""
    excess = []
    for seed in range(10):
        instance = stress(seed=seed, blocks=12, requests=6, objective=objective)
        frame = make_frame(make_tables(instance))
        _, plan = annealed(frame, descend(frame, Budget()), Budget())
        excess.append(check(instance, plan).objective / exact(instance).objective - 1)
    assert min(excess) > -1e-9
    assert np.mean(excess) < 0.01
