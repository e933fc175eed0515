"""`direct`: the problem as it reads, against brute force and hand values."""

from __future__ import annotations

import pytest

import shardopt.solvers.replica_clustering as solvers
from replica_clustering.brute import all_plans, brute_force
from replica_clustering.draws import tiny_instance
from replica_clustering.hand import HAND, make, uniform_links
from replica_clustering.solving import assert_encoded, assert_solved
from shardopt.instances.replica_clustering.presets import random_edge
from shardopt.models.formulation import TooLargeError
from shardopt.models.replica_clustering.formulations import direct
from shardopt.solvers.replica_clustering import packing_dp

pytestmark = pytest.mark.usefixtures("in_this_process")

backends = pytest.mark.parametrize("backend", ["highs", "cbc"])


@backends
@pytest.mark.parametrize("name", ["a-b", "a-b-rate-25", "a-b-rate-30", "a-b-b", "a-b-cache"])
def test_that_the_optimum_is_as_worked_out_by_hand(backend, name):
    instance, optimum = HAND[name]
    assert_solved(instance, solvers.direct(instance, backend=backend), optimum)


@backends
def test_that_a_lan_written_as_matrices_changes_nothing(backend):
    instance, optimum = HAND["pairs-latency"]
    assert_solved(instance, solvers.direct(uniform_links(instance), backend=backend), optimum)


@backends
@pytest.mark.parametrize("unequal", [False, True])
def test_that_the_optimum_of_tiny_instances_is_found(backend, unequal):
    for seed in range(3):
        instance = tiny_instance(seed, unequal)
        result = solvers.direct(instance, backend=backend, threads=1)
        assert_solved(instance, result, brute_force(instance).value)


@pytest.mark.long
@backends
@pytest.mark.parametrize("unequal", [False, True])
@pytest.mark.parametrize("part", range(4))
def test_that_the_optimum_of_hundreds_of_instances_is_found(backend, unequal, part):
    for seed in range(3000 + 40 * part, 3040 + 40 * part):
        instance = tiny_instance(seed, unequal)
        result = solvers.direct(instance, backend=backend, threads=1)
        assert_solved(instance, result, brute_force(instance).value)


@pytest.mark.long
@backends
def test_that_it_agrees_on_models_of_real_size(backend):
    for seed in range(3):
        instance = random_edge(seed=seed, devices=4)
        optimum = packing_dp(instance).objective
        assert_solved(instance, solvers.direct(instance, backend=backend), optimum)


def test_that_every_plan_keeps_every_row_and_is_no_better_than_its_objective():
    pair = make("ab", activation=1.0, link=(80.0, 0.0), memory=45.0)
    triple = uniform_links(make("aba", memory=25.0, activation=1.0))
    for instance in (pair, triple):
        model = direct.build(instance, rate=1.0, most=100.0)
        for plan, objective in all_plans(instance)[::7]:
            assert_encoded(model, plan, objective)


def test_that_a_model_that_would_not_fit_into_memory_is_refused():
    with pytest.raises(TooLargeError):
        direct.build(random_edge(devices=300), rate=1.0, most=1.0)
