"""A small library of `cold-start`, what somebody might say of its instances, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

import shardopt
from shardopt.cli import commands
from shardopt.instances.files import instance_sha256, solution_to_json
from shardopt.instances.strict import write_json
from shardopt.library.add import add
from shardopt.library.manifest import Entry, read_entries
from shardopt.study.sources import Source
from study.hand import three_blocks

PROBLEM = "cold-start"
NAMES = ("one", "two")


def make_library(folder: Path) -> Path:
    """Make a library of two instances; `even` has solved the first one, `dssr` the second."""
    instances = [three_blocks(name, flops=8.0 + 2 * n) for n, name in enumerate(NAMES)]
    add(folder, [Source(made, instance_sha256(made), "by hand") for made in instances])
    for name, solver in zip(NAMES, ("even", "dssr"), strict=True):
        done = library("update", "--solve", name, "--solver", solver, folder=folder)
        assert done.exit_code == 0, done.output
    return folder


def library(*arguments: str, folder: Path) -> Result:
    """Run `shardopt library` in this process."""
    return CliRunner().invoke(commands, ["library", *arguments, "--library", str(folder)])


def entry(folder: Path, name: str) -> Entry:
    """Return what a library says of an instance."""
    (found,) = [entry for entry in read_entries(folder, PROBLEM) if entry.name == name]
    return found


def everything(folder: Path) -> dict[str, bytes]:
    """Return all files of a library, to compare them later."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def instance(folder: Path, name: str) -> Any:
    """Return an instance of a library."""
    return shardopt.load(folder / PROBLEM / entry(folder, name).file)


def result(folder: Path, name: str, solver: str, path: Path, **changes: Any) -> str:
    """Write the result of a solver, with other values in some places, and return its file."""
    file = shardopt.solve(instance(folder, name), solver).to_json() | changes
    write_json(path, file)
    return str(path)


def solution(folder: Path, name: str, solver: str, path: Path) -> str:
    """Write the plan of a solver as a solution file."""
    made = instance(folder, name)
    write_json(path, solution_to_json(made, shardopt.solve(made, solver).solution))
    return str(path)


def edit(path: Path, change: Any) -> None:
    """Change a JSON file by a function of what it holds."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    write_json(path, value)
