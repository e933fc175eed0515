"""`library verify` finds everything that somebody may have broken, and names the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from library.shelf import PROBLEM, edit, library

Breaking = Callable[[Path], None]


def of_entry(number: int, **changes: Any) -> Breaking:
    """Change the manifest's entry of the first or the second instance."""
    return lambda folder: edit(
        folder / "manifest.json", lambda value: value["instances"][number].update(changes)
    )


def of_plan(folder: Path) -> None:
    edit(
        folder / "solutions" / "one.json",
        lambda value: value["solution"]["stages"][0].update(start=1),
    )


def of_another(folder: Path) -> None:
    edit(folder / "solutions" / "two.json", lambda value: value.update(instance="one"))


def other_plan(folder: Path) -> None:
    stages = [
        {"device": "cat & <dog>", "start": 0, "stop": 2},
        {"device": "bob", "start": 2, "stop": 3},
    ]
    edit(folder / "solutions" / "two.json", lambda value: value["solution"].update(stages=stages))


def of_instance(folder: Path) -> None:
    edit(folder / "one.json", lambda value: value["data"]["devices"][0].update(flops_per_s=11))


def twice(folder: Path) -> None:
    def change(value: Any) -> None:
        value["instances"][1]["file"] = value["instances"][0]["file"]

    edit(folder / "manifest.json", change)


def forget(what: str) -> Breaking:
    def change(folder: Path) -> None:
        lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if json.loads(line)["what"] != what]
        (folder / "events.jsonl").write_text("\n".join(kept), encoding="utf-8")

    return change


def append(name: str, text: str) -> Breaking:
    def change(folder: Path) -> None:
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return change


def lose(name: str) -> Breaking:
    return lambda folder: (folder / name).unlink()


def test_that_a_library_as_it_is_written_holds(folder: Path) -> None:
    done = library("verify", folder=folder)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{PROBLEM}: 2 instances (1 feasible, 1 optimal): all holds\n"


@pytest.mark.parametrize(
    ("breaking", "place", "said"),
    [
        (lose("one.json"), "one.json", "no such file"),
        (lose("solutions/two.json"), "two.json", "no such file"),
        (lose("manifest.json"), "manifest.json", "no such file"),
        (lose("events.jsonl"), "events.jsonl", "the history of the manifest"),
        (of_instance, "one.sha256", "as in one.json"),
        (of_another, "two.json: instance", '"two", whose plan it is'),
        (of_plan, "one.json", "a plan that breaks a rule"),
        (other_plan, "two.objective", "which the checker finds"),
        (of_entry(0, name="three"), "three.name", '"one", as in one.json'),
        (of_entry(0, sha256="0" * 64), "one.sha256", "as in one.json"),
        (of_entry(0, size={"devices": 4}), "one.size", "as in one.json"),
        (of_entry(0, objective=1.0), "one.objective", "which the checker finds"),
        (of_entry(0, objective=None), "one.solution", "found this, expected null"),
        (of_entry(0, found=None), "one.found", "as there is an objective"),
        (of_entry(0, bound=1.0), "one.proven", "as something is proven"),
        (of_entry(1, bound=1e9), "two.bound", "at most the objective"),
        (of_entry(1, bound=1.0), "two.status", '"feasible", which follows'),
        (of_entry(0, status="optimal"), "one.status", '"feasible", which follows'),
        (of_entry(0, status="infeasible"), "one.status", 'none beside "infeasible"'),
        (of_entry(0, status="solved"), "instances[0].status", "found"),
        (of_entry(0, file="../one.json"), "instances[0].file", "found"),
        (of_entry(0, note="x"), "instances[0].note", "an unknown key"),
        (twice, "one.json twice", "a file of its own"),
        (forget("plan"), "one.objective", "the last event"),
        (forget("bound"), "two.bound", "the last event"),
        (forget("added"), "one.name", "no event that it was added"),
        (append("events.jsonl", "{}\n"), "events.jsonl, line 6", "expected this key"),
        (append("manifest.json", "x"), "manifest.json", "valid JSON"),
        (append("three.json", "{}"), "three.json", "does not name"),
        (append("solutions/three.json", "{}"), "three.json", "does not name"),
    ],
)
def test_that_what_is_broken_is_named_with_its_place(
    folder: Path, breaking: Breaking, place: str, said: str
) -> None:
    breaking(folder / PROBLEM)
    done = library("verify", folder=folder)
    assert done.exit_code == 1
    assert "all holds" not in done.stdout
    assert any(place in line and said in line for line in done.stderr.splitlines()), done.stderr


def test_that_an_event_of_an_unknown_instance_is_named(folder: Path) -> None:
    history = folder / PROBLEM / "events.jsonl"
    lines = history.read_text(encoding="utf-8").splitlines()
    event = json.loads(lines[0]) | {"instance": "three"}
    history.write_text("\n".join([*lines, json.dumps(event)]), encoding="utf-8")
    assert "'three'" in library("verify", folder=folder).stderr


def test_that_all_faults_are_named_at_once(folder: Path) -> None:
    of_instance(folder / PROBLEM)
    other_plan(folder / PROBLEM)
    done = library("verify", folder=folder)
    assert "one.sha256" in done.stderr
    assert "two.objective" in done.stderr


def test_that_a_folder_without_a_library_is_bad_input(tmp_path: Path) -> None:
    done = library("verify", folder=tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no library there" in done.stderr


def test_that_a_problem_that_the_library_lacks_is_bad_input(folder: Path) -> None:
    assert library("verify", "cold-stat", folder=folder).stderr.count("did you mean cold-start")
    assert "no block-placement" in library("verify", "block-placement", folder=folder).stderr
