"""The result contract (docs/architecture.md), as assertions on one result of any solver."""

from __future__ import annotations

import json
from typing import Any, get_args

import shardopt
from shardopt.instances.files import instance_sha256, solution_from_json
from shardopt.models.discover import part
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result, Status, Termination, relative_gap
from shardopt.solvers.registry import SolverRow

KEYS = {
    "format",
    "problem",
    "instance",
    "instance_sha256",
    "solver",
    "versions",
    "sense",
    "status",
    "termination",
    "objective",
    "bound",
    "gap",
    "runtime_s",
    "build_s",
    "seed",
    "threads",
    "solution",
    "trace",
}


def assert_contract(instance: Any, row: SolverRow, result: Result, optimum: float | None) -> None:
    """Assert all that a result promises, given the true optimum (``None``: there is no plan)."""
    sign = 1.0 if part(instance.problem, "models", "data").SENSE == "min" else -1.0
    assert result.status in get_args(Status)
    assert result.termination in get_args(Termination)
    assert result.faults == ()
    _assert_solution(instance, result)
    _assert_bound(row, result, sign, optimum)
    _assert_status(result, optimum)
    _assert_trace(result, sign)
    _assert_json(instance, row, result)


def _assert_solution(instance: Any, result: Result) -> None:
    """The objective is the checker's, and exists exactly when a solution does."""
    assert (result.solution is None) == (result.objective is None)
    if result.solution is not None:
        report = shardopt.check(instance, result)
        assert report.feasible
        assert result.objective == report.objective


def _assert_bound(row: SolverRow, result: Result, sign: float, optimum: float | None) -> None:
    """A bound is proven: never beyond the optimum, and only from solvers that prove some."""
    if result.bound is None:
        return
    assert row.proves_bounds
    if optimum is not None:
        slack = OPTIMALITY_TOLERANCE * abs(optimum)
        assert sign * result.bound <= sign * optimum + slack
    if result.objective is not None:
        assert sign * result.bound <= sign * result.objective


def _assert_status(result: Result, optimum: float | None) -> None:
    has_plan = result.objective is not None
    assert has_plan == (result.status in {"optimal", "feasible"})
    if result.status == "optimal":
        assert result.gap is not None
        assert result.gap <= OPTIMALITY_TOLERANCE
        assert optimum is not None
        assert relative_gap(result.objective, optimum) <= OPTIMALITY_TOLERANCE
    if result.status == "infeasible":
        assert optimum is None
        assert result.bound is None


def _assert_trace(result: Result, sign: float) -> None:
    """Time goes on and plans improve; the trace ends where the result stands."""
    times = [point.t_s for point in result.trace]
    values = [sign * point.objective for point in result.trace if point.objective is not None]
    assert times == sorted(times)
    assert values == sorted(values, reverse=True)
    if result.objective is not None:
        assert result.trace[-1].objective == result.objective


def _assert_json(instance: Any, row: SolverRow, result: Result) -> None:
    value = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert value.keys() >= KEYS
    assert value["format"] == "shardopt-result/1"
    assert (value["problem"], value["instance"]) == (instance.problem, instance.name)
    assert value["instance_sha256"] == instance_sha256(instance)
    assert value["solver"] == row.name
    assert value["versions"]["shardopt"] == shardopt.__version__
    assert value["gap"] == result.gap
    assert min(value["runtime_s"], value["build_s"]) >= 0
    if result.solution is not None:
        assert solution_from_json(value, instance.problem) == result.solution
