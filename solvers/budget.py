"""Time, interrupts and progress of one run: every solver polls the same small object."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from shardopt.models.result import Termination, TracePoint

T = TypeVar("T")
OnProgress = Callable[[TracePoint], None]

_POLL_S = 0.05


class Budget:
    """The clock of one run, its stop flag, and its trace.

    Parameters
    ----------
    time_limit
        Seconds of wall-clock time, or ``None`` for no limit.
    on_progress
        Called with a `TracePoint` at each improvement of objective or bound.

    Attributes
    ----------
    stop
        ``uint8[1]``; compiled kernels return early when it becomes non-zero.
    """

    def __init__(
        self, time_limit: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        self.started = time.perf_counter()
        self.time_limit = time_limit
        self.stop = np.zeros(1, dtype=np.uint8)
        self.interrupted = False
        self.trace: list[TracePoint] = []
        self._on_progress = on_progress

    def elapsed(self) -> float:
        """Return the seconds since the run began."""
        return time.perf_counter() - self.started

    def left(self) -> float:
        """Return the seconds left, at least 0; infinite without a limit."""
        if self.time_limit is None:
            return float("inf")
        return max(0.0, self.time_limit - self.elapsed())

    def excuse(self, seconds: float) -> None:
        """Leave out time that belongs to no solve: compilation in the midst of a run."""
        self.started += seconds

    def exhausted(self) -> bool:
        """Return whether the run must end now: out of time, or interrupted."""
        return self.interrupted or self.left() <= 0.0

    def reason(self, otherwise: Termination = "completed") -> Termination:
        """Return why the run ended, ``otherwise`` if neither time nor a person ended it."""
        if self.interrupted:
            return "interrupted"
        return "time-limit" if self.left() <= 0.0 else otherwise

    def report(self, objective: float | None, bound: float | None) -> None:
        """Record an improvement; values that did not change are not recorded twice."""
        point = TracePoint(self.elapsed(), objective, bound)
        if self.trace:
            last = self.trace[-1]
            if (last.objective, last.bound) == (objective, bound):
                return
        self.trace.append(point)
        if self._on_progress is not None:
            self._on_progress(point)

    def call(self, kernel: Callable[..., T], *args: Any, seconds: float | None = None) -> T:
        """Run a compiled kernel that releases the GIL and polls ``stop``, which it must be given.

        Parameters
        ----------
        seconds
            Stop the kernel after this time even if the run's limit is further away.

        The kernel runs in a thread, so that the limit and Ctrl-C can end it. Afterwards the
        stop flag is lowered again; ask `exhausted` whether the run must end.
        """
        result: list[T] = []
        failure: list[BaseException] = []

        def target() -> None:
            try:
                result.append(kernel(*args))
            except BaseException as error:  # handed on to the caller's thread
                failure.append(error)

        deadline = time.perf_counter() + (float("inf") if seconds is None else seconds)
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        while thread.is_alive():
            if self.exhausted() or time.perf_counter() >= deadline:
                self.stop[0] = 1
            thread.join(_POLL_S if not self.stop[0] else 0.01)
        self.stop[0] = 0
        if failure:
            raise failure[0]
        return result[0]


@contextmanager
def interruptible(budget: Budget) -> Iterator[None]:
    """Turn the first Ctrl-C into a polite stop of ``budget``; a second one raises as usual.

    Outside the main thread, where Python delivers no signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)
    if previous is None:  # installed by something other than Python: leave it alone
        yield
        return

    def handler(signum: int, frame: object) -> None:
        if budget.interrupted and callable(previous):
            previous(signum, frame)  # type: ignore[arg-type]
        budget.interrupted = True

    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def on_clock(on_progress: OnProgress | None, before_s: float) -> OnProgress | None:
    """Return a listener for a run that others went before, for so many seconds."""
    if on_progress is None:
        return None
    return lambda point: on_progress(point.later(before_s))
