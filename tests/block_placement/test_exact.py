"""The exact solvers on golden instances, and `exact` above all."""

from __future__ import annotations

import pytest

from block_placement import golden
from block_placement.brute import brute_force
from shardopt.models.block_placement.check import check
from shardopt.models.block_placement.data import Instance, Route, Solution
from shardopt.models.result import OPTIMALITY_TOLERANCE
from shardopt.solvers.block_placement import boundary, direct_cp_sat, exact, runs
from shardopt.solvers.block_placement.mending import mended

METHODS = {
    "exact": exact,
    "runs/highs": lambda instance, **options: runs(instance, backend="highs", **options),
    "boundary/highs": lambda instance, **options: boundary(instance, backend="highs", **options),
    "direct/cp-sat": direct_cp_sat,
}


def assert_solves(method, instance: Instance, optimum: float | None) -> None:
    result = method(instance, threads=1)
    assert result.faults == ()
    if optimum is None:
        assert result.status == "infeasible"
        return
    assert result.status == "optimal"
    assert result.objective == pytest.approx(optimum, rel=1e-6, abs=1e-12)
    assert check(instance, result.solution).feasible


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("case", ["tiny-a", "tiny-b"])
@pytest.mark.usefixtures("in_this_process")
def test_that_golden_optima_are_found(name, case):
    assert_solves(METHODS[name], golden.instance(case), golden.expected(case)["optimum"])


@pytest.mark.parametrize("case", ["clustered-9-r1", "clustered-9-r8"])
def test_that_exact_proves_the_published_testbed_with_few_sessions(case):
    assert_solves(exact, golden.instance(case), golden.expected(case)["optimum"])


def test_that_exact_needs_no_backend_where_cheap_bounds_meet():
    steps = exact(golden.instance("clustered-9-r8")).extra["steps"]
    assert [step["step"] for step in steps] == ["cg-bp", "chain"]


def test_that_the_witness_is_far_from_its_heuristic():
    instance = golden.instance("witness-2")
    assert_solves(exact, instance, golden.expected("witness-2")["optimum"])


@pytest.mark.usefixtures("in_this_process")
def test_that_runs_finds_the_optimum_that_presolve_of_later_highs_cuts_off():
    instance = golden.instance("highs-presolve")
    optimum = brute_force(instance).value
    assert_solves(METHODS["runs/highs"], instance, optimum)
    assert_solves(METHODS["boundary/highs"], instance, optimum)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.usefixtures("in_this_process")
def test_that_a_start_is_never_made_worse(name):
    instance = golden.instance("tiny-a")
    start = brute_force(instance).solution
    result = METHODS[name](instance, start=start, time_limit=0.0)
    assert result.objective == pytest.approx(golden.expected("tiny-a")["optimum"])


@pytest.mark.usefixtures("in_this_process")
def test_that_the_largest_seed_is_one_for_every_step():
    instance = golden.instance("tiny-b")
    result = exact(instance, threads=1, seed=2**31 - 1)
    assert (result.status, result.faults) == ("optimal", ())


@pytest.mark.long
def test_that_exact_keeps_bound_and_plan_at_the_time_limit():
    instance = golden.instance("clustered-9-r150")
    result = exact(instance, time_limit=8.0)
    optimum = golden.expected("clustered-9-r150")["optimum"]
    assert result.termination in ("time-limit", "completed")
    assert result.bound <= optimum * (1 + OPTIMALITY_TOLERANCE)
    assert result.bound >= 0.6 * optimum  # the chain bound, which needs no time
    assert result.objective >= optimum * (1 - OPTIMALITY_TOLERANCE)


def test_that_a_plan_that_overfills_memory_is_routed_anew():
    instance = golden.instance("clustered-9-r150")
    plan = golden.optimal_plan("clustered-9-r150")
    path = plan.routes[0].path
    overfull = Solution(plan.placement, (Route("c1", path, 150),))
    assert not check(instance, overfull).feasible
    better = mended(instance, overfull, 30.0)
    report = check(instance, better)
    assert report.feasible
    optimum = golden.expected("clustered-9-r150")["optimum"]
    assert report.objective == pytest.approx(optimum, rel=1e-6)
