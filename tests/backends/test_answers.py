"""What every backend must answer, on models small enough to know the truth."""

from __future__ import annotations

import pytest
import toy_models
from backend_helpers import solve_toy

from shardopt.solvers.backends.contract import ADAPTERS


@pytest.fixture(params=ADAPTERS)
def backend(request):
    if request.param == "scip":
        pytest.importorskip("pyscipopt")
    return request.param


@pytest.mark.parametrize("isolated", [True, False])
def test_that_a_backend_proves_the_optimum(backend, isolated):
    result = solve_toy(toy_models.instance(3.0, 2.0, 5.0), backend, isolated=isolated)
    assert (result.status, result.termination) == ("optimal", "completed")
    assert result.objective == 2.0
    assert result.bound <= 2.0
    assert result.solution.stages[0].device == "d1"
    assert result.faults == ()
    assert result.trace[-1].objective == 2.0


def test_that_presolve_off_gives_the_same_optimum(backend):
    result = solve_toy(toy_models.instance(3.0, 2.0, 5.0), backend, presolve=False)
    assert (result.status, result.objective) == ("optimal", 2.0)


def test_that_a_unit_other_than_one_is_undone(backend):
    options = {"unit": 1e-7 if backend == "cp-sat" else 1e-4}  # integers round
    result = solve_toy(toy_models.instance(3.0, 2.0), backend, build_options=options)
    assert (result.status, result.objective) == ("optimal", 2.0)


@pytest.mark.parametrize("unit", [1e4, 1e-2])
def test_that_the_optimum_is_found_where_defaults_would_stop_near_it(backend, unit):
    # Default tolerances (relative 1e-4, absolute 1e-5 and 1e-6) call the start optimal.
    if backend == "cp-sat":
        unit = 1e-8
    instance = toy_models.instance(2.0 + 1e-5, 2.0, 2.0 + 2e-5, 2.0 + 3e-5)
    start = toy_models.alone(instance, 0)
    options = {"unit": unit}
    result = solve_toy(instance, backend, known=[start], build_options=options)
    assert (result.status, result.objective) == ("optimal", 2.0)


def test_that_the_answer_is_never_worse_than_the_best_known_plan(backend):
    instance = toy_models.instance(3.0, 2.0, 5.0)
    known = [toy_models.alone(instance, 2), toy_models.alone(instance, 1)]
    start = toy_models.alone(instance, 0)
    result = solve_toy(instance, backend, known=[*known, start], time_limit=1e-6)
    assert (result.status, result.termination) == ("feasible", "time-limit")
    assert (result.objective, result.bound, result.gap) == (2.0, None, None)


def test_that_a_bound_known_beforehand_is_kept_when_time_ends(backend):
    instance = toy_models.instance(3.0, 2.0)
    start = toy_models.alone(instance, 0)
    result = solve_toy(instance, backend, known=[start], bound=1.5, time_limit=1e-6)
    assert (result.objective, result.bound) == (3.0, 1.5)


def test_that_without_incumbent_there_is_no_objective(backend):
    # PuLP prints "Optimal" and a number here.
    options = {"market": True}
    result = solve_toy(toy_models.instance(3.0), backend, build_options=options, time_limit=1.0)
    assert (result.status, result.termination) == ("unknown", "time-limit")
    assert (result.objective, result.gap, result.solution) == (None, None, None)
    assert result.bound is None or result.bound <= 3.0


def test_that_a_stop_with_an_incumbent_is_feasible_and_not_optimal(backend):
    # PuLP calls this optimal too.
    options = {"hard_columns": 150}
    result = solve_toy(toy_models.instance(3.0), backend, build_options=options, time_limit=2.0)
    assert (result.status, result.termination) == ("feasible", "time-limit")
    assert result.objective == 3.0
    assert result.bound < 3.0


def test_that_a_limit_of_iterations_or_time_leaves_a_valid_bound(backend):
    options = {"hard_columns": 25}
    instance = toy_models.instance(3.0)
    whole = solve_toy(instance, backend, build_options=options)
    assert whole.termination == "completed"
    assert whole.bound < 0.0  # the model's optimum, below any plan because of the knapsack
    for limit in (0.05, 0.2):
        cut = solve_toy(instance, backend, build_options=options, time_limit=limit)
        assert cut.bound is None or cut.bound <= whole.bound + 1e-6 * abs(whole.bound)


def test_that_no_plan_at_all_is_proven(backend):
    instance = toy_models.instance(3.0)
    result = solve_toy(instance, backend, build_options={"impossible": True})
    assert (result.status, result.termination) == ("infeasible", "completed")
    assert (result.objective, result.bound, result.solution) == (None, None, None)


def test_that_the_same_seed_gives_the_same_answer_bit_for_bit(backend):
    instance = toy_models.instance(3.0, 2.0, 2.5)
    options = {"hard_columns": 25}
    runs = [
        solve_toy(instance, backend, build_options=options, seed=7, isolated=True) for _ in range(2)
    ]
    assert runs[0].solution == runs[1].solution
    assert runs[0].bound == runs[1].bound
    points = [[(p.objective, p.bound) for p in run.trace] for run in runs]
    assert points[0][-1] == points[1][-1]


def test_that_two_threads_are_accepted(backend):
    result = solve_toy(toy_models.instance(3.0, 2.0), backend, threads=2)
    assert (result.status, result.objective) == ("optimal", 2.0)


@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**31, 2**40 + 3])
def test_that_any_seed_is_accepted(backend, seed):
    result = solve_toy(toy_models.instance(3.0, 2.0), backend, seed=seed)
    assert (result.status, result.faults) == ("optimal", ())
