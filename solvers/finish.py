"""The last step of every solver: check the plan, weigh the bound, derive the status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shardopt.models.discover import part
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result, Status, Termination, relative_gap
from shardopt.solvers.budget import Budget


def checked_objective(instance: Any, solution: Any) -> float | None:
    """Return the checker's objective of a plan, or ``None`` if the plan breaks a rule."""
    report = part(instance.problem, "models", "check").check(instance, solution)
    return report.objective if report.feasible else None


def finish(
    instance: Any,
    solver: str,
    budget: Budget,
    candidates: Sequence[Any],
    *,
    bound: float | None = None,
    infeasible: bool = False,
    exact_value: float | None = None,
    termination: Termination | None = None,
    build_s: float = 0.0,
    compile_s: float = 0.0,
    faults: Sequence[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> Result:
    """Make the result of a run.

    Parameters
    ----------
    candidates
        Plans that the run knows, ``None`` allowed; the best one that passes the checker wins.
        Put the warm start among them and the answer is never worse than it.
    bound
        A proven dual bound in the problem's unit.
    infeasible
        The method proved that no plan exists.
    exact_value
        The optimum in the method's own arithmetic, if the method proved one. Where the
        checker's objective agrees to 1e-9 the two are the same number, computed in another
        order, and the bound is set to the objective.
    termination
        Why the run ended; by default what the budget says.
    """
    data = part(instance.problem, "models", "data")
    sign = 1.0 if data.SENSE == "min" else -1.0
    faults = list(faults)
    solution, objective = None, None
    for candidate in candidates:
        if candidate is None:
            continue
        report = part(instance.problem, "models", "check").check(instance, candidate)
        if not report.feasible:
            faults.append(f"{solver}: a plan was refused: {report.violations[0].message}")
        elif objective is None or sign * report.objective < sign * objective:
            solution, objective = candidate, report.objective
    if exact_value is not None:
        bound = exact_value
        if objective is not None and relative_gap(objective, exact_value) <= 1e-9:
            bound = objective
    if infeasible and objective is not None:
        faults.append(f"{solver}: claimed infeasible although a feasible plan is known")
        infeasible = False
    if bound is not None and objective is not None and sign * bound > sign * objective:
        if relative_gap(objective, bound) > OPTIMALITY_TOLERANCE:
            faults.append(f"{solver}: bound {bound!r} is contradicted by the plan {objective!r}")
            bound = None
        else:
            bound = objective
    budget.report(objective, bound)
    return Result(
        problem=instance.problem,
        instance=instance.name,
        solver=solver,
        sense=data.SENSE,
        status=_status(objective, bound, infeasible),
        termination=budget.reason() if termination is None else termination,
        objective=objective,
        bound=None if infeasible else bound,
        solution=solution,
        runtime_s=budget.elapsed(),
        build_s=build_s,
        compile_s=compile_s,
        trace=tuple(budget.trace),
        faults=tuple(faults),
        extra={**_derived(instance, objective), **(extra or {})},
    )


def _derived(instance: Any, objective: float | None) -> dict[str, float]:
    """Return what a problem reports beside the objective; most have nothing of the kind."""
    derived = getattr(part(instance.problem, "models", "evaluate"), "derived", None)
    numbers: dict[str, float] = {}
    if objective is not None and derived is not None:
        numbers = derived(instance, objective)
    return numbers


def _status(objective: float | None, bound: float | None, infeasible: bool) -> Status:
    if infeasible:
        return "infeasible"
    if objective is None:
        return "unknown"
    if bound is not None and relative_gap(objective, bound) <= OPTIMALITY_TOLERANCE:
        return "optimal"
    return "feasible"
