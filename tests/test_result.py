"""The result contract's own arithmetic, its JSON, and how a run's end becomes a status."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cold_start.hand import no_plan_fits, two_stages
from shardopt.models.checking import CheckReport, Violation
from shardopt.models.cold_start.data import plan
from shardopt.models.result import OPTIMALITY_TOLERANCE, Confirmation, Result, relative_gap
from shardopt.solvers.budget import Budget
from shardopt.solvers.finish import finish

INSTANCE = two_stages()
GOOD = plan(INSTANCE, [(0, 0, 1), (1, 1, 2)])  # 8.5 s
WORSE = plan(INSTANCE, [(0, 0, 2)])  # 8 + 3 s
BROKEN = plan(INSTANCE, [(0, 0, 1)])


def end(*candidates, **more) -> Result:
    return finish(INSTANCE, "test", Budget(), candidates, **more)


@pytest.mark.parametrize(
    ("objective", "bound", "gap"),
    [(10, 8, 0.2), (8, 10, 0.2), (-10, -8, 0.2), (0, 0, 0), (0, 5, 1), (5, 0, 1), (-1, 1, 2)],
)
def test_that_the_gap_is_relative_to_the_larger_number(objective, bound, gap):
    assert relative_gap(objective, bound) == gap


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_that_equal_numbers_have_no_gap(value):
    assert relative_gap(value, value) == 0


@pytest.mark.parametrize(("objective", "bound"), [(1, float("inf")), (float("-inf"), 1)])
def test_that_infinity_has_no_gap(objective, bound):
    with pytest.raises(ValueError, match="finite"):
        relative_gap(objective, bound)


def test_that_a_gap_needs_both_numbers():
    assert end(GOOD).gap is None
    assert end(bound=1.0).gap is None
    assert end(GOOD, bound=4.25).gap == 0.5


@pytest.mark.parametrize("candidates", [(WORSE, None, GOOD), (GOOD, None, WORSE)])
def test_that_the_best_plan_wins_with_the_checkers_objective(candidates):
    result = end(*candidates)
    assert result.solution == GOOD
    assert result.objective == 8.5


def test_that_a_plan_without_a_bound_is_feasible_and_not_optimal():
    assert end(GOOD).status == "feasible"


@pytest.mark.parametrize(
    ("bound", "status"),
    [
        (8.5, "optimal"),
        (8.5 * (1 - OPTIMALITY_TOLERANCE / 2), "optimal"),
        (8.5 * (1 - OPTIMALITY_TOLERANCE * 2), "feasible"),
    ],
)
def test_that_optimal_needs_a_bound_within_the_tolerance(bound, status):
    assert end(GOOD, bound=bound).status == status


def test_that_a_broken_plan_is_dropped_and_recorded_as_a_fault():
    result = end(BROKEN)
    assert (result.status, result.solution, result.objective) == ("unknown", None, None)
    assert "refused" in result.faults[0]


def test_that_a_bound_without_a_plan_is_kept():
    result = end(bound=3.0)
    assert (result.status, result.bound, result.objective) == ("unknown", 3.0, None)


def test_that_a_bound_better_than_a_plan_is_dropped_and_recorded_as_a_fault():
    result = end(GOOD, bound=9.0)
    assert (result.status, result.bound) == ("feasible", None)
    assert "contradicted" in result.faults[0]


def test_that_a_bound_above_the_plan_by_rounding_becomes_the_objective():
    result = end(GOOD, bound=8.5 * (1 + OPTIMALITY_TOLERANCE / 2))
    assert (result.status, result.bound, result.faults) == ("optimal", 8.5, ())


def test_that_an_exact_value_makes_bound_and_objective_one_number():
    result = end(GOOD, exact_value=8.5 * (1 + 1e-12))
    assert (result.status, result.bound, result.gap) == ("optimal", 8.5, 0)


def test_that_infeasible_leaves_no_numbers():
    result = finish(no_plan_fits(), "test", Budget(), [], bound=3.0, infeasible=True)
    numbers = (result.objective, result.bound, result.gap, result.solution)
    assert result.status == "infeasible"
    assert numbers == (None, None, None, None)


def test_that_a_known_plan_overrules_a_claim_of_infeasibility():
    result = end(GOOD, infeasible=True)
    assert result.status == "feasible"
    assert "infeasible" in result.faults[0]


def test_that_the_json_of_a_result_survives_a_round_trip():
    result = replace(
        end(GOOD, bound=8.0, extra={"rounds": [1]}),
        confirmed_by=(Confirmation("other", True, 8.5, 8.5, "the same optimum"),),
    )
    written = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert written["format"] == "shardopt-result/1"
    assert (written["objective"], written["bound"], written["gap"]) == (8.5, 8.0, 0.5 / 8.5)
    assert written["solution"] == GOOD.to_json()
    assert written["confirmed_by"][0]["by"] == "other"
    assert written["trace"][-1][1:] == [8.5, 8.0]


def test_that_what_does_not_exist_is_null_in_json():
    written = json.loads(json.dumps(end().to_json(), allow_nan=False))
    for key in ("objective", "bound", "gap", "solution"):
        assert written[key] is None


def test_that_a_check_report_lists_its_violations_in_json():
    report = CheckReport(8.5, (Violation("memory", "stages[0]", 3.0, "needs more"),))
    assert not report.feasible
    assert json.loads(json.dumps(report.to_json())) == {
        "feasible": False,
        "objective": 8.5,
        "violations": [
            {
                "constraint": "memory",
                "where": "stages[0]",
                "amount": 3.0,
                "message": "needs more",
            }
        ],
    }
