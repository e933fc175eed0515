"""Starting up stays cheap: heavy packages are imported only where they are used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import INSTANCE, write

from shardopt.cli import COMMANDS

HEAVY = {"numba", "ortools", "highspy", "matplotlib", "pulp", "pyscipopt", "pandas"}
PROBE = """
import json, sys
from shardopt.cli import commands
try:
    commands.main(json.loads(sys.argv[1]))
finally:
    print(json.dumps(sorted(name for name in sys.modules if "." not in name)), file=sys.stderr)
"""


def imported_by(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_that_help_imports_nothing_heavy_and_no_rich() -> None:
    assert not imported_by("--help") & (HEAVY | {"rich"})


@pytest.mark.parametrize("command", list(COMMANDS))
def test_that_the_help_of_a_command_imports_nothing_heavy(command: str) -> None:
    assert not imported_by(command, "--help") & HEAVY


@pytest.mark.parametrize("solver", ["even", "heuristic"])
def test_that_a_heuristic_imports_nothing_heavy(tmp_path: Path, solver: str) -> None:
    file = write(tmp_path / "instance.json", INSTANCE)
    assert not imported_by("solve", file, "--solver", solver) & HEAVY


def test_that_a_picture_in_the_terminal_needs_no_matplotlib(tmp_path: Path) -> None:
    file = write(tmp_path / "instance.json", INSTANCE)
    assert not imported_by("show", file) & HEAVY


def test_that_listing_the_solvers_imports_no_backend() -> None:
    assert not imported_by("solvers") & HEAVY


def test_that_simulating_imports_nothing_heavy() -> None:
    file = Path(__file__).parents[1] / "data" / "block-placement" / "clustered-9-r8.json"
    arguments = ("--arrivals", "period:1", "--requests", "2", "--policy", "ws-rr,petals")
    assert not imported_by("simulate", str(file), *arguments) & HEAVY
