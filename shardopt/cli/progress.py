"""What is shown on stderr while a long run goes on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shardopt.models.discover import part
from shardopt.models.result import TracePoint, relative_gap
from shardopt.solvers.budget import OnProgress

if TYPE_CHECKING:
    from rich.status import Status

QUIET_S = 1.0
"""A run that is shorter shows nothing."""
_REFRESH_S = 0.25


@contextmanager
def progress(instance: Any, time_limit: float) -> Iterator[OnProgress | None]:
    """Show incumbent, bound and gap on stderr until the block ends, if it is a terminal.

    A thread of its own draws: a solver only leaves its latest point behind, so that drawing can
    neither slow it down nor fail in its place, and Ctrl-C stays the solver's.
    """
    if not sys.stderr.isatty():
        yield None
        return
    unit = part(instance.problem, "models", "data").OBJECTIVE_UNIT
    latest = [TracePoint(0.0, None, None)]
    ended = threading.Event()

    def draw() -> None:
        began = time.perf_counter()
        if ended.wait(QUIET_S):
            return
        with _status() as status:
            while not ended.wait(_REFRESH_S):
                elapsed = time.perf_counter() - began
                status.update(line(latest[0], unit, elapsed, time_limit))

    drawer = threading.Thread(target=draw, daemon=True)
    drawer.start()
    try:
        yield lambda point: latest.__setitem__(0, point)
    finally:
        ended.set()
        drawer.join()


def line(point: TracePoint, unit: str, elapsed_s: float, time_limit: float) -> str:
    """Return the state of a run as one line."""
    best, bound = (
        "none yet" if value is None else f"{value:.6g} {unit}"
        for value in (point.objective, point.bound)
    )
    gap = "?"
    if point.objective is not None and point.bound is not None:
        gap = f"{100 * relative_gap(point.objective, point.bound):.3g} %"
    return (
        f"best {best}, bound {bound}, gap {gap}"
        f"  ({elapsed_s:.0f} of {time_limit:g} s; Ctrl-C: stop)"
    )


def _status() -> Status:
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False).status("working")
