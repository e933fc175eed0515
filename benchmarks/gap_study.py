"""What the gap studies of all problems share: families of instances, and runs that are kept.

Every run is a line in ``build/PROBLEM-gaps.jsonl``, written when it ends: a study that was killed
goes on where it stopped. Lines made by other code than today's are not used.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Callable, Container, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import shardopt
from shardopt.models.result import OPTIMALITY_TOLERANCE
from shardopt.study.version import code_digest

HOME = Path(__file__).resolve().parent.parent
LIMIT_S = 5.0

Options = dict[str, Any]


def _nothing(n: int) -> Options:
    return {}


@dataclass(frozen=True)
class Family:
    """Instances of one preset: options that all share, and what the n-th has beside its seed."""

    preset: str
    options: Options = field(default_factory=dict)
    varied: Callable[[int], Options] = _nothing

    def of(self, n: int) -> Options:
        """Return all options of the n-th instance."""
        return self.options | self.own(n)

    def own(self, n: int) -> Options:
        """Return what tells the n-th instance from others of its family."""
        return self.varied(n) | {"seed": n}

    @property
    def heads(self) -> list[str]:
        """The preset and the options that all share, as the command line takes them."""
        return [self.preset, *(_option(item) for item in self.options.items())]


@dataclass(frozen=True)
class Study:
    """Some solvers on some families.

    Attributes
    ----------
    kept
        Names of the numbers of ``extra`` that a run keeps.
    settings
        Options of some of the solvers. What follows a blank in a solver's name tells settings of
        one solver apart.
    """

    problem: str
    solvers: tuple[str, ...]
    families: tuple[Family, ...]
    kept: tuple[str, ...] = ()
    settings: dict[str, Options] = field(default_factory=dict)
    limit_s: float = LIMIT_S


@dataclass(frozen=True)
class Task:
    """One run. The seed of the instance is also the solver's."""

    problem: str
    preset: str
    options: Options
    solver: str
    kept: tuple[str, ...]
    settings: Options = field(default_factory=dict)
    limit_s: float = LIMIT_S

    @property
    def key(self) -> str:
        """What a stored run must agree in to stand for this one."""
        code = code_digest(self.problem)
        what = [self.preset, self.options, self.solver, self.settings, self.limit_s, code]
        return json.dumps(what, sort_keys=True)


@dataclass(frozen=True)
class Run:
    """What a finished task leaves behind."""

    key: str
    status: str
    objective: float | None
    bound: float | None
    runtime_s: float
    faults: tuple[str, ...]
    extra: dict[str, float | None] = field(default_factory=dict)

    def line(self) -> str:
        """Return the run as a line of the store."""
        row = {name: value for name, value in vars(self).items() if name != "extra"}
        return json.dumps(row | self.extra)


@dataclass(frozen=True)
class Draw:
    """The n-th instance of a family and the runs on it, by solver."""

    number: int
    runs: dict[str, Run]

    @property
    def proven(self) -> bool:
        """Whether its optimum is known."""
        return self.runs["exact"].status == "optimal"

    @property
    def infeasible(self) -> bool:
        """Whether it is proven that there is no plan."""
        return self.runs["exact"].status == "infeasible"


Measure = Callable[[Draw, str], float | None]
"""How far a solver's plan is from the bound of `exact`, the optimum where that is proven."""


def instance_count(fast: bool) -> int:
    """Return how many instances each preset has: ``BENCH_GAPS``, or ten."""
    return 2 if fast else int(os.environ.get("BENCH_GAPS", "10"))


