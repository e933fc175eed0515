"""`packing-search`: exact on few devices, near the optimum on sixteen, anytime."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from replica_clustering.brute import brute_force
from replica_clustering.draws import tiny_instance
from replica_clustering.hand import HAND
from shardopt.instances.replica_clustering.presets import links, random_edge, typed
from shardopt.models.errors import InputError
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.finish import checked_objective
from shardopt.solvers.replica_clustering import ga, packing_dp, packing_search, two_pipelines
from shardopt.solvers.replica_clustering.neighbourhoods import PackingSearch
from shardopt.solvers.replica_clustering.rates import rate_model


@pytest.mark.parametrize("unequal", [False, True])
def test_that_it_is_exact_where_everything_is_one_part(unequal):
    for seed in range(8):
        instance = tiny_instance(seed, unequal)
        optimum = brute_force(instance).value
        result = packing_search(instance)
        assert result.objective == (None if optimum is None else pytest.approx(optimum, rel=1e-9))
        assert result.bound is None
        assert result.status == ("unknown" if optimum is None else "feasible")


@pytest.mark.parametrize(
    "instance",
    [
        random_edge(seed=0, devices=12),
        random_edge(seed=1, devices=13, memory=0.5),
        typed(seed=0, types=3, devices=18),
        links(seed=0, devices=11),
    ],
    ids=lambda instance: instance.name,
)
def test_that_it_comes_within_one_per_cent_of_the_optimum(instance):
    optimum = packing_dp(instance).objective
    result = packing_search(instance)
    assert optimum * (1 - 1e-12) <= result.objective <= 1.01 * optimum


@pytest.mark.long
@pytest.mark.parametrize("memory", [0.5, 1.0])
def test_that_it_ends_within_one_per_cent_in_the_mean_at_sixteen_devices(memory):
    gaps, published = [], []
    for seed in range(20):
        instance = random_edge(seed=seed, devices=16, memory=memory)
        optimum = packing_dp(instance).objective
        gaps.append(packing_search(instance, seed=seed).objective / optimum - 1)
        published.append(ga(instance, seed=seed).objective / optimum - 1)
    assert statistics.mean(gaps) < 0.01
    assert statistics.mean(gaps) < statistics.mean(published)


def test_that_the_plan_at_hand_uses_no_device_twice_and_is_as_good_as_it_says():
    instance = typed(seed=1, types=4, devices=14)
    search = PackingSearch(rate_model(make_tables(instance)), Budget(), 0)
    search.run(6, 1)
    assert np.all(search._unused() >= 0)
    assert 1 / search._rate() == pytest.approx(search.objective, rel=1e-12)
    assert checked_objective(instance, search.best) == search.objective


def test_that_replicas_larger_than_any_part_are_collected_first():
    # Every replica needs at least eight devices, and a part of four has room for none.
    instance = random_edge(seed=0, devices=24, memory=0.12)
    result = packing_search(instance, devices=4)
    assert result.objective is not None
    assert max(len(r.stages) for r in result.solution.replicas) >= 5


def test_that_a_start_is_never_made_worse_and_gone_on_from():
    instance = random_edge(seed=0, devices=14)
    best = packing_dp(instance)
    assert packing_search(instance, start=best.solution, time_limit=0.0).objective == best.objective
    poor = two_pipelines(instance)
    result = packing_search(instance, start=poor.solution, devices=3, descents=1)
    assert result.objective < poor.objective


def test_that_the_same_seed_gives_the_same_plan():
    instance = random_edge(seed=5, devices=14)
    first, second = (packing_search(instance, seed=3) for _ in range(2))
    assert first.solution == second.solution


def test_that_the_trace_falls_to_the_objective():
    result = packing_search(random_edge(seed=3, devices=14), devices=5)
    objectives = [point.objective for point in result.trace]
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[-1] == result.objective


def test_that_time_runs_out_in_good_order():
    result = packing_search(random_edge(seed=0, devices=1000), time_limit=0.5)
    assert result.termination == "time-limit"
    assert result.status in ("feasible", "unknown")  # there may be no time for a plan either
    assert result.faults == ()


def test_that_parts_too_large_to_pack_are_refused():
    with pytest.raises(InputError, match="devices"):
        packing_search(HAND["a-b"][0], devices=17)
