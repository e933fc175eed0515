"""The compiled bounds and searches, against full enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from partition_schedule.brute import all_cuts, best_for_cuts
from partition_schedule.draws import tiny_instance
from shardopt.instances.partition_schedule.presets import random, stress
from shardopt.models.partition_schedule.bounds import bound_of_cuts
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.data import Instance
from shardopt.models.partition_schedule.tables import Cuts, make_tables
from shardopt.solvers.partition_schedule.frame import Frame, make_frame
from shardopt.solvers.partition_schedule.schedule_kernels.bounds import bound_cuts
from shardopt.solvers.partition_schedule.schedule_kernels.online import online_cuts
from shardopt.solvers.partition_schedule.schedule_kernels.positions import positional
from shardopt.solvers.partition_schedule.schedule_kernels.search import search

SCHEDULED = ("mean-latency", "makespan")
GOES_ON = np.zeros(1, dtype=np.uint8)


def bounds_of(frame: Frame, vectors: list[Cuts]) -> list[float]:
    """Return the bounds of prefixes of cuts, all of the same length, as objectives."""
    depth = len(vectors[0])
    cuts = np.array(vectors, dtype=np.int64).reshape(len(vectors), depth)
    bounds = np.zeros(len(cuts))
    bound_cuts(frame.arrays, cuts, depth, np.inf, bounds, GOES_ON)
    return [frame.objective(bound) for bound in bounds]


def searched(frame: Frame, cuts: Cuts, limit: float, width: int):
    """Return value, bound and rows of one search, as objectives."""
    rows = np.zeros(len(frame.requests) * (len(cuts) + 1), dtype=np.int64)
    value, bound, _ = search(frame.pipe(cuts), frame.arrays[2], limit, width, rows, GOES_ON)
    return frame.objective(value), frame.objective(bound), rows


def optima(instance: Instance) -> dict[Cuts, float]:
    found = {cuts: best_for_cuts(instance, cuts).value for cuts in all_cuts(instance)}
    return {cuts: np.inf if value is None else value for cuts, value in found.items()}


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("seed", range(200, 230))
def test_no_bound_of_cuts_or_of_a_prefix_lies_above_the_best_schedule(objective, seed):
    instance = tiny_instance(seed, objective)
    frame, best = make_frame(make_tables(instance)), optima(instance)
    for depth in range(len(instance.tiers)):
        prefixes = sorted({cuts[:depth] for cuts in best})
        for prefix, bound in zip(
            prefixes, bounds_of(frame, prefixes) if prefixes else [], strict=True
        ):
            least = min(value for cuts, value in best.items() if cuts[:depth] == prefix)
            assert bound <= least * (1 + 1e-12)


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("seed", range(20))
def test_bounds_of_cuts_are_at_least_those_in_closed_form(objective, seed):
    tables = make_tables(random(seed=seed, blocks=6, requests=7, objective=objective))
    vectors = all_cuts(tables.instance)
    for cuts, bound in zip(vectors, bounds_of(make_frame(tables), vectors), strict=True):
        assert bound >= bound_of_cuts(tables, cuts) * (1 - 1e-12)


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("seed", range(300, 315))
def test_a_narrow_search_returns_a_schedule_and_a_bound_on_either_side(objective, width, seed):
    instance = tiny_instance(seed, objective)
    frame = make_frame(make_tables(instance))
    for cuts, best in optima(instance).items():
        if np.isfinite(best):
            value, bound, rows = searched(frame, cuts, np.inf, width)
            assert bound <= best * (1 + 1e-12)
            assert value >= best * (1 - 1e-12)
            report = check(instance, frame.plan(cuts, rows))
            assert report.feasible
            assert report.objective == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_found_below_the_best_and_the_best_below_a_little_more(objective, seed):
    instance = stress(seed=seed, blocks=9, requests=6, objective=objective)
    frame, cuts = make_frame(make_tables(instance)), (3, 6)
    best, bound, _ = searched(frame, cuts, np.inf, 100_000)
    assert bound == best
    none, limit, _ = searched(frame, cuts, frame.total(best * (1 - 1e-9)), 100_000)
    assert none == np.inf
    assert limit == pytest.approx(best * (1 - 1e-9), rel=1e-12)
    again, _, _ = searched(frame, cuts, frame.total(best * (1 + 1e-6)), 100_000)
    assert again == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_widening_the_search_raises_its_bound(seed):
    frame = make_frame(make_tables(stress(seed=seed, requests=8)))
    bounds = [searched(frame, (10, 21), np.inf, width)[1] for width in (1, 10, 100, 1000)]
    assert bounds == sorted(bounds)


@pytest.mark.parametrize("seed", range(10))
def test_lone_times_are_those_of_the_best_cuts_and_nodes(seed):
    instance = tiny_instance(seed, "mean-latency")
    tables = make_tables(instance)
    lone = make_frame(tables).lone[0, 0]

    def per_token(cuts: Cuts) -> float:
        service = sum(
            min((tables.flops(a, b) / tables.speed[j])[tables.eligible(j, a, b)], default=np.inf)
            for j, (a, b) in enumerate(tables.runs(cuts))
        )
        handed = (tables.activation[cut - 1] / tables.bandwidth[j] for j, cut in enumerate(cuts))
        return service + sum(handed)

    best = min((per_token(cuts) for cuts in all_cuts(instance)), default=np.inf)
    assert lone == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("seed", range(10))
def test_online_dispatching_sends_each_request_where_it_ends_first(objective, seed):
    instance = random(seed=seed, blocks=6, tiers=2, nodes=3, requests=9, objective=objective)
    frame = make_frame(make_tables(instance))
    vectors = [cuts for cuts in all_cuts(instance) if frame.tables.fits(cuts)]
    values = np.full(len(vectors), np.inf)
    cuts = np.array(vectors, dtype=np.int64).reshape(len(vectors), 1)
    online_cuts(frame.arrays, cuts, values, GOES_ON)
    for vector, value in zip(vectors, values, strict=True):
        report = check(instance, frame.online_plan(vector))
        assert report.feasible
        assert report.objective == pytest.approx(frame.objective(value), rel=1e-12)


@pytest.mark.parametrize("nodes", [2, 3, 4])
def test_positions_give_the_least_sum_of_completions_of_jobs_that_are_all_there(nodes):
    rng = np.random.default_rng(nodes)
    for _ in range(20):
        n = int(rng.integers(2, 6))
        work = -np.sort(-rng.uniform(0.2, 3.0, n))
        speed, free = -np.sort(-rng.uniform(0.5, 3.0, nodes)), rng.uniform(0.0, 2.0, nodes)
        places = np.zeros(2 * nodes, dtype=np.int64)
        places[0] = n
        found = positional(work, n, speed, 0, nodes, places, free)
        assert found == pytest.approx(least_sum(work, speed, free), rel=1e-12)


def least_sum(work, speed, free) -> float:
    """Try every assignment; on a node the shortest go first."""
    best = np.inf
    for nodes in itertools.product(range(len(speed)), repeat=len(work)):
        total = 0.0
        for k in range(len(speed)):
            mine = np.sort([w for w, node in zip(work, nodes, strict=True) if node == k])
            total += float((free[k] + np.cumsum(mine) / speed[k]).sum())
        best = min(best, total)
    return best
