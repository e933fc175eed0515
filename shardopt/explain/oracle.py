"""Asks a solver again and again, within one budget, and never takes "unknown" for an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shardopt.api import check, solve
from shardopt.models.result import AnySolution, Result
from shardopt.solvers.budget import Budget
from shardopt.solvers.registry import SolverRow

LEAST_LIMIT_S = 0.01
"""What a solver is given when time is up already."""
FIRST_LIMIT_S = 2.0
"""The first attempt at a question; a plan found by then says as much as the best one."""
PATIENCE = 4.0
"""Each further attempt may take this many times as long."""


@dataclass(frozen=True)
class Attempt:
    """A solver to ask first, and for how long."""

    row: SolverRow
    limit_s: float


class Oracle:
    """One solver, one budget.

    Parameters
    ----------
    row
        The solver that finds the best plans, and whom every open question ends with.
    first
        Solvers that are asked before it whether there is a plan at all.
    probe
        Makes an instance easier to answer for (`shardopt.explain`).

    Attributes
    ----------
    solves
        How many times a solver was called.
    used
        The solvers that were called.
    proven_by
        Who proved last that an instance has no plan.
    plan
        Of the last instance that was found to have one.
    """

    def __init__(
        self,
        row: SolverRow,
        first: Sequence[Attempt],
        budget: Budget,
        seed: int,
        threads: int,
        probe: Callable[[Any], Any],
    ) -> None:
        self.row = row
        self.budget = budget
        self.solves = 0
        self.used: dict[str, SolverRow] = {row.name: row}
        self.proven_by: str | None = None
        self.plan: AnySolution | None = None
        self._first = first
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
        """Say whether the instance has a plan, and never guess.

        ``True`` comes with a checked plan, ``False`` with a solver's proof; ``None`` means that
        it could not be told within what is left. What was answered once is not asked again. With
        ``quick`` only the first attempts are made.
        """
        probed = self._probe(instance)
        tried = probed in self._answers
        if not tried or (self._answers[probed] is None and not quick):
            self._answers[probed] = self._ask(probed, quick)
        return self._answers[probed]

    def _ask(self, probed: Any, quick: bool) -> bool | None:
        for attempt in self._first:
            if self.over():
                return None
            answer = self._answer(self.solve(probed, attempt.limit_s, row=attempt.row))
            if answer is not None:
                return answer
        limit = FIRST_LIMIT_S * PATIENCE
        while not quick and not self.over():
            result = self.solve(probed, limit)
            answer = self._answer(result)
            if answer is not None or result.termination != "time-limit":  # no use in more time
                return answer
            limit *= PATIENCE
        return None

    def _answer(self, result: Result) -> bool | None:
        if result.solution is not None:
            self.plan = result.solution
            return True
        if result.status == "infeasible":
            self.proven_by = result.solver
            return False
        return None

    def solve(
        self,
        instance: Any,
        limit: float,
        start: AnySolution | None = None,
        row: SolverRow | None = None,
    ) -> Result:
        """Solve an instance; ``start`` is used where it is a plan of this instance."""
        row = row or self.row
        if start is not None and not (row.warm_start and is_plan(instance, start)):
            start = None
        self.solves += 1
        self.used[row.name] = row
        seconds = max(LEAST_LIMIT_S, min(limit, self.left()))
        result = solve(
            instance,
            row.name,
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
