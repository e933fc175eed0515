"""Second opinions: `solve --verify` asks independent methods whether an answer stands."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shardopt.models.result import OPTIMALITY_TOLERANCE, Confirmation, Result, relative_gap
from shardopt.solvers.registry import SolverRow, find_solver


def verify(instance: Any, row: SolverRow, result: Result, common: Mapping[str, Any]) -> Result:
    """Ask every solver in ``row.verify_with`` for a second opinion.

    Each gets the run's own limits and starts from nothing, so that it must find the optimum
    itself, with presolve off where it has one; a row that names itself is solved again.
    A contradiction takes ``optimal`` (or ``infeasible``) away and is recorded as a fault.
    """
    opinions, faults = [], list(result.faults)
    for name in row.verify_with:
        other = find_solver(instance.problem, name)
        if other.missing():
            continue
        function = other.load()
        names = inspect.signature(function).parameters
        arguments = {k: v for k, v in common.items() if k in names} | dict(other.fixed)
        arguments |= {"start": None} if "start" in names else {}
        arguments |= {"presolve": False} if "presolve" in names else {}
        arguments.pop("on_progress", None)
        second = function(instance, **arguments)
        label = name + (" (presolve off)" if "presolve" in names else "")
        opinions.append(_compare(label, result, second))
        if opinions[-1].agrees is False:
            faults.append(f"contradicted by {label}: {opinions[-1].note}")
    result = replace(result, confirmed_by=tuple(opinions), faults=tuple(faults))
    if any(opinion.agrees is False for opinion in opinions):
        status = "unknown" if result.solution is None else "feasible"
        return replace(result, status=status, bound=None)  # type: ignore[arg-type]
    return result


def _compare(label: str, first: Result, second: Result) -> Confirmation:
    agrees, note = _agreement(first, second)
    return Confirmation(label, agrees, second.objective, second.bound, note)


def _agreement(first: Result, second: Result) -> tuple[bool | None, str]:
    """Say whether ``second`` confirms (True), contradicts (False) or leaves open (None)."""
    infeasible = (first.status == "infeasible", second.status == "infeasible")
    if all(infeasible):
        return True, "both prove that there is no plan"
    if any(infeasible) and (first.objective is not None or second.objective is not None):
        return False, "one proves that there is no plan, the other has one"
    sign = 1.0 if first.sense == "min" else -1.0
    for plan, bound in ((second.objective, first.bound), (first.objective, second.bound)):
        if _beats(plan, bound, sign):
            return False, f"the plan {plan!r} is better than the bound {bound!r}"
    if first.status == second.status == "optimal":
        return True, "the same optimum"
    return None, f"it ended {second.status} ({second.termination})"


def _beats(plan: float | None, bound: float | None, sign: float) -> bool:
    if plan is None or bound is None or sign * plan >= sign * bound:
        return False
    return relative_gap(plan, bound) > OPTIMALITY_TOLERANCE
