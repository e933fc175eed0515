"""What a person sets for a run of an exact method, and what is left of it later in the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, OnProgress, on_clock


@dataclass(frozen=True)
class Settings:
    """The arguments that all exact methods share.

    Attributes
    ----------
    time_limit
        Seconds for everything: a process's start, building and solving.
    memory_limit_bytes
        For the backend's process and its children; by default 80% of the memory that is available.
    """

    time_limit: float | None = 60.0
    seed: int = 0
    threads: int = 2
    on_progress: OnProgress | None = None
    memory_limit_bytes: float | None = None
    presolve: bool = True

    def later(self, by_s: float) -> Settings:
        """Return the settings for what comes after so many seconds, heard on the whole's clock."""
        left = None if self.time_limit is None else max(0.0, self.time_limit - by_s)
        return replace(self, time_limit=left, on_progress=on_clock(self.on_progress, by_s))

    def without_bounds(self) -> Settings:
        """Return the settings for a part of the problem, whose bounds nobody shall hear."""
        listener = self.on_progress
        if listener is None:
            return self
        return replace(self, on_progress=lambda point: listener(replace(point, bound=None)))


def in_time_left(budget: Budget, settings: Settings, solve: Callable[[Settings], Result]) -> Result:
    """Solve in the time that is left, on the clock and with the trace of the whole run."""
    before_s = budget.elapsed()
    result = solve(settings.later(before_s)).later(before_s)
    return replace(result, trace=(*budget.trace, *result.trace))
