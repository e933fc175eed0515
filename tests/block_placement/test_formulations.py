"""The formulations: memory to the last byte, starts, relaxations and refusals.

That they find the optimum of brute force is for `test_agreement.py`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from block_placement import golden
from block_placement.brute import brute_force
from block_placement.formulations import (
    DIRECT,
    FAST,
    INTEGRAL,
    SMALL,
    assert_solved,
    has_models,
    solve,
)
from block_placement.instances import tiny_instance, with_brim, with_ratio
from shardopt.models.block_placement.formulations import boundary, circuit, direct, runs
from shardopt.models.formulation import TooLargeError

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.mark.parametrize("name", INTEGRAL)
@pytest.mark.parametrize("seed", range(105, 120))
def test_that_no_tolerance_lets_a_plan_pass_that_is_a_byte_too_large(name, seed):
    instance = with_brim(tiny_instance(seed), seed)
    if has_models(instance):
        assert_solved(instance, solve(instance, name), brute_force(instance).value)


# With w/c in its rows, `boundary` called the last two infeasible, or did not find their optimum.
@pytest.mark.parametrize("name", INTEGRAL)
@pytest.mark.parametrize("seed", [20551, 20646, 20663])
def test_that_caches_that_are_next_to_nothing_are_counted_all_the_same(name, seed):
    instance = with_ratio(tiny_instance(seed), 1e-9)
    assert_solved(instance, solve(instance, name), brute_force(instance).value)


@pytest.mark.parametrize("name", [*FAST, "direct/highs"])
@pytest.mark.parametrize("seed", range(300, 320))
def test_that_an_optimal_start_is_a_solution_of_the_model(name, seed):
    instance = tiny_instance(seed, **(SMALL if name in DIRECT else {}))
    best = brute_force(instance)
    if best.solution is not None:
        result = solve(instance, name, start=best.solution)
        assert_solved(instance, result, best.value)
        assert result.trace[0].objective == pytest.approx(best.value, rel=1e-9)


@pytest.mark.parametrize("seed", range(60))
def test_that_pooling_does_not_change_the_linear_relaxation(seed):
    instance = tiny_instance(seed)
    if has_models(instance):
        single = solve(instance, "runs", relaxed=True)
        pooled = solve(instance, "runs", relaxed=True, pooled=True)
        assert pooled.status == single.status
        if single.bound is not None:
            assert pooled.bound == pytest.approx(single.bound, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", ["clustered-9-r1", "clustered-9-r8"])
def test_that_the_relaxation_of_boundary_is_tight_where_few_sessions_share_memory(name):
    bound = solve(golden.instance(name), "boundary", relaxed=True).bound
    assert bound == pytest.approx(golden.expected(name)["optimum"], rel=1e-6)


def test_that_the_relaxation_of_pooled_runs_is_within_two_percent_at_150_sessions():
    bound = solve(golden.instance("clustered-9-r150"), "runs", relaxed=True, pooled=True).bound
    optimum = golden.expected("clustered-9-r150")["optimum"]
    assert 0.98 * optimum < bound <= optimum


@pytest.mark.parametrize("build", [direct.build, circuit.build, boundary.build, runs.build])
def test_that_a_model_beyond_memory_is_refused_before_it_is_built(build):
    instance = golden.instance("clustered-9-r8")
    (client,) = instance.clients
    many = tuple(replace(client, name=f"c{n}", sessions=1000) for n in range(1000))
    large = replace(instance, clients=many, block_count=10_000)
    with pytest.raises(TooLargeError, match="limits"):
        build(large)
