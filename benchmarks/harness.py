"""What every problem's benchmark needs: a protocol block, timed runs, and one table."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

import shardopt
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result
from shardopt.study.protocol import processor

THREADS = 2
LIMIT_S = 60.0


@dataclass
class Row:
    """One line of the table: what was run, what it should reach, what it reached.

    ``wall_s`` holds times that are not a result's own, such as that of a whole command.
    """

    what: str
    target: str
    results: list[Result] = field(default_factory=list)
    versus: list[Result] = field(default_factory=list)
    note: str = ""
    wall_s: list[float] = field(default_factory=list)

    def times(self) -> list[float]:
        """Return the solve times, compilation left out, building included."""
        return self.wall_s or [r.runtime_s for r in self.results]

    def ratio(self) -> float | None:
        """Return how many times faster than ``versus`` this is, in the median, pair by pair."""
        if not self.versus:
            return None
        pairs = zip(self.versus, self.results, strict=True)
        return statistics.median(v.runtime_s / max(r.runtime_s, 1e-9) for v, r in pairs)


def run(instances: Iterable[Any], solver: str, **options: Any) -> list[Result]:
    """Solve each instance with one solver, under the protocol's limits."""
    results = []
    for instance in instances:
        settings = {"time_limit": LIMIT_S, "threads": THREADS} | options
        result = shardopt.solve(instance, solver, **settings)
        results.append(result)
        gap = "-" if result.gap is None else f"{result.gap:.2%}"
        print(
            f"  {solver:15} {instance.name:45} {result.status:10} {result.termination:12}"
            f" gap {gap:>7} {result.runtime_s:8.2f} s",
            file=sys.stderr,
            flush=True,
        )
        for fault in result.faults:
            print(f"  FAULT {fault}", file=sys.stderr)
    return results


def protocol() -> str:
    """Return the block that heads every report of measurements."""
    packages = ("shardopt", "highspy", "ortools", "pulp", "numba", "numpy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"""\
machine    {processor()}, {os.cpu_count()} cores, {memory:.0f} GiB
system     {system}
versions   {versions}
protocol   {THREADS} threads, limit {LIMIT_S:g} s a run, one run at a time, seed 0
times      wall clock of a run, process start and model building included; just-in-time
           compilation (once on a machine) excluded; a ratio compares runs of this table
optimal    a proven bound within {OPTIMALITY_TOLERANCE:g}"""


def print_table(title: str, rows: list[Row] | Table, console: Console) -> None:
    """Print the finished rows, or the table that a case made itself."""
    if isinstance(rows, Table):
        rows.title = title
        console.print(rows)
        return
    table = Table(title=title, title_justify="left")
    for heading in ("what", "target"):
        table.add_column(heading)
    for heading in ("solved", "median s", "max s", "worst gap", "ratio"):
        table.add_column(heading, justify="right")
    table.add_column("note")
    for row in rows:
        solved = sum(r.status in ("optimal", "infeasible") for r in row.results)
        gaps = [r.gap for r in row.results if r.gap is not None]
        ratio = row.ratio()
        table.add_row(
            row.what,
            row.target,
            f"{solved}/{len(row.results)}" if row.results else "-",
            f"{statistics.median(row.times()):.2f}",
            f"{max(row.times()):.2f}",
            f"{max(gaps):.2%}" if gaps else "-",
            "" if ratio is None else f"{ratio:.1f}x",
            row.note,
        )
    console.print(table)


Cases = dict[str, Callable[[bool], list[Row] | Table]]
"""Name of a group of rows, and the function that runs it (given: fast setting or not)."""
