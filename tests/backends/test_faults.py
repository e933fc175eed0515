"""A backend is believed only as far as the checker and the known plans allow."""

from __future__ import annotations

import toy_models
from backend_helpers import solve_toy

INSTANCE = toy_models.instance(3.0, 2.0, 5.0)
BEST = toy_models.alone(INSTANCE, 1)


def test_that_a_refuted_bound_is_discarded_and_solved_again_without_presolve():
    result = solve_toy(INSTANCE, "fakes.lying")
    assert (result.status, result.termination) == ("optimal", "completed")
    assert (result.objective, result.bound) == (2.0, 2.0)
    [fault] = result.faults
    assert fault.startswith("backend fault: fakes.lying claimed the bound 4.0")
    assert "without presolve" in fault


def test_that_a_refuted_bound_is_discarded_in_a_process_of_its_own_too():
    result = solve_toy(INSTANCE, "fakes.lying", isolated=True)
    assert (result.status, result.bound, len(result.faults)) == ("optimal", 2.0, 1)


def test_that_a_bound_refuted_twice_is_gone():
    result = solve_toy(INSTANCE, "fakes.incorrigible")
    assert (result.status, result.objective, result.bound) == ("feasible", 2.0, None)
    assert [fault.rpartition("; ")[2] for fault in result.faults] == [
        "solving again without presolve",
        "nothing it proved is kept",
    ]


def test_that_a_bound_known_beforehand_survives_a_lying_backend():
    result = solve_toy(INSTANCE, "fakes.incorrigible", bound=1.5)
    assert (result.status, result.objective, result.bound) == ("feasible", 2.0, 1.5)


def test_that_a_wrong_bound_never_enters_the_trace():
    result = solve_toy(INSTANCE, "fakes.incorrigible", known=[BEST])
    assert all(p.bound is None or p.bound <= p.objective for p in result.trace)


def test_that_infeasible_is_not_believed_while_a_plan_is_known():
    result = solve_toy(INSTANCE, "fakes.denying", known=[toy_models.alone(INSTANCE, 2)])
    assert (result.status, result.objective, result.bound) == ("optimal", 2.0, 2.0)
    [fault] = result.faults
    assert fault.startswith("backend fault: fakes.denying claimed infeasible")


def test_that_infeasible_is_believed_where_no_plan_is_known():
    result = solve_toy(INSTANCE, "fakes.denying")
    assert (result.status, result.termination) == ("infeasible", "completed")


def test_that_a_plan_the_checker_refuses_is_a_fault_and_is_not_returned():
    # The fastest device has no memory, and the toy model knows nothing of memory.
    instance = toy_models.instance(3.0, 2.0, memory_bytes=(1e9, 1e-3))
    result = solve_toy(instance, "highs")
    assert (result.status, result.solution, result.objective) == ("unknown", None, None)
    assert result.bound == 2.0  # a relaxation's optimum is still a bound
    [fault] = result.faults
    assert fault.startswith("backend fault: the checker refused an incumbent")


def test_that_a_known_plan_is_returned_when_the_backend_has_only_refused_ones():
    instance = toy_models.instance(3.0, 2.0, memory_bytes=(1e9, 1e-3))
    result = solve_toy(instance, "highs", known=[toy_models.alone(instance, 0)])
    assert (result.status, result.objective, result.bound) == ("feasible", 3.0, 2.0)


def test_that_an_incumbent_nobody_can_read_is_a_fault_and_the_run_goes_on():
    result = solve_toy(INSTANCE, "fakes.garbling")
    assert (result.status, result.objective) == ("optimal", 2.0)
    assert "could not be decoded" in result.faults[0]


def test_that_a_start_the_formulation_cannot_express_costs_only_the_start():
    result = solve_toy(INSTANCE, "highs", known=[BEST], build="toy_models:build_without_starts")
    assert (result.status, result.objective) == ("optimal", 2.0)
    assert "could not be encoded" in result.faults[0]


def test_that_an_error_in_the_backend_becomes_one_line_in_the_result():
    result = solve_toy(INSTANCE, "fakes.raising", known=[BEST])
    assert (result.status, result.termination) == ("feasible", "crashed")
    assert result.objective == 2.0
    assert result.faults == ("fakes.raising: ValueError: first line second line",)


def test_that_a_model_too_large_to_build_ends_with_memory_limit():
    result = solve_toy(INSTANCE, "highs", build="toy_models:build_too_large", known=[BEST])
    assert (result.status, result.termination) == ("feasible", "memory-limit")
    assert result.faults == ("direct: 10 GB estimated, 8 GB available",)
