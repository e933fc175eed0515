"""``shardopt explain``: what it prints, and how it ends."""

from __future__ import annotations

import json
import signal
from dataclasses import replace

import jsonschema
import pytest
from click.testing import CliRunner

import shardopt
import shardopt.explain.oracle as asking
from explain.tiny import PROBLEMS, with_plan, without_plan
from shardopt.cli import commands
from shardopt.explain import explain
from shardopt.explain.text import explanation_text, together
from shardopt.models.errors import InputError
from shardopt.solvers.budget import Budget
from shardopt.solvers.finish import finish

_NUMBER = {"type": ["number", "null"]}
_TEXT = {"type": "string"}


def _object(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items):
    return {"type": "array", "items": items}


def _one_of(*values):
    return {"enum": list(values)}


SCHEMA = _object(
    format={"const": "shardopt-explanation/1"},
    problem=_one_of(*PROBLEMS),
    instance=_TEXT,
    instance_sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
    solver=_TEXT,
    proven_by={"type": ["string", "null"]},
    versions={"type": "object"},
    status=_one_of("feasible", "infeasible", "unknown"),
    termination=_one_of("completed", "time-limit", "interrupted"),
    seed={"type": "integer"},
    threads={"type": "integer"},
    runtime_s={"type": "number"},
    solves={"type": "integer"},
    result={
        "anyOf": [
            {"type": "null"},
            _object(
                status=_one_of("optimal", "feasible"),
                termination=_TEXT,
                objective={"type": "number"},
                bound=_NUMBER,
                gap=_NUMBER,
                solution={"type": "object"},
            ),
        ]
    },
    facts=_list(_TEXT),
    constraints=_list(_object(name=_TEXT, words=_TEXT)),
    conflicts={
        "anyOf": [
            {"type": "null"},
            _object(
                sets=_list(_object(constraints=_list(_TEXT), minimal={"type": "boolean"})),
                corrections=_list(_list(_TEXT)),
                complete={"type": "boolean"},
            ),
        ]
    },
    mends=_list(
        _object(
            kind=_TEXT,
            what=_TEXT,
            status=_one_of("mends", "does-not", "undecided", "not-tried"),
            unit=_TEXT,
            amount=_NUMBER,
            without_plan_at=_NUMBER,
            exact={"type": "boolean"},
            share=_NUMBER,
            words={"type": ["string", "null"]},
        )
    ),
    bindings=_list(
        _object(kind=_one_of("limit", "time"), what=_TEXT, share={"type": "number"}, words=_TEXT)
    ),
    changes=_list(
        _object(
            kind=_TEXT,
            what=_TEXT,
            words=_TEXT,
            effect=_one_of("easier", "harder", None),
            status=_one_of("optimal", "feasible", "infeasible", "unknown", "not-tried"),
            objective=_NUMBER,
            bound=_NUMBER,
            gain_low=_NUMBER,
            gain_high=_NUMBER,
            proof=_one_of("solved", "same-plan", None),
        )
    ),
    cut={"type": "boolean"},
)


def run(*arguments):
    return CliRunner().invoke(commands, ["explain", *arguments])


@pytest.fixture
def two(tmp_path):
    """Return the files of an instance that has a plan and of one that has none."""
    fine = shardopt.generate("cold-start", "csgo-table1", tokens=512)
    devices = tuple(replace(d, memory_bytes=d.memory_bytes / 2) for d in fine.devices)
    small = replace(fine, name="half", devices=devices)
    paths = tmp_path / "fine.json", tmp_path / "half.json"
    for path, instance in zip(paths, (fine, small), strict=True):
        shardopt.save(path, instance)
    return tuple(map(str, paths))


@pytest.fixture
def silent(monkeypatch):
    """Let every solver end without an answer."""

    def solve(instance, solver, **arguments):
        return finish(instance, solver, Budget(None), [], termination="time-limit")

    monkeypatch.setattr(asking, "solve", solve)


def test_that_json_is_one_object_as_documented(two):
    for path, status in zip(two, ("feasible", "infeasible"), strict=True):
        done = run(path, "--json")
        assert done.exit_code == 0
        found = json.loads(done.stdout)
        jsonschema.validate(found, SCHEMA)
        assert found["status"] == status


