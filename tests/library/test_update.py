"""What is better is recorded as an event; what contradicts a proof fails and changes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import shardopt
from library.shelf import (
    PROBLEM,
    edit,
    entry,
    everything,
    instance,
    library,
    result,
    solution,
)
from shardopt.library.manifest import read_events
from study.hand import write_study


def optimum(folder: Path, name: str) -> float:
    value = shardopt.solve(instance(folder, name)).objective
    assert value is not None
    return value


def test_that_a_better_plan_is_recorded_with_its_solver_and_as_an_event(
    folder: Path, tmp_path: Path
) -> None:
    before = entry(folder, "one")
    better = result(folder, "one", "order-search", tmp_path / "better.json")
    done = library("update", better, folder=folder)
    assert done.exit_code == 0, done.output
    after = entry(folder, "one")
    event = read_events(folder, PROBLEM)[-1]
    assert after.found is not None
    assert (after.found.solver, after.objective) == ("order-search", optimum(folder, "one"))
    assert (event.what, event.before, event.after) == ("plan", before.objective, after.objective)
    assert event.by == after.found
    assert "one: plan" in done.stdout
    assert library("verify", folder=folder).exit_code == 0


def test_that_a_proven_optimum_is_recorded_as_a_plan_and_a_bound(
    folder: Path, tmp_path: Path
) -> None:
    library("update", result(folder, "one", "dp", tmp_path / "dp.json"), folder=folder)
    after = entry(folder, "one")
    assert (after.status, after.bound) == ("optimal", after.objective)
    assert [event.what for event in read_events(folder, PROBLEM)[-2:]] == ["plan", "bound"]
    assert after.proven is not None
    assert after.proven.solver == "dp"
    assert library("verify", folder=folder).exit_code == 0


def test_that_a_bound_alone_is_recorded_and_leaves_the_plan(folder: Path, tmp_path: Path) -> None:
    before = entry(folder, "one")
    changes = {"status": "unknown", "objective": None, "solution": None, "bound": 1.0}
    library("update", result(folder, "one", "dp", tmp_path / "b.json", **changes), folder=folder)
    after = entry(folder, "one")
    assert (after.bound, after.status, after.found) == (1.0, "feasible", before.found)


@pytest.mark.parametrize(("name", "solver"), [("two", "even"), ("two", "dssr"), ("one", "even")])
def test_that_what_is_not_better_changes_no_file(
    folder: Path, tmp_path: Path, name: str, solver: str
) -> None:
    before = everything(folder)
    done = library("update", result(folder, name, solver, tmp_path / "r.json"), folder=folder)
    assert done.exit_code == 0
    assert "nothing new" in done.stdout
    assert everything(folder) == before


def test_that_rounding_is_no_improvement(folder: Path, tmp_path: Path) -> None:
    before = everything(folder)
    best = optimum(folder, "two")
    file = result(folder, "two", "dssr", tmp_path / "r.json", bound=best * (1 + 1e-12))
    assert library("update", file, folder=folder).exit_code == 0
    assert everything(folder) == before


CONTRADICTIONS = {
    "a bound above the optimum": ("two", "dssr", {"status": "unknown", "bound": 1e3}),
    "a bound above a known plan": ("one", "even", {"status": "unknown", "bound": 1e3}),
    "infeasible beside a plan": ("one", "even", {"status": "infeasible", "bound": None}),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_that_a_contradicting_proof_fails_and_writes_nothing(
    folder: Path, tmp_path: Path, name: str
) -> None:
    before = everything(folder)
    instance_name, solver, changes = CONTRADICTIONS[name]
    changes |= {"objective": None, "solution": None}
    file = result(folder, instance_name, solver, tmp_path / "r.json", **changes)
    done = library("update", file, folder=folder)
    assert done.exit_code == 1
    assert "CONTRADICTION" in done.stderr
    assert f"{PROBLEM} {instance_name}" in done.stderr
    assert everything(folder) == before


def test_that_a_plan_below_a_proven_bound_fails_and_writes_nothing(
    folder: Path, tmp_path: Path
) -> None:
    known = entry(folder, "one").objective
    assert known is not None
    proof = {"status": "unknown", "objective": None, "solution": None, "bound": known}
    wrong = result(folder, "one", "dp", tmp_path / "wrong.json", **proof)
    assert library("update", wrong, folder=folder).exit_code == 0
    before = everything(folder)
    done = library("update", result(folder, "one", "dp", tmp_path / "r.json"), folder=folder)
    assert done.exit_code == 1
    assert "has a plan worth" in done.stderr
    assert "the library (dp" in done.stderr
    assert everything(folder) == before


def test_that_a_plan_where_there_is_none_fails(folder: Path, tmp_path: Path) -> None:
    file = folder / PROBLEM / "manifest.json"
    nothing = {"objective": None, "solution": None, "found": None, "bound": None}
    change = nothing | {"status": "infeasible"}
    edit(file, lambda value: value["instances"][1].update(change))
    done = library("update", result(folder, "two", "even", tmp_path / "r.json"), folder=folder)
    assert done.exit_code == 1
    assert "proved that there is none" in done.stderr


def test_that_two_files_that_contradict_each_other_are_both_refused(
    folder: Path, tmp_path: Path
) -> None:
    before = everything(folder)
    good = result(folder, "one", "order-search", tmp_path / "good.json")
    changes = {"objective": None, "solution": None, "status": "unknown", "bound": 1e3}
    bad = result(folder, "two", "dp", tmp_path / "bad.json", **changes)
    assert library("update", good, bad, folder=folder).exit_code == 1
    assert everything(folder) == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": 1.0}, "the plan is worth"),
        ({"status": "optimal", "bound": None}, "called optimal"),
        ({"solution": {"stages": []}}, "the plan has no stage"),
        ({"solution": {"stages": 1}}, "solution.stages"),
        ({"solution": None}, "only one is there"),
        ({"instance_sha256": "0" * 64}, "near: one"),
        ({"problem": "cold-stat"}, "a problem of the library"),
        ({"format": "shardopt/1"}, '"shardopt-result/1" or "shardopt-solution/1"'),
        ({"bound": "1"}, "bound"),
    ],
)
def test_that_a_result_that_cannot_be_believed_is_bad_input(
    folder: Path, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    before = everything(folder)
    file = result(folder, "one", "order-search", tmp_path / "r.json", **changes)
    done = library("update", file, folder=folder)
    assert (done.exit_code, everything(folder)) == (2, before)
    assert file in done.stderr
    assert said in done.stderr


def test_that_a_solution_file_is_a_plan_of_the_instance_of_that_name(
    folder: Path, tmp_path: Path
) -> None:
    file = solution(folder, "one", "order-search", tmp_path / "s.json")
    assert library("update", file, folder=folder).exit_code == 0
    after = entry(folder, "one")
    assert after.found is not None
    assert (after.objective, after.found.solver) == (optimum(folder, "one"), "a solution file")


def test_that_a_study_gives_its_best_plans_and_bounds(folder: Path, tmp_path: Path) -> None:
    instances = [instance(folder, name) for name in ("one", "two")]
    study = write_study(tmp_path / "study", instances, ["harmonic"])
    done = library("update", str(study), folder=folder)
    assert done.exit_code == 0, done.output
    assert entry(folder, "one").status == "optimal"
    assert library("verify", folder=folder).exit_code == 0


def test_that_solving_starts_from_the_best_known_plan_and_says_so(folder: Path) -> None:
    arguments = ("update", "--solve", f"{PROBLEM}/o*", "--time-limit", "20", "--threads", "1")
    assert library(*arguments, folder=folder).exit_code == 0
    proven = entry(folder, "one").proven
    assert proven is not None
    assert proven.settings == {
        "seed": 0,
        "threads": 1,
        "time_limit_s": 20.0,
        "start": "best known",
    }


def test_that_an_unknown_name_to_solve_gets_the_nearest_ones(folder: Path) -> None:
    done = library("update", "--solve", "tow", folder=folder)
    assert done.exit_code == 2
    assert "two" in done.stderr


def test_that_an_update_from_nothing_is_bad_usage(folder: Path) -> None:
    assert library("update", folder=folder).exit_code == 2


def test_that_a_library_that_cannot_be_written_is_refused_before_the_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(shardopt, "solve", lambda *_: pytest.fail("solved for nothing"))
    done = library("update", "--solve", "one", folder=folder)
    assert done.exit_code == 2
    assert "--library with a copy" in done.stderr


def test_that_an_update_that_was_killed_is_mended_by_the_same_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shardopt.library.update

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    file = result(folder, "one", "order-search", tmp_path / "better.json")
    with monkeypatch.context() as patched:
        patched.setattr(shardopt.library.update, "write_entries", killed)
        assert library("update", file, folder=folder).exit_code == 1
    assert library("verify", folder=folder).exit_code == 1
    assert library("update", file, folder=folder).exit_code == 0
    assert library("verify", folder=folder).exit_code == 0


def test_that_events_are_only_appended(folder: Path, tmp_path: Path) -> None:
    history = folder / PROBLEM / "events.jsonl"
    before = history.read_bytes()
    library("update", result(folder, "one", "dp", tmp_path / "dp.json"), folder=folder)
    after = history.read_bytes()
    assert after.startswith(before)
    assert all(json.loads(line) for line in after.splitlines())
