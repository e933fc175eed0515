"""Which runs a study wants, and what their keys depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import shardopt.models
from shardopt.models.discover import problem_ids
from shardopt.models.errors import InputError
from shardopt.solvers.registry import find_solver, solver_rows
from shardopt.study import version
from shardopt.study.planning import (
    Plan,
    Run,
    choices_of,
    left_out,
    require_known,
    wanted_runs,
    without_seed,
)

COLD: list[dict[str, Any]] = [{"problem": "cold-start", "sha256": "c" * 64}]
BLOCKS: list[dict[str, Any]] = [{"problem": "block-placement", "sha256": "b" * 64}]


def names(runs: list[Run]) -> list[tuple[str, str, int | None]]:
    return [(run.solver, run.role, run.seed) for run in runs]


def test_that_each_seed_is_a_run_and_the_reference_is_run_once() -> None:
    plan = Plan(("order-search",), seeds=(3, 5))
    assert names(wanted_runs(plan, COLD)) == [
        ("dssr", "reference", 3) if _seeded("dssr") else ("dssr", "reference", None),
        ("order-search", "solver", 3),
        ("order-search", "solver", 5),
    ]


def _seeded(name: str) -> bool:
    plan = Plan((name,), reference=None)
    return "cold-start" in {run.problem for run in wanted_runs(plan, COLD) if run.seed is not None}


def test_that_a_solver_that_no_seed_changes_is_run_once() -> None:
    plan = Plan(("even", "harmonic"), reference=None, seeds=tuple(range(10)))
    assert names(wanted_runs(plan, COLD)) == [
        ("even", "solver", None),
        ("harmonic", "solver", None),
    ]
    assert without_seed(plan, "cold-start") == ["even", "harmonic"]


def test_that_a_reference_that_is_also_compared_is_one_run_and_a_solver() -> None:
    runs = wanted_runs(Plan(("exact",)), BLOCKS)
    assert names(runs) == [("exact", "solver", 0)]


def test_that_a_study_needs_no_reference() -> None:
    assert {run.role for run in wanted_runs(Plan(("even",), reference=None), COLD)} == {"solver"}
    with pytest.raises(InputError, match="no solver and no reference"):
        Plan((), reference=None)


@pytest.mark.parametrize("problem", problem_ids())
def test_that_all_stands_for_all_that_can_be_run_and_gives_a_plan(problem: str) -> None:
    found = {choice.row.name for choice in choices_of(Plan(("all",)), problem)}
    for row in solver_rows(problem):
        able = row.kind != "reference" and not row.needs_start and not row.missing()
        assert (row.name in found) == able


@pytest.mark.parametrize("problem", problem_ids())
def test_that_heuristics_and_all_exact_share_nothing_and_are_all(problem: str) -> None:
    groups = [
        {choice.row.name for choice in choices_of(Plan((name,), reference=None), problem)}
        for name in ("heuristics", "all-exact", "all")
    ]
    assert not groups[0] & groups[1]
    assert groups[0] | groups[1] == groups[2]


def test_that_what_a_group_leaves_out_is_said() -> None:
    lines = list(left_out(Plan(("heuristics",)), "block-placement"))
    assert "block-placement: routing/cbc only improves a given plan: left out" in lines


def test_that_a_solver_is_run_with_its_own_options_and_several_times_with_others() -> None:
    problem = {"problem": "replica-clustering", "sha256": "r" * 64}
    plan = Plan(("ga", "ga:population=50"), ("ga:generations=7",), reference=None)
    assert [run.parameters for run in wanted_runs(plan, [problem])] == [
        {"generations": 7},
        {"generations": 7, "population": 50},
    ]


def test_that_an_option_set_to_its_default_is_the_same_run() -> None:
    plans = [Plan((entry,), reference=None) for entry in ("cg-bp", "cg-bp:design-sessions=3")]
    usual, other = (wanted_runs(plan, BLOCKS)[0] for plan in plans)
    same = wanted_runs(Plan(("heuristic",), reference=None), BLOCKS)[0]
    assert usual.key == same.key
    assert usual.key != other.key


@pytest.mark.parametrize(
    "change",
    [
        {"instance": "d" * 64},
        {"solver": "harmonic"},
        {"parameters": {"load_unit": 1.0}},
        {"seed": 1},
        {"version": "0.0.0+1"},
        {"time_limit_s": 61.0},
        {"threads": 2},
        {"memory_limit_bytes": 1e9},
    ],
)
def test_that_a_key_depends_on_all_that_an_answer_does(change: dict[str, Any]) -> None:
    run = wanted_runs(Plan(("even",), reference=None), COLD)[0]
    assert replace(run, **change).key != run.key
    assert replace(run, role="reference").key == run.key


def test_that_a_name_must_be_a_solver_of_one_of_the_problems() -> None:
    plan = Plan(("harmonic", "cg-bp"))
    require_known(plan, ["block-placement", "cold-start"])
    with pytest.raises(InputError, match=r"'cg-bp'.*a solver of cold-start"):
        require_known(plan, ["cold-start"])
    with pytest.raises(InputError, match=r"did you mean .*harmonic"):
        require_known(Plan(("harmonics",)), ["cold-start"])


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(("even",), ("harmonic:load-unit=2",)), "one of the solvers that are run"),
        (Plan(("even:colour=red",)), "it has no options"),
        (Plan(("harmonic:load-unit=red",)), "a number"),
        (Plan(("harmonic:load-unit",)), "NAME:KEY=VALUE"),
    ],
)
def test_that_wrong_options_are_refused_before_anything_runs(plan: Plan, words: str) -> None:
    with pytest.raises(InputError, match=words):
        require_known(plan, ["cold-start"])


def test_that_a_solver_that_needs_a_start_cannot_be_asked_for() -> None:
    with pytest.raises(InputError, match="needs no start"):
        choices_of(Plan(("routing/cbc",)), "block-placement")


def test_that_a_plan_is_kept_and_read_again() -> None:
    plan = Plan(("even", "ga:population=3"), ("ga:rounds=1",), None, (1, 2), 3.0, 2, 1e9)
    assert Plan.from_json(plan.to_json()) == plan


def test_that_more_solvers_and_seeds_are_added_and_none_twice() -> None:
    more = Plan(("even",), seeds=(0, 1)).with_more(Plan(("even", "dp"), seeds=(1, 2)))
    assert (more.solvers, more.seeds) == (("even", "dp"), (0, 1, 2))


def test_that_a_version_changes_with_the_code_of_its_problem_and_of_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, own, other = (tmp_path / p for p in ("a.py", "cold_start/b.py", "block_placement/c.py"))
    for path in (shared, own, other):
        path.parent.mkdir(exist_ok=True)
        path.write_text("1")

    def now() -> str:
        version.code_digest.cache_clear()
        return version.version_of("cold-start", row)

    row = find_solver("cold-start", "even")
    problem_ids()
    monkeypatch.setattr(shardopt.models, "__path__", [str(tmp_path)])
    first = now()
    other.write_text("2")
    assert now() == first
    own.write_text("2")
    second = now()
    assert second != first
    shared.write_text("2")
    assert now() not in {first, second}
    version.code_digest.cache_clear()
