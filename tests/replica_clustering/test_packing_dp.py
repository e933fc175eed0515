"""`packing-dp`: optima by hand, by brute force and golden, with and without types; its limits."""

from __future__ import annotations

import _thread
import itertools
import threading

import numpy as np
import pytest

from replica_clustering.brute import brute_force
from replica_clustering.draws import tiny_instance
from replica_clustering.hand import HAND
from replica_clustering.solving import assert_solved, untyped
from shardopt.instances.replica_clustering.presets import e2llm_testbed, links, random_edge, typed
from shardopt.models.replica_clustering.bounds import additive_bound
from shardopt.models.replica_clustering.evaluate import bottleneck, requests_per_s
from shardopt.models.replica_clustering.grouping import to_solution
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.finish import checked_objective
from shardopt.solvers.replica_clustering import packing_dp
from shardopt.solvers.replica_clustering.packing import pack
from shardopt.solvers.replica_clustering.rates import rate_model, rate_states


def packed(tables):
    """Return the DP over all sets of an instance."""
    return pack(rate_states(rate_model(tables), Budget()), Budget())


@pytest.mark.parametrize("name", HAND)
def test_that_the_optimum_is_as_worked_out_by_hand(name):
    instance, optimum = HAND[name]
    assert_solved(instance, packing_dp(instance), optimum)


@pytest.mark.parametrize("unequal", [False, True])
def test_that_the_optimum_of_tiny_instances_is_found(unequal):
    for seed in range(25):
        instance = tiny_instance(seed, unequal)
        assert_solved(instance, packing_dp(instance), brute_force(instance).value)


@pytest.mark.long
@pytest.mark.parametrize("unequal", [False, True])
@pytest.mark.parametrize("part", range(5))
def test_that_the_optimum_of_hundreds_of_instances_is_found(unequal, part):
    for seed in range(1000 + 60 * part, 1060 + 60 * part):
        instance = tiny_instance(seed, unequal, max_devices=5)
        assert_solved(instance, packing_dp(instance), brute_force(instance).value)


@pytest.mark.parametrize("preset", [typed, links])
def test_that_merging_equal_devices_changes_nothing(preset):
    for seed in range(4):
        instance = preset(seed=seed, devices=7, **({"types": 3} if preset is typed else {}))
        rate, _ = packed(untyped(instance)).split()
        assert packing_dp(instance).objective == pytest.approx(1 / rate, rel=1e-12)


def test_that_merging_leaves_few_sets_of_many_equal_devices():
    model = rate_model(make_tables(typed(seed=0, types=2, devices=40)))
    assert sorted(model.available) == [20, 20]
    assert len(rate_states(model, Budget()).rate) == 21**2


def test_that_a_set_is_useful_if_no_packing_of_its_parts_is_as_good():
    instance = random_edge(seed=4, devices=5, memory=0.5)
    found = packed(untyped(instance))
    rate = found.rated.rate

    def partitions(items):
        if not items:
            yield []
            return
        for size in range(len(items)):
            for mates in itertools.combinations(items[1:], size):
                rest = [k for k in items[1:] if k not in mates]
                yield from ([(items[0], *mates), *others] for others in partitions(rest))

    for state in range(1, 2**5):
        items = [k for k in range(5) if state >> k & 1]
        for role in (0, 1):
            sums = [
                sum(rate[sum(1 << k for k in part), role] for part in parts)
                for parts in partitions(items)
            ]
            others = [s for s, parts in zip(sums, partitions(items), strict=True) if len(parts) > 1]
            assert found.best[state, role] == pytest.approx(max(sums), rel=1e-12)
            best_other = max(others, default=0.0)
            if rate[state, role] != pytest.approx(best_other, rel=1e-12):
                assert found.useful[state, role] == (rate[state, role] > best_other)


def test_that_the_golden_optimum_of_the_testbed_is_found():
    instance = e2llm_testbed()
    result = packing_dp(instance)
    assert result.objective == pytest.approx(1.3894557019, abs=1e-10)
    assert bottleneck(instance, result.objective) == pytest.approx(0.8894557019, abs=1e-10)
    fastest = {
        frozenset(stage.device for stage in replica.stages): requests_per_s(instance, replica)
        for replica in result.solution.replicas
    }
    assert fastest[frozenset({"rtx5070", "rtx3060m"})] == pytest.approx(0.4424953084, abs=1e-10)
    for name in ("m2max-a", "m2max-b"):
        assert fastest[frozenset({name})] == pytest.approx(0.1386054879, abs=1e-10)
    assert sorted(r.batch for r in result.solution.replicas if r.role == "decode") == [5, 5, 8]
    assert additive_bound(make_tables(instance)) == pytest.approx(1.0339866361, abs=1e-10)


def test_that_the_testbed_has_the_golden_number_of_useful_sets():
    assert packed(untyped(e2llm_testbed())).useful.sum(axis=0).tolist() == [38, 18]


def test_that_every_set_that_prefills_is_unpacked_to_what_it_promises():
    instance = typed(seed=3, types=3, devices=6)
    found = packed(make_tables(instance))
    sums = np.minimum(found.best[:, 0], found.best[::-1, 1])
    for state in np.flatnonzero(sums > 0.0).tolist():
        plan = to_solution(found.rated.model.tables, found.groups(state))
        assert checked_objective(instance, plan) == pytest.approx(1 / sums[state], rel=1e-12)


def test_that_one_device_alone_has_no_plan():
    assert packing_dp(random_edge(devices=1)).status == "infeasible"


def test_that_tables_that_do_not_fit_end_with_memory_limit_a_plan_and_a_bound():
    instance = random_edge(seed=0, devices=14)
    result = packing_dp(instance, memory_limit_bytes=1e6)
    assert result.termination == "memory-limit"
    assert result.status == "feasible"
    assert 0.0 < result.bound < result.objective
    assert result.faults == ()


def test_that_a_thousand_devices_end_in_good_order():
    result = packing_dp(random_edge(seed=0, devices=1000), time_limit=3.0)
    assert result.termination in ("memory-limit", "time-limit")
    assert result.bound is not None


def test_that_time_runs_out_with_the_start_in_hand():
    instance = random_edge(seed=0, devices=22)
    start = packing_dp(instance, memory_limit_bytes=1.0, time_limit=2.0).solution
    result = packing_dp(instance, start=start, time_limit=0.3)
    assert result.termination == "time-limit"
    assert result.objective <= checked_objective(instance, start)


def test_that_ctrl_c_returns_what_is_known():
    timer = threading.Timer(1.0, _thread.interrupt_main)
    timer.start()
    result = packing_dp(random_edge(seed=0, devices=22), time_limit=None)
    assert result.termination == "interrupted"
    assert result.bound is not None
