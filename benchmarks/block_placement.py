"""`block-placement`: exact methods side by side, and heuristics against what they prove.

Two groups have a long form: ``BENCH_NINE=all`` takes every number of sessions from 1 to 165, and
``BENCH_GAPS=200`` draws so many instances per preset.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from block_placement_gaps import gap_table
from block_placement_online import crowds, not_reproduced, reproduction, speed
from gap_study import instance_count
from harness import LIMIT_S, Cases, run
from rich.table import Table

from shardopt import generate
from shardopt.models.result import Result
from shardopt.solvers.registry import find_solver

NINE_SESSIONS = (1, 8, 50, 100, 110, 130, 150, 160, 165)
DIRECT_ENDS_AT = 8
"""With more sessions on nine servers, the published program has no useful bound after a minute."""

FORMULATIONS = (
    "exact",
    "runs/highs",
    "runs/cbc",
    "boundary/highs",
    "boundary/cbc",
    "direct/highs",
    "direct/cp-sat",
)


@dataclass(frozen=True)
class Case:
    """One instance, what `exact` should reach on it, and who else tries."""

    instance: Any
    target: str = ""
    solvers: Sequence[str] = ("exact", "direct/highs")
    limit_s: float = LIMIT_S


@dataclass
class Peak:
    """The most memory that this process and its children held at one time."""

    bytes: int = 0


def nine_servers(fast: bool) -> Table:
    """The published testbed, from one session to as many as it holds."""
    numbers: Iterable[int] = (1, 100, 165) if fast else NINE_SESSIONS
    if os.environ.get("BENCH_NINE") == "all":
        numbers = range(1, 166)
    cases = []
    for sessions in numbers:
        instance = generate("block-placement", "bloom-clustered-9", sessions=sessions)
        solvers = ("exact", "cg-bp", "direct/highs")[: 3 if sessions <= DIRECT_ENDS_AT else 2]
        cases.append(Case(instance, "5 s" if sessions <= 100 else "60 s", solvers))
    return compare(cases)


def networks(fast: bool) -> Table:
    """Servers and clients drawn on networks like the published ones."""
    cases = []
    for preset in ("bloom-bellcanada-26", "bloom-gtsce-26", "bloom-gtsce-60"):
        for sessions in (50,) if fast else (50, 150):
            for clients in (1,) if fast else (1, 2, 4):
                options = {"sessions": sessions, "clients": clients}
                instance = generate("block-placement", preset, **options)
                cases.append(Case(instance, "60 s"))
    return compare(cases)


def large(fast: bool) -> Table:
    """200 servers and 10 clients: `exact` within two minutes and 8 GiB."""
    size = {"servers": 200, "clients": 10, "sessions": 200}
    with tempfile.TemporaryDirectory() as folder:
        net = Path(folder) / "wide-220.json"
        net.write_text(json.dumps(wide_network()), encoding="utf-8")
        bloom = generate("block-placement", "bloom-gtsce-60", topology=str(net), **size)
    instances = [bloom] + [
        generate("block-placement", preset, blocks=70, **size)
        for preset in ("random-loose", "multi-client", "random-tight")
    ]
    return compare(
        Case(instance, "1%, 8 GiB", ("exact",), 120.0) for instance in instances[: 1 if fast else 4]
    )


def wide_network() -> dict[str, Any]:
    """Return a network with room for more servers than the published ones: a ring and chords."""
    nodes, rng = 220, np.random.default_rng(0)
    ends = [(a, (a + step) % nodes) for step in (1, 17) for a in range(nodes)]
    delays = rng.uniform(5e-6, 1e-3, len(ends)).round(6)
    links = [[a, b, float(delay)] for (a, b), delay in zip(ends, delays, strict=True)]
    return {"nodes": nodes, "links": links, "name": "wide-220"}


def formulations(fast: bool) -> Table:
    """Every formulation on an instance with loose, one with scarce, and one with tight memory."""
    instances = [
        generate("block-placement", "bloom-clustered-9", sessions=8),
        generate("block-placement", "bloom-bellcanada-26", sessions=150),
        generate("block-placement", "random-tight", servers=12, blocks=32, clients=3),
    ]
    return compare(Case(instance, "", FORMULATIONS) for instance in instances[: 1 if fast else 3])


def gaps(fast: bool) -> Table:
    """Heuristics and baselines against `exact` on many draws of every preset."""
    return gap_table(instance_count(fast))


def compare(cases: Iterable[Case]) -> Table:
    """Solve each case with each of its solvers; a row for every run, sums in the caption.

    A heuristic's gap is the one to the bound of the case's first solver.
    """
    table = Table(title_justify="left", caption_justify="left")
    for heading in ("instance", "target", "solver", "status"):
        table.add_column(heading, no_wrap=True)
    for heading in ("time s", "objective ms", "bound ms", "gap", "memory GiB"):
        table.add_column(heading, justify="right")
    done: dict[str, list[Result]] = {}
    for case in cases:
        bound: float | None = None
        for n, solver in enumerate(case.solvers):
            with watched_memory() as peak:
                result = run([case.instance], solver, time_limit=case.limit_s)[0]
            if n == 0:
                bound = result.bound
            elif not find_solver(case.instance.problem, solver).proves_bounds:
                result = replace(result, bound=bound)
            done.setdefault(solver, []).append(result)
            table.add_row(
                "" if n else case.instance.name,
                case.target if solver == "exact" else "",
                solver,
                f"{result.status}, {result.termination}",
                f"{result.runtime_s:.2f}",
                _milliseconds(result.objective),
                _milliseconds(result.bound),
                "-" if result.gap is None else f"{result.gap:.2%}",
                f"{peak.bytes / 2**30:.2f}",
            )
        table.add_section()
    table.caption = "\n".join(f"{solver}: {_sums(results)}" for solver, results in done.items())
    return table


@contextlib.contextmanager
def watched_memory() -> Iterator[Peak]:
    """Watch the memory of this process and of all that it starts."""
    peak, done, me = Peak(), threading.Event(), psutil.Process()

    def watch() -> None:
        while not done.wait(0.1):
            total = 0
            for process in (me, *me.children(recursive=True)):
                with contextlib.suppress(psutil.Error):  # it may end between the two calls
                    total += process.memory_info().rss
            peak.bytes = max(peak.bytes, total)

    peak.bytes = me.memory_info().rss
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.4f}"


def _sums(results: list[Result]) -> str:
    solved = sum(r.status in ("optimal", "infeasible") for r in results)
    times = [r.runtime_s for r in results]
    gaps = [r.gap for r in results if r.gap is not None]
    worst = f", worst gap {max(gaps):.2%}" if gaps else ""
    median = statistics.median(times)
    return (
        f"{solved} of {len(results)} proven, median {median:.2f} s, max {max(times):.2f} s{worst}"
    )


CASES: Cases = {
    "nine": nine_servers,
    "networks": networks,
    "large": large,
    "formulations": formulations,
    "gaps": gaps,
    "published-online": reproduction,
    "published-online-9": not_reproduced,
    "clairvoyant": crowds,
    "online-speed": speed,
}
