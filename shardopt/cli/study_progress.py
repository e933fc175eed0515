"""What ``shardopt gap`` shows while it runs, and how it sums up."""

from __future__ import annotations

import collections
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from shardopt.units import printable

if TYPE_CHECKING:
    from rich.table import Table

    from shardopt.study.planning import Run
    from shardopt.study.store import Study

STATUSES = (
    "optimal",
    "feasible",
    "infeasible",
    "unknown",
    "hung",
    "out-of-memory",
    "crashed",
    "invalid",
)
FAILED = frozenset({"hung", "out-of-memory", "crashed", "invalid"})
_LINE_EVERY_S = 30.0
_MOST_FAILURES = 20


class Pace:
    """How far a study is, and how long the rest will take.

    A run that is still to come takes as long as those of the same solver did, and as many are
    made at a time as so far.
    """

    def __init__(self, runs: Sequence[Run], wanted: int) -> None:
        self.wanted = wanted
        self.done = wanted - len(runs)
        self.failed = 0
        self._kind_of = {run.key: (run.problem, run.solver) for run in runs}
        self._left = collections.Counter(self._kind_of.values())
        self._spent: dict[tuple[str, str], list[float]] = collections.defaultdict(list)
        self._began = time.monotonic()

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a run that has ended."""
        kind = self._kind_of[row["key"]]
        self._left[kind] -= 1
        self._spent[kind].append(row["wall_s"])
        self.done += 1
        self.failed += row["status"] in FAILED

    def left_s(self) -> float | None:
        """Return the seconds that the rest will take, ``None`` before anything is known."""
        spent = [wall for walls in self._spent.values() for wall in walls]
        if not spent:
            return None
        mean = sum(spent) / len(spent)
        ahead = 0.0
        for kind, count in self._left.items():
            walls = self._spent.get(kind)
            ahead += count * (sum(walls) / len(walls) if walls else mean)
        at_a_time = sum(spent) / max(time.monotonic() - self._began, 1e-3)
        return ahead / max(at_a_time, 1e-3)

    def line(self) -> str:
        """Return the state as one line."""
        left = self.left_s()
        rest = "" if left is None or self.done == self.wanted else f", {_duration(left)} left"
        return f"{self.done} of {self.wanted} runs, {self.failed} failed{rest}"


@contextmanager
def study_progress(
    runs: Sequence[Run], wanted: int
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Show on stderr how far a study is: a bar on a terminal, else a line now and then."""
    pace = Pace(runs, wanted)
    if not runs:
        click.echo(f"all {wanted} runs are there already", err=True)
        yield pace.add
    elif sys.stderr.isatty():
        yield from _bar(pace)
    else:
        yield from _lines(pace)


def status_table(study: Study) -> Table:
    """Return how many runs of each solver ended how."""
    from rich import box
    from rich.table import Table

    rows = study.runs(columns=("instance", "solver", "parameters", "status", "role"))
    problem_of = {row["sha256"]: row["problem"] for row in study.instances()}
    counts: dict[tuple[str, str], collections.Counter[str]] = {}
    for row in rows:
        settings = "".join(f" {key}={value}" for key, value in sorted(row["parameters"].items()))
        mark = " (reference)" if row["role"] == "reference" else ""
        kind = (problem_of[row["instance"]], f"{row['solver']}{settings}{mark}")
        counts.setdefault(kind, collections.Counter())[row["status"]] += 1
    shown = [status for status in STATUSES if any(count[status] for count in counts.values())]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("problem", no_wrap=True)
    table.add_column("solver")
    for heading in ("runs", *shown):
        table.add_column(heading, justify="right")
    for (problem, solver), count in sorted(counts.items()):
        numbers = (str(count[status]) if count[status] else "-" for status in shown)
        table.add_row(problem, printable(solver), str(count.total()), *numbers)
    return table


def failures(study: Study) -> Iterator[str]:
    """Yield a line for each run that failed; of many, the first ones."""
    named = {row["sha256"]: row for row in study.instances()}
    columns = ("instance", "solver", "seed", "status", "error")
    failed = [row for row in study.runs(columns=columns) if row["status"] in FAILED]
    for row in failed[:_MOST_FAILURES]:
        stored = named[row["instance"]]
        seed = "" if row["seed"] is None else f" seed {row['seed']}"
        yield printable(
            f"{row['status']}: {stored['problem']} {stored['name']} ({stored['file']})"
            f" {row['solver']}{seed}: {row['error']}"
        )
    if len(failed) > _MOST_FAILURES:
        yield f"... and {len(failed) - _MOST_FAILURES} more that failed"


def _bar(pace: Pace) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True, markup=False, highlight=False)
    with Progress(BarColumn(), TextColumn("{task.description}"), console=console) as progress:
        task = progress.add_task(pace.line(), total=pace.wanted, completed=pace.done)

        def show(row: Mapping[str, Any]) -> None:
            pace.add(row)
            progress.update(task, completed=pace.done, description=pace.line())

        yield show


def _lines(pace: Pace) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    click.echo(pace.line(), err=True)
    last = time.monotonic()

    def show(row: Mapping[str, Any]) -> None:
        nonlocal last
        pace.add(row)
        if time.monotonic() > last + _LINE_EVERY_S or pace.done == pace.wanted:
            last = time.monotonic()
            click.echo(pace.line(), err=True)

    yield show


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
