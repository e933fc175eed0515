"""The gap study of `block-placement`: how far heuristics are from what `exact` proves.

Every run is a line in ``build/block-placement-gaps.jsonl``, written when it ends: a study that
was killed goes on where it stopped. Lines made by other code than today's are not used.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Container, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import shardopt
from shardopt.models.result import OPTIMALITY_TOLERANCE, relative_gap

HOME = Path(__file__).resolve().parent.parent
STORE = HOME / "build" / "block-placement-gaps.jsonl"
LIMIT_S = 5.0
SOLVERS = (
    "exact",
    "cg-bp",
    "cg-bp-sweep",
    "petals",
    "petals-optimized-order",
    "petals-optimized-number",
    "petals-optimized-routing",
)

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
        return self.options | self.varied(n) | {"seed": n}


@dataclass(frozen=True)
class Task:
    """One run. The seed of the instance is also the solver's: PETALS' servers join by it."""

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
    runtime_s: float
    faults: tuple[str, ...]


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

    def gap(self, solver: str) -> float | None:
        """Return the gap to the bound of `exact`, which is the optimum where that is proven."""
        objective, bound = self.runs[solver].objective, self.runs["exact"].bound
        if objective is None or bound is None:
            return None
        gap = relative_gap(objective, bound)
        if objective < bound and gap > OPTIMALITY_TOLERANCE:
            raise ValueError(f"{solver} is below the bound: {self.runs}")
        return gap


SMALL = {"servers": 8, "blocks": 16, "sessions": 20}

# 37 and 21 have no factor in common with 110 and 55: every number of sessions comes once before
# one comes twice.
FAMILIES = (
    Family("bloom-clustered-9", {}, lambda n: {"sessions": 1 + 37 * n % 110}),
    Family("bloom-clustered-9", {}, lambda n: {"sessions": 111 + 21 * n % 55}),
    Family("bloom-abvt-9", {"sessions": 20}),
    Family("bloom-abvt-9", {"sessions": 150}),
    Family("bloom-bellcanada-26", {"sessions": 50}),
    Family("bloom-bellcanada-26", {"sessions": 150}),
    Family("bloom-bellcanada-26", {"sessions": 150, "cost": "session"}),
    Family("bloom-gtsce-26", {"sessions": 50}),
    Family("bloom-gtsce-26", {"sessions": 150}),
    Family("bloom-gtsce-60", {"sessions": 50}),
    Family("bloom-gtsce-60", {"sessions": 150}),
    Family("random-loose"),
    Family("random-loose", SMALL),
    Family("random-tight"),
    Family("random-tight", SMALL),
    Family("multi-client"),
    Family("multi-client", SMALL),
    Family("typed"),
    Family("witness", {}, lambda n: {"blocks": 2 + n % 6, "rtt_s": round(1 / (1 + n // 6), 3)}),
)


def gap_table(instances: int) -> Table:
    """Run what has not been run, and return the gaps of every solver in every family.

    So many ``instances`` of every preset, its families sharing them.
    """
    presets = [family.preset for family in FAMILIES]
    draws_of = [-(-instances // presets.count(preset)) for preset in presets]
    tasks = {
        (family, n, solver): Task(FAMILIES[family].preset, FAMILIES[family].of(n), solver)
        for family in range(len(FAMILIES))
        for n in range(draws_of[family])
        for solver in SOLVERS
    }
    runs = finished(tasks.values())
    table = Table(title_justify="left", caption_justify="left")
    for heading in ("family", "solver"):
        table.add_column(heading, no_wrap=True)
    gaps = ["to optimum:\nmedian", "\np90", "\nmax", "to bound:\nmedian", "\np90", "\nmax"]
    for heading in ("found", *gaps, "median s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("worst instance")
    for number, family in enumerate(FAMILIES):
        draws = [
            Draw(n, {s: runs[tasks[number, n, s].key] for s in SOLVERS})
            for n in range(draws_of[number])
        ]
        _add_family(table, family, draws)
    faulty = sum(bool(run.faults) for run in runs.values())
    table.caption = f"""\
Gaps of the plans found: to the optimum where `exact` proves it in {LIMIT_S:g} s on one thread,
and to its bound everywhere. found: of instances not proven infeasible. {faulty} runs had faults.
The worst has the largest gap to the optimum if any is proven, else to the bound. To make it:
shardopt generate block-placement --preset, and what the first and the last column say.
PETALS' servers join in an order drawn with the instance's seed."""
    return table


def _add_family(table: Table, family: Family, draws: list[Draw]) -> None:
    proven, none = sum(d.proven for d in draws), sum(d.infeasible for d in draws)
    heads = [family.preset, *(_option(item) for item in family.options.items())]
    heads.append(f"{proven} of {len(draws)} proven" + (f", {none} infeasible" if none else ""))
    possible = [d for d in draws if not d.infeasible]
    for solver, head in itertools.zip_longest(SOLVERS, heads, fillvalue=""):
        found = [d for d in possible if d.runs[solver].objective is not None]
        optima = [gap for d in found if d.proven and (gap := d.gap(solver)) is not None]
        bounds = [gap for d in found if (gap := d.gap(solver)) is not None]
        table.add_row(
            head,
            solver,
            f"{len(found)}/{len(possible)}",
            *_statistics(optima),
            *_statistics(bounds),
            f"{np.median([d.runs[solver].runtime_s for d in draws]):.2f}",
            _worst(family, [d for d in found if d.proven] or found, solver),
        )
    table.add_section()


def _statistics(gaps: list[float]) -> list[str]:
    if not gaps:
        return ["-", "-", "-"]
    return [f"{value:.2%}" for value in (np.median(gaps), np.quantile(gaps, 0.9), max(gaps))]


def _worst(family: Family, draws: list[Draw], solver: str) -> str:
    """Return what tells the instance with the largest gap from others of its family."""
    worst = max(draws, key=lambda d: d.gap(solver) or 0.0, default=None)
    if worst is None or (worst.gap(solver) or 0.0) <= OPTIMALITY_TOLERANCE:
        return ""
    own = family.varied(worst.number) | {"seed": worst.number}
    return " ".join(_option(item) for item in own.items())


def _option(item: tuple[str, Any]) -> str:
    """Return an option as the command line takes it."""
    name, value = item
    return f"--{name.replace('_', '-')} {value}"


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
        instance = shardopt.generate("block-placement", task.preset, **task.options)
        seed = task.options["seed"]
        r = shardopt.solve(instance, task.solver, time_limit=LIMIT_S, threads=1, seed=seed)
    except Exception as error:
        return Run(key, "crashed", None, None, LIMIT_S, (repr(error),))
    return Run(key, r.status, r.objective, r.bound, r.runtime_s, r.faults)


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
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
