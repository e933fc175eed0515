"""The gap study of `partition-schedule`: what two stages cost, and what deciding online costs.

Every run is a line in ``build/partition-schedule-gaps.jsonl``, written when it ends: a study that
was killed goes on where it stopped. Lines made by other code than today's are not used.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable, Container, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import shardopt
from shardopt.models.result import OPTIMALITY_TOLERANCE, relative_gap
from shardopt.solvers.registry import solver_rows

PROBLEM = "partition-schedule"
HOME = Path(__file__).resolve().parent.parent
STORE = HOME / "build" / "partition-schedule-gaps.jsonl"
LIMIT_S = 10.0
TWO_STAGES = "bsdp+arts"
BASELINES = (TWO_STAGES, "arts", "gpipe", "gpipe@bsdp", "heft", "heft@bsdp")
EXACT = ("exact", "exact@bsdp")
FIXED_CUTS = ("exact@bsdp", "exact@equal", "fixed-cuts/cp-sat")

Options = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """Instances of one preset: the options of the n-th, beside its seed n."""

    label: str
    preset: str
    options: Callable[[int], Options]


@dataclass(frozen=True)
class Task:
    """One run."""

    preset: str
    options: Options
    solver: str

    @property
    def key(self) -> str:
        """What a stored run must agree in to stand for this one."""
        return json.dumps([*vars(self).values(), LIMIT_S, code_hash()], sort_keys=True)


@dataclass(frozen=True)
class Run:
    """What a finished task leaves behind."""

    key: str
    status: str
    objective: float | None
    bound: float | None
    fixed_cuts_bound: float | None
    runtime_s: float
    faults: tuple[str, ...]

    @property
    def proven_for_its_cuts(self) -> bool:
        """Whether no schedule under the same cuts is better."""
        if self.objective is None or self.fixed_cuts_bound is None:
            return False
        return relative_gap(self.objective, self.fixed_cuts_bound) <= OPTIMALITY_TOLERANCE


@dataclass(frozen=True)
class Draw:
    """One instance and the runs on it, by solver."""

    options: Options
    runs: dict[str, Run]

    @property
    def proven(self) -> bool:
        """Whether its optimum is known."""
        return self.runs["exact"].status == "optimal"

    def above(self, solver: str) -> float | None:
        """Return how far a plan is above the bound of `exact`, relative to that bound."""
        return _excess(self.runs[solver].objective, self.runs["exact"].bound)

    def price_of_two_stages(self) -> float | None:
        """Return what BSDP's cuts cost, whatever is done with them, where both are proven."""
        if not self.proven or not self.runs["exact@bsdp"].proven_for_its_cuts:
            return None
        return _excess(self.runs["exact@bsdp"].objective, self.runs["exact"].objective)

    def price_of_online(self, solver: str = TWO_STAGES) -> float | None:
        """Return what ARTS costs on BSDP's cuts, where the optimum at these cuts is proven."""
        if not self.runs["exact@bsdp"].proven_for_its_cuts:
            return None
        return _excess(self.runs[solver].objective, self.runs["exact@bsdp"].objective)


def _excess(value: float | None, reference: float | None) -> float | None:
    """Return ``value / reference - 1``; a value below a proven reference is an error."""
    if value is None or reference is None:
        return None
    excess = value / reference - 1
    if excess < -OPTIMALITY_TOLERANCE:
        raise ValueError(f"{value} is below {reference}, which is proven")
    return max(excess, 0.0)


LOADS = (0.25, 0.5, 1.0, 2.0, 3.0)


def _loads(**options: Any) -> Callable[[int], Options]:
    return lambda n: options | {"load": LOADS[n % len(LOADS)]}


def _same(**options: Any) -> Callable[[int], Options]:
    return lambda n: options


FAMILIES = (
    Family("llama3-8b, R=6", "hyperion-llama3-8b", _loads(requests=6)),
    Family("llama3-8b, R=6, makespan", "hyperion-llama3-8b", _loads(objective="makespan")),
    Family("llama3-8b, R=12, load 0.25", "hyperion-llama3-8b", _same(requests=12, load=0.25)),
    Family("phi3-medium, R=6", "hyperion-phi3-medium", _loads(requests=6)),
    Family("phi3-medium, R=6, makespan", "hyperion-phi3-medium", _loads(objective="makespan")),
    Family("phi3-medium, R=12, load 0.25", "hyperion-phi3-medium", _same(requests=12, load=0.25)),
    Family("stress, R=5", "stress", _same(requests=5)),
    Family("stress, R=5, makespan", "stress", _same(requests=5, objective="makespan")),
    Family("random", "random", _same(requests=6)),
    Family("random, makespan", "random", _same(requests=6, objective="makespan")),
)


def ours() -> tuple[str, ...]:
    """Return the heuristics that are neither published nor baselines, in the registry's order."""
    others = {*BASELINES, *FIXED_CUTS}
    rows = [row for row in solver_rows(PROBLEM) if row.kind in ("heuristic", "online")]
    return tuple(row.name for row in rows if row.name not in others)


