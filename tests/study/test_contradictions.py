"""Rows that cannot all be right are found and named."""

from __future__ import annotations

from typing import Any

import pytest

from shardopt.study.contradictions import contradictions

INSTANCE = {
    "sha256": "a",
    "problem": "cold-start",
    "name": "three",
    "file": "instances/a.json.gz",
}


def run(solver: str, status: str, objective: float | None, bound: float | None) -> dict[str, Any]:
    return {
        "instance": "a",
        "solver": solver,
        "parameters": {},
        "seed": None,
        "version": "1",
        "status": status,
        "objective": objective,
        "bound": bound,
    }


def found(*runs: dict[str, Any]) -> list[str]:
    return [str(contradiction) for contradiction in contradictions([INSTANCE], runs)]


def test_that_a_plan_better_than_a_bound_is_named_with_file_solvers_and_values() -> None:
    assert found(run("even", "feasible", 2.0, None), run("dp", "feasible", 4.0, 3.0)) == [
        "cold-start three (instances/a.json.gz): even has a plan worth 2.0,"
        " but dp proved a bound of 3.0"
    ]


def test_that_a_plan_better_than_an_optimum_is_found() -> None:
    (text,) = found(run("even", "feasible", 2.0, None), run("dp", "optimal", 3.0, 3.0))
    assert "dp proved an optimum of 3.0" in text


def test_that_two_optima_that_differ_are_found() -> None:
    (text,) = found(run("dp", "optimal", 3.0, 3.0), run("dssr", "optimal", 3.1, 3.1))
    assert "dp has a plan worth 3.0, but dssr proved an optimum of 3.1" in text


def test_that_a_plan_where_none_should_be_is_found() -> None:
    (text,) = found(run("dp", "infeasible", None, None), run("even", "feasible", 3.1, None))
    assert "dp proved that there is none" in text


@pytest.mark.parametrize(
    "other",
    [
        run("even", "feasible", 3.0 - 1e-6, None),
        run("even", "invalid", 1.0, None),
        run("even", "crashed", None, None),
        run("even", "unknown", None, 2.9),
        run("even", "feasible", 4.0, None),
    ],
)
def test_that_what_is_within_the_tolerance_or_claims_nothing_is_none(other: Any) -> None:
    assert found(run("dp", "optimal", 3.0, 3.0), other) == []


def test_that_maximising_turns_the_comparison_round(monkeypatch: pytest.MonkeyPatch) -> None:
    from shardopt.models.cold_start import data

    monkeypatch.setattr(data, "SENSE", "max")
    better, worse = run("even", "feasible", 4.0, None), run("even", "feasible", 2.0, None)
    proof = run("dp", "optimal", 3.0, 3.0)
    assert len(found(better, proof)) == 1
    assert found(worse, proof) == []
