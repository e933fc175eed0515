"""`splitwise`: who prefills fastest must prefill, by the published ratio or the best number."""

from __future__ import annotations

import numpy as np
import pytest

from replica_clustering.brute import brute_force
from replica_clustering.draws import tiny_instance
from replica_clustering.hand import HAND
from shardopt.instances.replica_clustering.presets import e2llm_testbed, random_edge
from shardopt.models.replica_clustering.inside import replica_rate
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.solvers.replica_clustering import genetic_kernels as kernels
from shardopt.solvers.replica_clustering import packing_dp, splitwise

FEW = {"population": 40, "generations": 30}


def ranked(prefill, decode, rule):
    """Return lambda and the roles of groups with these rates."""
    roles = np.empty(len(prefill), dtype=np.int64)
    rates = np.array(prefill, dtype=float), np.array(decode, dtype=float)
    value = kernels.assign(*rates, np.arange(len(prefill)), rule, roles)
    return value, roles.tolist()


def test_that_the_ratio_of_mean_times_says_how_many_groups_prefill():
    # Means 4 and 1: a = 1/4, b = 1, so floor(5 * 0.2 + 0.5) = 1 of five groups prefills.
    value, roles = ranked([4, 8, 2, 2, 4], [1, 1, 1, 1, 1], kernels.RATIO)
    assert roles == [1, 0, 1, 1, 1]
    assert value == 4.0
    # Means 1 and 1: floor(5 * 0.5 + 0.5) = 3.
    _, roles = ranked([1.2, 1.1, 1.0, 0.9, 0.8], [1, 1, 1, 1, 1], kernels.RATIO)
    assert roles == [0, 0, 0, 1, 1]


def test_that_at_least_one_group_has_each_role():
    assert ranked([9, 8], [0.001, 0.001], kernels.RATIO)[1] == [0, 1]
    assert ranked([0.001, 0.002], [9, 8], kernels.RATIO)[1] == [1, 0]


def test_that_the_best_number_is_at_least_as_good():
    random = np.random.default_rng(0)
    for _ in range(100):
        groups = int(random.integers(2, 8))
        prefill, decode = random.exponential(size=(2, groups)) * (random.random((2, groups)) < 0.8)
        ratio, best = (ranked(prefill, decode, rule)[0] for rule in (kernels.RATIO, 2))
        free = ranked(prefill, decode, kernels.BEST)[0]
        assert ratio <= best <= free + 1e-12


def test_that_ties_are_ranked_by_smaller_decode_rate_and_then_by_lowest_device():
    assert ranked([2, 2, 1], [3, 1, 1], kernels.RATIO)[1][1] == 0
    assert ranked([2, 2], [1, 1], kernels.RATIO)[1] == [0, 1]


def test_that_groups_that_serve_nobody_do_not_count_and_are_left_out():
    value, roles = ranked([4, 0, 2], [1, 0, 1], kernels.RATIO)
    assert roles == [0, kernels.UNUSED, 1]
    assert value == 1.0
    assert ranked([4, 0], [1, 0], kernels.RATIO)[0] == 0.0
    assert ranked([4, 3], [0, 0], kernels.RATIO)[0] == 0.0


def test_that_the_slowest_prefill_replica_is_no_slower_at_it_than_any_decode_replica():
    for seed in range(4):
        instance = random_edge(seed=seed, devices=7)
        tables, index = make_tables(instance), instance.device_index()
        for role_count in ("ratio", "best"):
            plan = splitwise(instance, role_count=role_count, **FEW).solution
            at = {"prefill": [], "decode": []}
            for replica in plan.replicas:
                devices = [index[stage.device] for stage in replica.stages]
                at[replica.role].append(replica_rate(tables, "prefill", devices)[0])
            assert min(at["prefill"]) >= max(at["decode"]) * (1 - 1e-12)


@pytest.mark.parametrize("role_count", ["ratio", "best"])
def test_that_the_golden_plan_of_the_testbed_is_found(role_count):
    result = splitwise(e2llm_testbed(), role_count=role_count)
    assert result.objective == pytest.approx(2.5475959786, abs=1e-10)


def test_that_it_is_never_better_than_the_optimum_and_may_have_no_plan():
    fewer = 0
    for seed in range(16):
        instance = tiny_instance(seed, seed % 2 == 1)
        optimum = brute_force(instance).value
        result = splitwise(instance, role_count="best", batch_rule="best", **FEW)
        assert result.status in ("unknown", "feasible")
        fewer += result.objective is None and optimum is not None
        if result.objective is not None:
            assert result.objective >= optimum * (1 - 1e-12)
    assert fewer < 10


def test_that_the_rule_costs_what_the_optimum_does_not():
    instance = e2llm_testbed()
    assert splitwise(instance).objective > 1.8 * packing_dp(instance).objective


def test_that_the_rule_may_be_the_optimum():
    instance, optimum = HAND["a-a-a-head"]
    assert splitwise(instance, role_count="best").objective == pytest.approx(optimum)