def finished(study: Study, instances: int) -> list[tuple[Family, list[Draw]]]:
    """Run what has not been run, and return the draws of every family.

    So many ``instances`` of every preset: its families share them.
    """
    presets = [family.preset for family in study.families]
    counts = [-(-instances // presets.count(preset)) for preset in presets]
    tasks = {
        (f, n, solver): Task(
            study.problem,
            family.preset,
            family.of(n),
            solver,
            study.kept,
            study.settings.get(solver, {}),
            study.limit_s,
        )
        for f, family in enumerate(study.families)
        for n in range(counts[f])
        for solver in study.solvers
    }
    runs = _all_runs(study.problem, tasks.values())
    return [
        (
            family,
            [
                Draw(n, {solver: runs[tasks[f, n, solver].key] for solver in study.solvers})
                for n in range(counts[f])
            ],
        )
        for f, family in enumerate(study.families)
    ]


def faulty(draws_of: Iterable[tuple[Family, list[Draw]]]) -> int:
    """Return how many runs crashed, or contradicted themselves."""
    runs = [run for _, draws in draws_of for draw in draws for run in draw.runs.values()]
    return len({run.key for run in runs if run.faults})


def excess(value: float | None, reference: float | None) -> float | None:
    """Return ``value / reference - 1``; a value below a proven reference is an error."""
    if value is None or reference is None:
        return None
    excess = value / reference - 1
    if excess < -OPTIMALITY_TOLERANCE:
        raise ValueError(f"{value} is below {reference}, which is proven")
    return max(0.0, excess)


def median_p90_max(values: Iterable[float | None]) -> list[str]:
    """Return the three figures of the values that there are, as percentages."""
    numbers = [value for value in values if value is not None]
    if not numbers:
        return ["-", "-", "-"]
    return [f"{v:.2%}" for v in (np.median(numbers), np.quantile(numbers, 0.9), max(numbers))]


def gap_table(
    draws_of: Iterable[tuple[Family, list[Draw]]],
    solvers: Iterable[str],
    measure: Measure,
    measured: str,
) -> Table:
    """Return how far the solvers' plans are from optimum and bound, family by family.

    ``measured`` stands before these two words in the headings.
    """
    table = Table(title_justify="left", caption_justify="left")
    for heading in ("family", "solver"):
        table.add_column(heading, no_wrap=True)
    figures = [
        heading
        for reference in ("optimum", "bound")
        for heading in (f"{measured}\n{reference}:\nmedian", "\n\np90", "\n\nmax")
    ]
    for heading in ("found", *figures, "median s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("worst instance")
    for family, draws in draws_of:
        _add_family(table, family, draws, solvers, measure)
    return table


def _add_family(
    table: Table, family: Family, draws: list[Draw], solvers: Iterable[str], measure: Measure
) -> None:
    proven, none = sum(d.proven for d in draws), sum(d.infeasible for d in draws)
    infeasible = f", {none} infeasible" if none else ""
    heads = [*family.heads, f"{proven} of {len(draws)} proven{infeasible}"]
    possible = [d for d in draws if not d.infeasible]
    for solver, head in itertools.zip_longest(solvers, heads, fillvalue=""):
        if not solver:  # more options than solvers
            table.add_row(head)
            continue
        found = [d for d in possible if d.runs[solver].objective is not None]
        optima = [d for d in found if d.proven]
        table.add_row(
            head,
            solver,
            f"{len(found)}/{len(possible)}",
            *median_p90_max(measure(d, solver) for d in optima),
            *median_p90_max(measure(d, solver) for d in found),
            f"{np.median([d.runs[solver].runtime_s for d in draws]):.3f}",
            _worst(family, optima or found, solver, measure),
        )
    table.add_section()


def _worst(family: Family, draws: list[Draw], solver: str, measure: Measure) -> str:
    """Return what tells the instance with the largest value from others of its family."""
    worst = max(draws, key=lambda d: measure(d, solver) or 0.0, default=None)
    if worst is None or (measure(worst, solver) or 0.0) <= OPTIMALITY_TOLERANCE:
        return ""
    return " ".join(_option(item) for item in family.own(worst.number).items())


def _option(item: tuple[str, Any]) -> str:
    """Return an option as the command line takes it."""
    name, value = item
    return f"--{name.replace('_', '-')} {value}"


def _all_runs(problem: str, tasks: Iterable[Task]) -> dict[str, Run]:
    """Return the runs of all tasks by key; those not in the store are run, one on each core."""
    store = HOME / "build" / f"{problem}-gaps.jsonl"
    keys = {task.key: task for task in tasks}
    done = _stored(store, keys)
    store.parent.mkdir(exist_ok=True)
    console = Console(stderr=True)
    pool = ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))
    with store.open("a", encoding="utf-8") as lines:
        try:
            open_ = [pool.submit(perform, key, keys[key]) for key in keys if key not in done]
            for future in track(as_completed(open_), "runs", total=len(open_), console=console):
                run = future.result()
                done[run.key] = run
                # The newline comes first: it ends the half line of a study that was killed.
                lines.write("\n" + run.line())
                lines.flush()
                for fault in run.faults:
                    console.print(f"FAULT {run.key}: {fault}")
        finally:
            pool.shutdown(cancel_futures=True)
    return done


def perform(key: str, task: Task) -> Run:
    """Make the instance and solve it on one thread; a crash is a run without a plan."""
    try:
        instance = shardopt.generate(task.problem, task.preset, **task.options)
        limits = {"time_limit": task.limit_s, "threads": 1, "seed": task.options["seed"]}
        r = shardopt.solve(instance, task.solver.split()[0], **limits, **task.settings)
    except Exception as error:
        nothing = dict.fromkeys(task.kept)
        return Run(key, "crashed", None, None, task.limit_s, (repr(error),), nothing)
    extra = {name: r.extra.get(name) for name in task.kept}
    return Run(key, r.status, r.objective, r.bound, r.runtime_s, r.faults, extra)


def _stored(store: Path, keys: Container[str]) -> dict[str, Run]:
    """Return the runs in the store that are asked for."""
    lines = store.read_text(encoding="utf-8").splitlines() if store.exists() else []
    runs = {}
    for line in lines:
        with contextlib.suppress(ValueError):  # an empty or half line
            row = json.loads(line)
            if row["key"] in keys:
                run = _run(row)
                runs[run.key] = run
    return runs


def _run(row: dict[str, Any]) -> Run:
    common = [row.pop(name) for name in ("key", "status", "objective", "bound", "runtime_s")]
    return Run(*common, tuple(row.pop("faults")), extra=row)
