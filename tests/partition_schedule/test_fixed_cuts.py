"""CP-SAT under given cuts: the best schedule there is, and nothing about other cuts."""

from __future__ import annotations

import pytest

from partition_schedule.brute import all_cuts, best_for_cuts
from partition_schedule.draws import tiny_instance
from partition_schedule.instances import no_memory, too_few_blocks, two_by_two
from partition_schedule.methods import assert_optimal, scheduled, solve
from shardopt.instances.partition_schedule.presets import random, stress
from shardopt.models.errors import InputError
from shardopt.solvers.partition_schedule import exact_under_cuts, fixed_cuts


@scheduled
@pytest.mark.parametrize("seed", range(500, 510))
def test_under_any_cuts_cp_sat_finds_the_best_schedule(objective, seed):
    instance = tiny_instance(seed, objective)
    for cuts in all_cuts(instance):
        optimum = best_for_cuts(instance, cuts)
        if optimum.value is not None:
            assert_optimal(
                solve("direct/cp-sat", instance, optimum.solution, cuts=cuts), optimum.value
            )


@scheduled
def test_under_the_cuts_of_bsdp_it_agrees_with_the_search(objective):
    for instance in (
        random(seed=1, blocks=12, requests=5, objective=objective),
        stress(seed=1, requests=4, objective=objective),
    ):
        searched = exact_under_cuts(instance, rule="bsdp")
        assert_agrees(fixed_cuts(instance, threads=1), searched)


@pytest.mark.long
@scheduled
@pytest.mark.parametrize("seed", range(20))
def test_under_the_cuts_of_bsdp_it_agrees_with_the_search_on_larger_instances(objective, seed):
    for instance in (
        random(seed=seed, blocks=20, requests=6, objective=objective),
        stress(seed=seed, requests=5, objective=objective),
    ):
        searched = exact_under_cuts(instance, rule="bsdp")
        assert_agrees(fixed_cuts(instance, threads=1), searched)


def assert_agrees(result, searched):
    """Assert that the constraint programme proves what the search under the same cuts does."""
    assert (result.faults, result.status) == ((), searched.status)
    assert (result.bound, result.gap) == (None, None)
    assert all(point.bound is None for point in result.trace)
    if searched.solution is not None:
        assert result.solution.cuts == searched.solution.cuts
        assert result.objective == pytest.approx(searched.objective, rel=1e-6)
        bound = searched.extra["fixed_cuts_bound"]
        assert result.extra["fixed_cuts_bound"] == pytest.approx(bound, rel=1e-6)


def test_cuts_are_an_option():
    instance = two_by_two("mean-latency")
    for cut in (1, 4):
        result = fixed_cuts(instance, cuts=str(cut), threads=1)
        assert result.solution.cuts == (cut,)
        assert result.objective == pytest.approx(best_for_cuts(instance, (cut,)).value)


@pytest.mark.parametrize("cuts", ["", "0", "6", "1,2", "2,1", "one", "1.0"])
def test_cuts_that_are_none_are_refused(cuts):
    with pytest.raises(InputError, match="rising integers between 1 and 5"):
        fixed_cuts(two_by_two("mean-latency"), cuts=cuts)


def test_that_given_cuts_do_not_fit_proves_nothing():
    result = fixed_cuts(two_by_two("mean-latency", memory=4), cuts="1")
    assert (result.status, result.termination) == ("unknown", "completed")
    assert "fit no node" in result.extra["reason"]


@pytest.mark.parametrize("instance", [no_memory(), too_few_blocks()], ids=lambda i: i.name)
def test_where_bsdp_has_no_cuts_there_is_no_plan(instance):
    assert fixed_cuts(instance).status == "infeasible"
