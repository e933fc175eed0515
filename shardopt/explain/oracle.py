"""Asks a solver again and again, within one budget, and never takes "unknown" for an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from shardopt.api import check, solve
from shardopt.models.result import AnySolution, Result
from shardopt.solvers.budget import Budget
from shardopt.solvers.registry import SolverRow

FIRST_LIMIT_S = 2.0
"""The first attempt at an instance; a plan found by then says as much as the best one."""
LEAST_LIMIT_S = 0.01
"""What a solver is given when time is up already."""
PATIENCE = 4.0
"""Each further attempt may take this many times as long."""


class Oracle:
    """One solver, one budget.

    ``feasible`` answers ``True`` with a checked plan, ``False`` with the solver's proof, and
    ``None`` if it could not tell within what is left.
    """

    def __init__(
        self,
        row: SolverRow,
        budget: Budget,
        seed: int,
        threads: int,
        probe: Callable[[Any], Any],
    ) -> None:
        self.row = row
        self.budget = budget
        self.solves = 0
        self.plan: AnySolution | None = None
        """Of the last instance that was found to have one."""
        self._seed = seed
        self._threads = threads
        self._probe = probe
        self._deadline = float("inf")
        self._answers: dict[Any, bool | None] = {}

    def left(self) -> float:
        """Return the seconds left for what is being done."""
        return min(self.budget.left(), max(0.0, self._deadline - self.budget.elapsed()))

    def over(self) -> bool:
        """Return whether no more can be asked."""
        return self.budget.interrupted or self.left() <= 0.0

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let what follows take so many seconds at most."""
        before = self._deadline
        self._deadline = min(before, self.budget.elapsed() + seconds)
        try:
            yield
        finally:
            self._deadline = before

    def feasible(self, instance: Any, *, quick: bool = False) -> bool | None:
        """Say whether the instance has a plan. What was answered once is not asked again.

        With ``quick`` there is one short attempt only.
        """
        probed = self._probe(instance)
        tried = probed in self._answers
        if not tried or (self._answers[probed] is None and not quick):
            self._answers[probed] = self._ask(probed, quick)
        return self._answers[probed]

    def _ask(self, probed: Any, quick: bool) -> bool | None:
        limit = FIRST_LIMIT_S
        while not self.over():
            result = self.solve(probed, limit)
            if result.solution is not None:
                self.plan = result.solution
                return True
            if result.status == "infeasible":
                return False
            if quick or result.termination != "time-limit":  # more time is not wanted, or no help
                return None
            limit *= PATIENCE
        return None

    def solve(self, instance: Any, limit: float, start: AnySolution | None = None) -> Result:
        """Solve an instance; ``start`` is used where it is a plan of this instance."""
        if start is not None and not (self.row.warm_start and is_plan(instance, start)):
            start = None
        self.solves += 1
        seconds = max(LEAST_LIMIT_S, min(limit, self.left()))
        result = solve(
            instance,
            self.row.name,
            time_limit=seconds if math.isfinite(seconds) else None,
            seed=self._seed,
            threads=self._threads,
            start=start,
        )
        self.budget.interrupted |= result.termination == "interrupted"
        return result


def is_plan(instance: Any, solution: AnySolution) -> bool:
    """Whether the checker finds nothing wrong with a plan that was made for another instance."""
    return check(instance, solution).feasible
