"""The library that is shipped, adding to one, and what studies take from it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import shardopt
from library.shelf import PROBLEM, entry, instance, library
from shardopt.cli import commands
from shardopt.instances.files import instance_from_json, instance_sha256
from shardopt.library.manifest import Entry, best_known, read_entries, shipped
from shardopt.library.verify import faults
from shardopt.models.discover import problem_ids
from shardopt.study import load
from study.hand import write_study

MADE_BY_HAND = {"clustered-9-r8", "bloom-gtsce-60-r200-s0-c10-j200-on-wide-220"}
"""Instances that no single command makes."""
TINY = 8


def entries(problem: str) -> list[Entry]:
    return read_entries(shipped(), problem)


def made_by(command: str) -> Any:
    program, *arguments = shlex.split(command)
    assert program == "shardopt"
    done = CliRunner().invoke(commands, arguments)
    assert done.exit_code == 0, done.output
    return instance_from_json(json.loads(done.stdout))


def is_small(row: Entry) -> bool:
    return max(row.size.values()) <= TINY


@pytest.mark.parametrize("problem", problem_ids())
def test_that_at_least_thirty_instances_of_each_problem_are_shipped(problem: str) -> None:
    rows = entries(problem)
    assert len(rows) >= 30
    assert sum(is_small(row) for row in rows) >= 3
    assert sum(row.status == "feasible" for row in rows) >= 3  # beyond what is proven


@pytest.mark.parametrize("problem", problem_ids())
def test_that_the_shipped_library_holds(problem: str) -> None:
    assert [str(fault) for fault in faults(shipped(), problem)] == []


@pytest.mark.parametrize("problem", problem_ids())
def test_that_small_shipped_instances_are_made_by_their_commands(problem: str) -> None:
    rows = [row for row in entries(problem) if is_small(row) and row.name not in MADE_BY_HAND]
    assert rows
    for row in rows:
        assert instance_sha256(made_by(row.source)) == row.sha256, row.name


@pytest.mark.long
@pytest.mark.parametrize("problem", problem_ids())
def test_that_all_shipped_instances_are_made_by_their_commands(problem: str) -> None:
    for row in entries(problem):
        if row.name not in MADE_BY_HAND:
            assert instance_sha256(made_by(row.source)) == row.sha256, row.name


@pytest.mark.long
@pytest.mark.parametrize("problem", problem_ids())
def test_that_exact_agrees_with_the_optima_of_small_shipped_instances(problem: str) -> None:
    for row in entries(problem):
        if is_small(row) and row.status in {"optimal", "infeasible"}:
            found = shardopt.solve(shipped() / problem / row.file, time_limit=60)
            assert found.status == row.status
            if row.objective is None:
                assert found.objective is None
            else:
                assert found.objective == pytest.approx(row.objective, rel=1e-6)


def test_that_the_list_has_the_whole_manifest_as_json(folder: Path) -> None:
    listed = json.loads(library("list", "--json", folder=folder).stdout)[PROBLEM]
    known = entry(folder, "two")
    assert [row["name"] for row in listed] == ["one", "two"]
    assert listed[1] == json.loads(known.model_dump_json()) | {"gap": 0.0}
    assert listed[0]["gap"] is None


def test_that_the_list_has_a_line_for_each_instance(folder: Path) -> None:
    lines = library("list", PROBLEM, folder=folder).stdout.splitlines()
    (line,) = [line for line in lines if line.split()[:1] == ["two"]]
    assert "optimal" in line
    assert "0.00%" in line
    assert "dssr" in line


def test_that_a_misspelt_action_gets_the_nearest_one(folder: Path) -> None:
    done = library("lst", folder=folder)
    assert done.exit_code == 2
    assert "did you mean 'list'?" in done.stderr


def test_that_a_preset_is_added_with_the_command_that_makes_it(folder: Path) -> None:
    place = f"{PROBLEM}/typed:types=2:per-type=1:blocks=4:seed=3"
    assert library("add", place, folder=folder).exit_code == 0
    row = entry(folder, "typed-k2-l4-t1024-s3-y2")
    assert (row.status, row.size) == ("unknown", {"blocks": 4, "devices": 2})
    assert instance_sha256(made_by(row.source)) == row.sha256
    assert library("verify", folder=folder).exit_code == 0


def test_that_a_large_instance_is_compressed(folder: Path) -> None:
    place = f"{PROBLEM}/random-edge:devices=300:blocks=10:spread=0.1"
    assert library("add", place, folder=folder).exit_code == 0
    names = [row.file for row in read_entries(folder, PROBLEM)]
    assert [name for name in names if name.endswith(".json.gz")]
    assert library("verify", folder=folder).exit_code == 0


def test_that_the_same_instance_is_not_added_again(folder: Path) -> None:
    file = str(folder / PROBLEM / entry(folder, "one").file)
    done = library("add", file, folder=folder)
    assert done.exit_code == 2
    assert "'one' again" in done.stderr


def test_that_the_best_known_objectives_are_by_hash(folder: Path) -> None:
    one, two = entry(folder, "one"), entry(folder, "two")
    assert best_known(folder) == {one.sha256: one.objective, two.sha256: two.objective}


def test_that_a_study_is_measured_against_the_best_known_plans_that_are_shipped(
    tmp_path: Path,
) -> None:
    row = next(row for row in entries(PROBLEM) if is_small(row) and row.objective is not None)
    made = shardopt.load(shipped() / PROBLEM / row.file)
    runs = load(write_study(tmp_path / "study", [made], ["even"]))
    assert set(runs["best_known"]) == {row.objective}


def test_that_the_instances_are_those_of_a_library_s_files(folder: Path) -> None:
    assert instance_sha256(instance(folder, "one")) == entry(folder, "one").sha256
