"""`columns`: the MILP over sets of devices, its scaling, its whole numbers and its proofs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import shardopt.solvers.replica_clustering as solvers
from replica_clustering.brute import brute_force
from replica_clustering.draws import tiny_instance
from replica_clustering.hand import HAND
from replica_clustering.solving import assert_encoded, assert_solved
from shardopt.instances.replica_clustering.presets import e2llm_testbed, random_edge, typed
from shardopt.models.formulation import TooLargeError
from shardopt.models.replica_clustering.formulations import columns
from shardopt.models.replica_clustering.formulations.columns import Columns
from shardopt.models.replica_clustering.grouping import to_groups
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.replica_clustering import packing_dp
from shardopt.solvers.replica_clustering.exact_models import useful_columns
from shardopt.solvers.replica_clustering.packing import pack
from shardopt.solvers.replica_clustering.rates import rate_model, rate_states

pytestmark = pytest.mark.usefixtures("in_this_process")

BACKENDS = ("highs", "cbc", "cp-sat")
backends = pytest.mark.parametrize("backend", BACKENDS)


def sets_of(instance, plan=None):
    """Return the columns of an instance, those of a plan among them."""
    model = rate_model(make_tables(instance))
    return useful_columns(pack(rate_states(model, Budget()), Budget()), plan)


@backends
@pytest.mark.parametrize("name", ["a-b", "a-b-rate-30", "pairs-latency", "a-a-a-head"])
def test_that_the_optimum_is_as_worked_out_by_hand(backend, name):
    instance, optimum = HAND[name]
    assert_solved(instance, solvers.columns(instance, backend=backend), optimum)


@backends
def test_that_the_golden_optimum_of_the_testbed_is_proven(backend):
    result = solvers.columns(e2llm_testbed(), backend=backend)
    assert result.status == "optimal"
    assert result.objective == pytest.approx(1.3894557019, abs=1e-10)


@backends
def test_that_types_are_used_as_often_as_there_are_devices(backend):
    instance = typed(seed=1, types=2, devices=8)
    optimum = packing_dp(instance).objective
    assert_solved(instance, solvers.columns(instance, backend=backend), optimum)


@backends
def test_that_times_of_any_magnitude_leave_the_proof_as_tight(backend):
    instance = e2llm_testbed()
    for factor in (1e-12, 1e12):
        devices = tuple(
            replace(
                d,
                prefill_s_per_token_per_block=d.prefill_s_per_token_per_block * factor,
                head_prefill_s_per_token=d.head_prefill_s_per_token * factor,
                decode_s_per_block=tuple(t * factor for t in d.decode_s_per_block),
                head_decode_s=tuple(t * factor for t in d.head_decode_s),
            )
            for d in instance.devices
        )
        asked = replace(instance.workload, min_tokens_per_s=15.0 / factor)
        link = replace(
            instance.link,
            latency_s=instance.link.latency_s * factor,
            bytes_per_s=instance.link.bytes_per_s / factor,
        )
        scaled = replace(instance, devices=devices, workload=asked, link=link)
        result = solvers.columns(scaled, backend=backend)
        assert result.status == "optimal"
        assert result.objective == pytest.approx(1.3894557019089393 * factor, rel=1e-9)


def test_that_a_plan_keeps_every_row_with_its_own_objective():
    for seed in range(12):
        instance = tiny_instance(seed, seed % 2 == 1)
        best = brute_force(instance)
        if best.solution is None:
            continue
        chosen = sets_of(instance, best.solution)
        rate = 1 / best.value
        model = columns.build(instance, columns=chosen, rate=rate, most=2 * rate)
        assert_encoded(model, best.solution, best.value)
        assert model.decode(model.encode(best.solution)) is not None


def test_that_a_plan_s_sets_are_columns_even_where_others_are_as_good():
    instance = random_edge(seed=0, devices=6)
    start = solvers.two_pipelines(instance).solution
    times = sets_of(instance, start).times(to_groups(make_tables(instance), start))
    assert times.sum() == len(start.replicas)


def test_that_rates_in_whole_numbers_never_understate_lambda():
    instance = e2llm_testbed()
    chosen = sets_of(instance)
    best = packing_dp(instance)
    times = sets_of(instance, best.solution).times(to_groups(make_tables(instance), best.solution))
    for rate in (0.1, 0.72, 40.0):
        program = columns.build_integer(instance, columns=chosen, rate=rate, most=1.0)
        bound = program.unit * (1 / best.objective)
        rates = np.ceil(np.minimum(chosen.rate, 1.0) * program.unit)
        assert min((rates * times)[chosen.role == r].sum() for r in (0, 1)) >= bound


def test_that_whole_numbers_stay_below_what_overflows():
    instance = e2llm_testbed()
    program = columns.build_integer(instance, columns=sets_of(instance), rate=1e-9, most=1e9)
    assert not program.model.validate()


def test_that_rates_above_a_bound_on_lambda_count_as_the_bound():
    instance = e2llm_testbed()
    chosen, best = sets_of(instance), packing_dp(instance)
    fast = Columns(chosen.role, chosen.count, chosen.rate * 1e6, chosen.batch)
    model = columns.build(instance, columns=fast, rate=1.0, most=1.0)
    assert np.abs(model.model.arrays().coefficient).max() <= columns.LAMBDA
    assert best.objective > 1.0


def test_that_no_columns_at_all_are_infeasible_to_every_backend():
    instance = random_edge(seed=0, devices=2, memory=0.01)
    for backend in BACKENDS:
        result = solvers.columns(instance, backend=backend)
        assert result.status == "infeasible"
        assert result.extra["backend_status"].lower().endswith("infeasible")


def test_that_too_many_columns_are_refused_before_they_are_built():
    many = Columns(*(np.empty(0),) * 4)
    big = replace(many, role=np.empty(6_000_000), count=np.empty((0, 1)))
    with pytest.raises(TooLargeError):
        columns.build(HAND["a-b"][0], columns=big, rate=1.0, most=1.0)


def test_that_tables_that_do_not_fit_end_with_memory_limit_a_plan_and_a_bound():
    result = solvers.columns(random_edge(devices=14), backend="highs", memory_limit_bytes=1e6)
    assert result.termination == "memory-limit"
    assert result.status == "feasible"
    assert result.bound < result.objective


@pytest.mark.long
@backends
@pytest.mark.parametrize("unequal", [False, True])
def test_that_the_optimum_of_hundreds_of_instances_is_found(backend, unequal):
    for seed in range(2000, 2060):
        instance = tiny_instance(seed, unequal)
        result = solvers.columns(instance, backend=backend, threads=1)
        assert_solved(instance, result, brute_force(instance).value)


@pytest.mark.long
@backends
@pytest.mark.parametrize("seed", range(4))
def test_that_the_optimum_of_twelve_devices_is_found(backend, seed):
    instance = random_edge(seed=seed, devices=12)
    optimum = packing_dp(instance).objective
    assert_solved(instance, solvers.columns(instance, backend=backend), optimum)