@pytest.mark.parametrize("problem", ["cold-start", "partition-schedule", "replica-clustering"])
def test_that_every_problem_keeps_the_format_and_can_be_printed(problem):
    for instance in (*without_plan(problem, 2), *with_plan(problem, 1)):
        found = explain(instance, time_limit=20)
        jsonschema.validate(found.to_json(), SCHEMA)
        assert explanation_text(found)


def test_that_a_person_is_told_what_conflicts_and_what_mends(two):
    done = run(two[1])
    assert done.exit_code == 0
    for words in ("there is no plan", "memory of device-1", "a smaller type for the weights"):
        assert words in done.stdout


def test_that_a_person_is_told_what_binds_and_what_would_help(two):
    done = run(two[0])
    assert done.exit_code == 0
    for words in ("proven optimal", "What is used up", "without device-4", "another device like"):
        assert words in done.stdout


def test_that_not_knowing_is_said_and_ends_with_its_own_code(two, silent):
    done = run(two[1], "--json", "--time-limit", "1")
    assert done.exit_code == 4
    found = json.loads(done.stdout)
    jsonschema.validate(found, SCHEMA)
    assert found["status"] == "unknown"
    assert found["conflicts"] is None
    assert {mend["status"] for mend in found["mends"]} <= {"undecided", "not-tried"}
    assert "neither" in run(two[1], "--time-limit", "1").stdout


def test_that_an_unknown_answer_about_a_part_is_never_taken_for_a_conflict(two, monkeypatch):
    really, asked = asking.solve, []

    def solve(instance, solver, **arguments):
        asked.append(instance)
        if len(asked) == 1:
            return really(instance, solver, **arguments)
        return finish(instance, solver, Budget(None), [], termination="memory-limit")

    monkeypatch.setattr(asking, "solve", solve)
    found = explain(two[1])
    assert found.status == "infeasible"
    everything = frozenset(range(len(found.groups)))
    assert {(c.groups, c.minimal) for c in found.conflicts.conflicts} <= {(everything, False)}
    assert not found.conflicts.complete
    assert {mended.status for mended in found.mends} == {"undecided"}


def test_that_an_interrupt_leaves_what_is_known_by_then(two):
    def on_step(words):
        if "mend" in words:
            signal.raise_signal(signal.SIGINT)

    found = explain(two[1], on_step=on_step)
    assert found.termination == "interrupted"
    assert found.status == "infeasible"
    assert found.conflicts.complete
    assert {mended.status for mended in found.mends} == {"not-tried"}
    jsonschema.validate(found.to_json(), SCHEMA)


def test_that_changes_there_is_no_time_for_are_listed_as_not_tried(two):
    def on_step(words):
        if "change" in words:
            signal.raise_signal(signal.SIGINT)

    found = explain(two[0], on_step=on_step)
    assert found.result.status == "optimal"
    assert {changed.status for changed in found.changes} == {"not-tried"}
    assert explanation_text(found)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--solver", "harmonic"), "an exact solver"),
        (("--solver", "dsr"), "did you mean"),
        (("--time-limit", "0"), "time_limit"),
    ],
)
def test_that_bad_arguments_are_refused(two, arguments, words):
    done = run(two[0], *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stdout == ""


def test_that_a_missing_file_is_bad_input(tmp_path):
    assert run(str(tmp_path / "none.json")).exit_code == 2


def test_that_a_heuristic_is_refused_from_python_too(two):
    with pytest.raises(InputError, match="exact"):
        explain(two[0], "harmonic")


def test_that_another_exact_solver_says_the_same(two):
    conflicts = [
        {c.groups for c in explain(two[1], solver).conflicts.conflicts}
        for solver in ("exact", "dp")
    ]
    assert conflicts[0] == conflicts[1]


def test_that_more_changes_than_are_looked_at_are_admitted(two, monkeypatch):
    monkeypatch.setattr("shardopt.explain.engine.MOST_TRIED", 2)
    done = run(two[0], "--json")
    assert len(json.loads(done.stdout)["changes"]) == 2
    assert json.loads(done.stdout)["cut"] is True
    assert "not looked at" in run(two[0]).stdout


def test_that_names_of_a_kind_stand_together():
    assert together(["memory of a", "caches", "memory of b"]) == "memory of a, b; caches"
