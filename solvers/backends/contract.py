"""What a backend's adapter is given and what it says in the end.

An adapter is a module with one function, ``solve(formulation, start, run) -> Verdict``. It
reports plans and bounds through ``run`` as they come, in the model's own values.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shardopt.models.result import Termination

ADAPTERS = {
    "highs": "shardopt.solvers.backends.highs",
    "cbc": "shardopt.solvers.backends.cbc",
    "cp-sat": "shardopt.solvers.backends.cpsat",
    "scip": "shardopt.solvers.backends.scip",
}
"""Module of each backend; a name that is not in the table is taken for a module's own name."""

POLL_S = 0.05


class BackendError(Exception):
    """A backend refused the model or failed; the message is one line."""


@dataclass(frozen=True)
class Run:
    """One run of a backend, as its adapter sees it.

    Attributes
    ----------
    left
        Seconds left; infinite without a limit.
    stopped
        Whether the run must end now, with whatever has been found.
    plan
        Takes each incumbent, as what the formulation's ``decode`` expects.
    bound
        Takes each proven lower bound on the model's objective.
    """

    seed: int
    threads: int
    presolve: bool
    left: Callable[[], float]
    stopped: Callable[[], bool]
    plan: Callable[[Any], None]
    bound: Callable[[float], None]


@dataclass(frozen=True)
class Verdict:
    """How a backend ended.

    ``native`` is its own word for it, ``bound`` its proven lower bound in the model's value.
    """

    native: str
    termination: Termination
    bound: float | None = None
    infeasible: bool = False


@contextmanager
def when_stopped(run: Run, stop: Callable[[], object]) -> Iterator[None]:
    """Call ``stop`` once, from a thread, as soon as the run must end."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL_S):
            if run.stopped():
                stop()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