def gap_table(instances: int) -> Table:
    """Return how far every heuristic is above the optimum, or above the bound, per family."""
    table = Table(title_justify="left", caption_justify="left")
    for heading in ("family", "solver"):
        table.add_column(heading, no_wrap=True)
    above = ["optimum:\nmedian", "\np90", "\nmax", "bound:\nmedian", "\np90", "\nmax"]
    for heading in ("found", *above, "median s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("options of the worst")
    for family, draws in study(instances):
        possible = [d for d in draws if d.runs["exact"].status != "infeasible"]
        heads = iter([family.label, f"{sum(d.proven for d in draws)} of {len(draws)} proven"])
        for solver in (*BASELINES, *ours()):
            found = [d for d in possible if d.runs[solver].objective is not None]
            seconds = [d.runs[solver].runtime_s for d in draws]
            table.add_row(
                next(heads, ""),
                solver,
                f"{len(found)}/{len(possible)}",
                *_statistics([d.above(solver) for d in found if d.proven]),
                *_statistics([d.above(solver) for d in found]),
                f"{np.median(seconds):.3f}",
                _worst([d for d in found if d.proven] or found, solver),
            )
        table.add_section()
    table.caption = f"""\
value / optimum - 1 where `exact` proves the optimum in {LIMIT_S:g} s on one thread, and
value / bound - 1 with its bound everywhere. found: of the instances not proven infeasible.
To make the worst: shardopt generate partition-schedule --preset PRESET OPTIONS"""
    return table


def price_table(instances: int) -> Table:
    """Return the gap of the published two stages as a product of its two prices, per family."""
    table = Table(title_justify="left", caption_justify="left")
    table.add_column("family", no_wrap=True)
    parts = ("two stages", "being online", "both")
    headings = [f"{part}:\nmedian" if n == 0 else ("\np90", "\nmax")[n - 1]
                for part in parts for n in range(3)]  # fmt: skip
    for heading in ("proven", *headings):
        table.add_column(heading, justify="right", no_wrap=True)
    for family, draws in study(instances):
        both = [d for d in draws if d.price_of_two_stages() is not None]
        table.add_row(
            family.label,
            f"{len(both)}/{len(draws)}",
            *_statistics([d.price_of_two_stages() for d in both]),
            *_statistics([d.price_of_online() for d in both]),
            *_statistics([d.above(TWO_STAGES) for d in both]),
        )
    table.caption = """\
two stages: exact@bsdp / optimum - 1; being online: bsdp+arts / exact@bsdp - 1; where both
are proven. Instance by instance, 1 + both = (1 + two stages) (1 + being online)."""
    return table


def study(instances: int) -> list[tuple[Family, list[Draw]]]:
    """Run what has not been run, and return the draws of every family."""
    solvers = (*EXACT, *BASELINES, *ours())
    wanted = {
        family: [family.options(n) | {"seed": n} for n in range(instances)] for family in FAMILIES
    }
    tasks = [
        Task(family.preset, options, solver)
        for family, drawn in wanted.items()
        for options in drawn
        for solver in solvers
    ]
    runs = finished(tasks)
    return [
        (
            family,
            [
                Draw(options, {s: runs[Task(family.preset, options, s).key] for s in solvers})
                for options in drawn
            ],
        )
        for family, drawn in wanted.items()
    ]


def _statistics(values: Iterable[float | None]) -> list[str]:
    numbers = [value for value in values if value is not None]
    if not numbers:
        return ["-", "-", "-"]
    return [f"{v:.1%}" for v in (np.median(numbers), np.quantile(numbers, 0.9), max(numbers))]


def _worst(draws: list[Draw], solver: str) -> str:
    """Return the options of the instance with the largest gap, as the command line takes them."""
    worst = max(draws, key=lambda d: d.above(solver) or 0.0, default=None)
    if worst is None or not worst.above(solver):
        return ""
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in worst.options.items())


def finished(tasks: Iterable[Task]) -> dict[str, Run]:
    """Return the runs of all tasks by key; those not in the store are run, one on each core."""
    keys = {task.key: task for task in tasks}
    done = _stored(keys)
    STORE.parent.mkdir(exist_ok=True)
    console = Console(stderr=True)
    pool = ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))
    with STORE.open("a", encoding="utf-8") as store:
        try:
            open_ = [pool.submit(perform, key, keys[key]) for key in keys if key not in done]
            for future in track(as_completed(open_), "runs", total=len(open_), console=console):
                run = future.result()
                done[run.key] = run
                # The newline comes first: it ends the half line of a study that was killed.
                store.write("\n" + json.dumps(asdict(run)))
                store.flush()
                for fault in run.faults:
                    console.print(f"FAULT {run.key}: {fault}")
        finally:
            pool.shutdown(cancel_futures=True)
    return done


def perform(key: str, task: Task) -> Run:
    """Make the instance and solve it on one thread; a crash is a run without a plan."""
    try:
        instance = shardopt.generate(PROBLEM, task.preset, **task.options)
        r = shardopt.solve(instance, task.solver, time_limit=LIMIT_S, threads=1)
    except Exception as error:
        return Run(key, "crashed", None, None, None, LIMIT_S, (repr(error),))
    under_cuts = r.extra.get("fixed_cuts_bound")
    return Run(key, r.status, r.objective, r.bound, under_cuts, r.runtime_s, r.faults)


def _stored(keys: Container[str]) -> dict[str, Run]:
    """Return the runs in the store that are asked for."""
    lines = STORE.read_text(encoding="utf-8").splitlines() if STORE.exists() else []
    runs = []
    for line in lines:
        with contextlib.suppress(ValueError):  # an empty or half line
            runs.append(Run(**json.loads(line)))
    return {run.key: run for run in runs if run.key in keys}


@functools.cache
def code_hash() -> str:
    """Return a digest of everything that instances and answers come from."""
    digest = hashlib.sha256()
    for folder in ("models", "solvers", "instances"):
        for file in sorted((HOME / folder).rglob("*.py")):
            if not {"cold_start", "block_placement"} & set(file.parts):
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
