"""What each change would bring: the exact objective by solving again, or what is proven of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shardopt.explain.oracle import Oracle, is_plan
from shardopt.explain.parts import Change
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result, Status, relative_gap

LEAST_S = 0.05
"""With less time left a change is not tried."""
WORTH_IT_S = 1.0
"""Each change may take so long, even if there is no time for the others then."""


@dataclass(frozen=True)
class Changed:
    """The best plan after a change, and how much better it is than the best before.

    ``gain`` is the interval of what the change saves (negative: costs); its ends are ``None``
    where nothing is proven, and equal where both optima are. ``proof`` says whether it was
    solved again or follows from the plan that there is.
    """

    change: Change
    status: Status | Literal["not-tried"]
    objective: float | None = None
    bound: float | None = None
    gain: tuple[float | None, float | None] = (None, None)
    proof: Literal["solved", "same-plan"] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return an entry of ``changes`` in an explanation."""
        return {
            "kind": self.change.kind,
            "what": self.change.what,
            "words": self.change.words,
            "effect": self.change.effect,
            "status": self.status,
            "objective": self.objective,
            "bound": self.bound,
            "gain_low": self.gain[0],
            "gain_high": self.gain[1],
            "proof": self.proof,
        }


def try_changes(changes: Sequence[Change], base: Result, oracle: Oracle) -> list[Changed]:
    """Solve each change with its share of the time that is left, the best first."""
    tried = []
    for turn, change in enumerate(changes):
        if oracle.budget.interrupted or oracle.left() < LEAST_S:
            tried.append(Changed(change, "not-tried"))
            continue
        with oracle.within(max(WORTH_IT_S, oracle.left() / (len(changes) - turn))):
            tried.append(_changed(change, base, oracle))
    sign = 1.0 if base.sense == "min" else -1.0
    return sorted(tried, key=lambda c: (c.objective is None, sign * (c.objective or 0.0)))


def _changed(change: Change, base: Result, oracle: Oracle) -> Changed:
    plan = base.solution
    assert plan is not None and base.objective is not None  # there is a plan to compare with
    if change.effect == "harder" and is_plan(change.instance, plan):
        # It is a plan of the changed instance as well, and nothing there is better than before.
        gain = _gain(change, base, base.objective, base.bound, base.status)
        return Changed(change, base.status, base.objective, base.bound, gain, "same-plan")
    result = oracle.solve(change.instance, oracle.left(), plan)
    bound = _stronger(change, base, result)
    status = result.status
    if status == "feasible" and bound is not None and result.objective is not None:
        gap = relative_gap(result.objective, bound)
        status = "optimal" if gap <= OPTIMALITY_TOLERANCE else status
    gain = _gain(change, base, result.objective, bound, status)
    return Changed(change, status, result.objective, bound, gain, "solved")


def _stronger(change: Change, base: Result, result: Result) -> float | None:
    """Return the best bound: what bounds the instance bounds it when it is made harder."""
    bounds = [result.bound, base.bound if change.effect == "harder" else None]
    known = [bound for bound in bounds if bound is not None]
    if result.status == "infeasible" or not known:
        return None
    best = max(known) if base.sense == "min" else min(known)
    if result.objective is not None:  # equal up to rounding
        worse = best > result.objective if base.sense == "min" else best < result.objective
        best = result.objective if worse else best
    return best


def _gain(
    change: Change, base: Result, objective: float | None, bound: float | None, status: str
) -> tuple[float | None, float | None]:
    """Return the least and the largest gain that is consistent with what is proven."""
    if status == "infeasible":
        return None, None
    sign = 1.0 if base.sense == "min" else -1.0
    low = _difference(base.bound, objective, sign)
    high = _difference(base.objective, bound, sign)
    if base.status == status == "optimal":
        low = high = _difference(base.objective, objective, sign)
    if change.effect == "easier":
        return max(low or 0.0, 0.0), None if high is None else max(high, 0.0)
    if change.effect == "harder":
        return None if low is None else min(low, 0.0), min(high or 0.0, 0.0)
    return low, high


def _difference(before: float | None, after: float | None, sign: float) -> float | None:
    return None if before is None or after is None else sign * (before - after)
