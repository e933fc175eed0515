"""What tests of whole studies share: the command, and what it has left in the store."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from shardopt.cli import commands
from shardopt.study.store import open_study


def gap(folder: Path, *arguments: str) -> Result:
    """Run the command in this process, one run at a time."""
    return CliRunner().invoke(commands, ["gap", *arguments, "--jobs", "1", "-o", str(folder)])


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return the runs of a study."""
    with open_study(folder) as study:
        return study.runs()


def kept(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Return the rows of a study that runs meanwhile, as they stand in its file."""
    try:
        database = sqlite3.connect(f"file:{folder / 'study.sqlite'}?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return {}
    try:
        return {row[0]: row for row in database.execute("SELECT * FROM runs")}
    finally:
        database.close()


def wait_for(folder: Path, count: int) -> None:
    """Wait until a study that runs meanwhile has so many rows."""
    deadline = time.monotonic() + 60
    while len(kept(folder)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
