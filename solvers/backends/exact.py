"""Solve with an exact backend, and believe it only as far as the checker does."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

from shardopt.models.discover import part
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result, relative_gap
from shardopt.solvers.backends.messages import (
    Bound,
    Built,
    Ended,
    Fault,
    Incumbent,
    Job,
    Message,
    Task,
)
from shardopt.solvers.backends.process import answer_in_own_process
from shardopt.solvers.backends.worker import answer
from shardopt.solvers.budget import Budget, interruptible
from shardopt.solvers.finish import finish
from shardopt.solvers.settings import Settings

__all__ = ["Job", "solve_exact"]


def solve_exact(
    job: Job,
    solver: str,
    settings: Settings,
    *,
    known: Sequence[Any] = (),
    bound: float | None = None,
    isolated: bool = True,
    repair: Callable[[Any], Any] | None = None,
) -> Result:
    """Build a model and solve it with an exact backend, in a process of its own.

    A plan that is better than the backend's bound, or that exists where the backend claims
    there is none, discards what the backend proved and solves again without presolve.

    Parameters
    ----------
    known
        Plans that are already known, or ``None``. The best one is the backend's warm start, and
        the answer is never worse.
    bound
        A proven bound that is already known, in the problem's unit.
    isolated
        Without it everything runs in this process, unwatched: for tests on tiny instances.
    repair
        For models whose plans the checker may refuse although their bounds hold: turns such a
        plan into one that may pass, or into ``None``, and then it is dropped without a fault.
    """
    budget = Budget(settings.time_limit, settings.on_progress)
    with interruptible(budget):
        record = _Record(job, budget, known, bound, repair)

        def attempt(presolve: bool, stop_when_refuted: bool) -> None:
            seconds = None if budget.time_limit is None else budget.left()
            task = Task(job, seconds, settings.seed, settings.threads, presolve, record.best)

            def stopped() -> bool:
                return budget.interrupted or (stop_when_refuted and record.refuted())

            if isolated:
                said = answer_in_own_process(task, budget, stopped, settings.memory_limit_bytes)
                with contextlib.closing(said):  # the process goes whatever happens here
                    for message in said:
                        record.hear(message)
            else:
                answer(task, stopped, record.hear)

        attempt(settings.presolve, stop_when_refuted=settings.presolve)
        if record.refuted() and settings.presolve and not budget.exhausted():
            record.forget_claims("solving again without presolve")
            attempt(False, stop_when_refuted=False)
    if record.refuted():
        record.forget_claims("nothing it proved is kept")
    ended = record.ended
    # Stopped because it was refuted, with no time left for another attempt: time ended the run.
    by_us = ended.termination == "interrupted" and not budget.interrupted
    return finish(
        job.instance,
        solver,
        budget,
        [record.best],
        bound=record.proven(),
        infeasible=ended.infeasible,
        termination="time-limit" if by_us else ended.termination,
        build_s=record.build_s,
        faults=record.faults,
        extra={"model": record.size, "backend_status": ended.native},
    )


class _Record:
    """What is known of a run: the best plan that the checker accepts, and the backend's claims."""

    def __init__(
        self,
        job: Job,
        budget: Budget,
        plans: Sequence[Any],
        known_bound: float | None,
        repair: Callable[[Any], Any] | None,
    ) -> None:
        self.job = job
        self.budget = budget
        self.best: Any = None
        self.objective: float | None = None
        self.faults: list[str] = []
        self.build_s = 0.0
        self.size: dict[str, int] = {}
        self.ended = Ended("not started", "crashed")
        self._sign = 1.0 if part(job.instance.problem, "models", "data").SENSE == "min" else -1.0
        self._check = part(job.instance.problem, "models", "check").check
        self._known_bound = known_bound
        self._repair = repair
        self._claimed_bound: float | None = None
        for plan in plans:
            if plan is not None:
                self._weigh(plan, "a plan that was given")
        self._report()

    def hear(self, message: Message) -> None:
        """Take in one message of the backend."""
        match message:
            case Incumbent(solution):
                plan = self._mended(solution)
                if plan is not None:
                    self._weigh(plan, "an incumbent")
            case Bound(value) if math.isfinite(value):
                self._claimed_bound = self._tighter(self._claimed_bound, value)
            case Built(build_s, size):
                self.build_s += build_s
                self.size = dict(size)
            case Fault(text):
                self._fault(text)
            case Ended():
                self.ended = message
        self._report()

    def proven(self) -> float | None:
        """Return the best bound: the backend's or the one that was known before."""
        return self._tighter(self._known_bound, self._claimed_bound)

    def refuted(self) -> bool:
        """Return whether a plan refutes the backend's bound, or its claim that there is none."""
        if self.objective is None:
            return False
        return self.ended.infeasible or self._refutes(self._claimed_bound)

    def forget_claims(self, then: str) -> None:
        """Discard what the backend proved, and say so."""
        claim = "infeasible" if self.ended.infeasible else f"the bound {self._claimed_bound!r}"
        backend = self.job.backend
        self._fault(
            f"backend fault: {backend} claimed {claim}, but a plan has {self.objective!r}; {then}"
        )
        self._claimed_bound = None
        self.ended = Ended(self.ended.native, self.ended.termination)

    def _refutes(self, bound: float | None) -> bool:
        if bound is None or self.objective is None:
            return False
        better = self._sign * self.objective < self._sign * bound
        return better and relative_gap(self.objective, bound) > OPTIMALITY_TOLERANCE

    def _mended(self, plan: Any) -> Any:
        if self._repair is None or self._check(self.job.instance, plan).feasible:
            return plan
        return self._repair(plan)

    def _weigh(self, plan: Any, what: str) -> None:
        report = self._check(self.job.instance, plan)
        if not report.feasible:
            why = report.violations[0].message
            self._fault(f"backend fault: the checker refused {what}: {why}")
        elif self.objective is None or self._sign * report.objective < self._sign * self.objective:
            self.best, self.objective = plan, report.objective

    def _tighter(self, first: float | None, second: float | None) -> float | None:
        bounds = [bound for bound in (first, second) if bound is not None]
        return max(bounds, key=lambda bound: self._sign * bound, default=None)

    def _fault(self, text: str) -> None:
        if text not in self.faults:
            self.faults.append(text)

    def _report(self) -> None:
        bound = self.proven()
        if self.objective is not None or bound is not None:
            self.budget.report(self.objective, None if self._refutes(bound) else bound)
