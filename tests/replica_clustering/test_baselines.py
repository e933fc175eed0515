"""`two-pipelines` and the reference `single-pipeline`."""

from __future__ import annotations

import pytest

from replica_clustering.draws import tiny_instance
from replica_clustering.hand import make
from shardopt.instances.replica_clustering.presets import e2llm_testbed, random_edge
from shardopt.models.replica_clustering.inside import replica_rate
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.solvers.replica_clustering import packing_dp, single_pipeline, two_pipelines


def test_that_two_pipelines_are_as_worked_out_by_hand():
    assert two_pipelines(make("abb")).objective == pytest.approx(1.5)


def test_that_two_pipelines_have_the_golden_value_on_the_testbed():
    result = two_pipelines(e2llm_testbed())
    assert result.objective == pytest.approx(1.8987549747, abs=1e-10)
    assert {replica.role for replica in result.solution.replicas} == {"prefill", "decode"}
    assert sum(len(replica.stages) for replica in result.solution.replicas) == 7


def test_that_two_pipelines_are_the_best_cut_of_the_devices_in_both_assignments():
    for seed in range(20):
        tables = make_tables(tiny_instance(seed, seed % 2 == 1))
        order = sorted(range(tables.device_count), key=lambda k: (tables.prefill_s[k], k))
        rates = [
            min(replica_rate(tables, role, order[:k])[0], replica_rate(tables, other, order[k:])[0])
            for k in range(1, len(order))
            for role, other in (("prefill", "decode"), ("decode", "prefill"))
        ]
        best = max(rates, default=0.0)
        objective = two_pipelines(tables.instance).objective
        assert objective == (pytest.approx(1 / best, rel=1e-12) if best > 0.0 else None)


def test_that_two_pipelines_prove_nothing():
    result = two_pipelines(random_edge(devices=1))
    assert (result.status, result.termination, result.bound) == ("unknown", "completed", None)
    instance = random_edge(seed=0, devices=8)
    assert two_pipelines(instance).objective >= packing_dp(instance).objective


def test_that_the_single_pipeline_is_as_worked_out_by_hand():
    # 3 + 1 blocks: 0.3 s per prompt; decode at q = 1 takes 0.03 s per token, 1.5 s for 50.
    assert single_pipeline(make("ab")).extra["reference"] == pytest.approx(1.8)


def test_that_the_single_pipeline_has_the_golden_value_on_the_testbed():
    result = single_pipeline(e2llm_testbed())
    assert result.extra["reference"] == pytest.approx(2.3213847442, abs=1e-10)
    assert (result.objective, result.bound, result.solution) == (None, None, None)


def test_that_there_is_no_number_where_all_devices_together_cannot_serve():
    assert single_pipeline(make("abb")).extra["reference"] is None  # three stages, two requests
