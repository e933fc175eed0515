"""Every registered solver of every problem keeps the result contract."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import pytest

import shardopt
from contract import assert_contract
from shardopt.models.discover import problem_ids
from shardopt.models.errors import InputError
from shardopt.models.result import Result
from shardopt.solvers.registry import SolverRow, solver_rows


def cases_of(problem: str) -> Any:
    """Return the module that lists a problem's instances for these tests."""
    return importlib.import_module(f"{problem.replace('-', '_')}.contract_cases")


ROWS = [(problem, row) for problem in problem_ids() for row in solver_rows(problem)]


def rows(keep=lambda row: True):
    chosen = [(problem, row) for problem, row in ROWS if keep(row)]
    return [pytest.param(problem, row, id=f"{problem}-{row.name}") for problem, row in chosen]


def solve(instance: Any, row: SolverRow, **more: Any) -> Result:
    if row.missing():
        pytest.skip(f"needs {', '.join(row.missing())}")
    if row.needs_start and "start" not in more:
        module = cases_of(instance.problem)
        if module.optimum(instance) is None:
            pytest.skip("needs a start, and there is no plan")
        more["start"] = module.starts(instance)[-1]
    return shardopt.solve(instance, row.name, time_limit=60, threads=1, **more)


@pytest.mark.parametrize(
    ("problem", "row", "case"),
    [
        pytest.param(problem, row, case, id=f"{problem}-{row.name}-{case}")
        for problem, row in ROWS
        for case in cases_of(problem).CASES
    ],
)
def test_that_a_result_keeps_the_contract(problem, row, case):
    instance = cases_of(problem).CASES[case]
    optimum = cases_of(problem).optimum(instance)
    result = solve(instance, row)
    assert_contract(instance, row, result, optimum)
    assert result.termination == "completed"
    if row.kind == "exact" and not (row.partial and result.status == "unknown"):
        assert result.status == ("infeasible" if optimum is None else "optimal")
    if row.kind == "reference":
        assert isinstance(result.extra["reference"], float | None)  # None: there is no such number


@pytest.mark.parametrize(("problem", "row"), rows(lambda row: row.warm_start))
def test_that_a_start_is_never_made_worse(problem, row):
    module = cases_of(problem)
    instance = module.CASES[module.STARTED]
    sign = 1.0 if solve(instance, row).sense == "min" else -1.0
    for start in module.starts(instance):
        given = shardopt.check(instance, start).objective
        result = solve(instance, row, start=start)
        assert_contract(instance, row, result, module.optimum(instance))
        assert sign * result.objective <= sign * given


@pytest.mark.parametrize(("problem", "row"), rows(lambda row: not row.warm_start))
def test_that_a_solver_that_takes_no_start_says_so(problem, row):
    module = cases_of(problem)
    instance = module.CASES[module.STARTED]
    with pytest.raises(InputError, match="start"):
        solve(instance, row, start=module.starts(instance)[0])


@pytest.mark.parametrize(("problem", "row"), rows())
def test_that_the_same_seed_gives_the_same_answer(problem, row):
    module = cases_of(problem)
    instance = module.CASES[module.STARTED]
    first, second = (solve(instance, row, seed=7) for _ in range(2))
    assert unclocked(first) == unclocked(second)


def unclocked(result: Result) -> Result:
    """Return a result without what a clock says."""
    return replace(result, runtime_s=0, build_s=0, compile_s=0, trace=(), extra={})


def test_that_a_broken_start_is_refused_before_anything_runs():
    problem, row = next((p, r) for p, r in ROWS if r.warm_start)
    module = cases_of(problem)
    instance = module.CASES[module.STARTED]
    broken = next(
        start
        for other in module.CASES.values()
        if module.optimum(other) is not None
        for start in module.starts(other)
        if not shardopt.check(instance, start).feasible
    )
    with pytest.raises(InputError, match="feasible start"):
        solve(instance, row, start=broken)
