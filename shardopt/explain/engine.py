"""The order of things: is there a plan at all, and then why not, or what makes the best one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from shardopt.api import load, require_packages, require_sane, versions
from shardopt.explain.changing import try_changes
from shardopt.explain.conflicts import Groups, find_conflicts
from shardopt.explain.explanation import Explanation
from shardopt.explain.mending import try_mends
from shardopt.explain.oracle import FIRST_LIMIT_S, Attempt, Oracle
from shardopt.explain.parts import Group
from shardopt.instances.files import instance_sha256
from shardopt.models.discover import part
from shardopt.models.errors import InputError
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, interruptible
from shardopt.solvers.registry import SolverRow, find_solver

QUESTION_SHARE = 0.4
"""Of the time: whether there is a plan, and the best one."""
PART_SHARE = 0.1
"""Of the time for the conflicts: whether there is a plan that keeps some of the groups."""
CONFLICT_SHARE = 0.5
"""Of what is left then: the conflicts."""
MOST_CONFLICTS = 8
MOST_TRIED = 300
"""More mends, or changes, than this are not looked at."""

T = TypeVar("T")
OnStep = Callable[[str], None]


def explain(
    instance: Any,
    solver: str = "exact",
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    on_step: OnStep | None = None,
) -> Explanation:
    """Say why an instance has no plan and what mends that, or what binds and what would help.

    Everything is found by solving again: that there is no plan is always proven, that there is
    one always checked. What was not found out in time says so.

    Parameters
    ----------
    instance
        An instance, or the path of an instance file.
    solver
        An exact solver of the instance's problem.
    time_limit
        Seconds for everything, ``None`` for no limit. Ctrl-C ends it as well; what is known by
        then is returned.
    seed, threads
        Passed to the solver.
    on_step
        Told in a few words what is being done.

    Raises
    ------
    InputError
        Bad arguments or a bad file.
    UnavailableError
        The solver needs a package that is not installed.
    """
    if isinstance(instance, (str, Path)):
        instance = load(instance)
    row = _exact(instance.problem, solver)
    require_sane(time_limit, seed, threads, None)
    asks = part(instance.problem, "", "explain")
    budget = Budget(time_limit)
    oracle = Oracle(row, _first(instance.problem, solver, asks), budget, seed, threads, asks.probe)
    say = on_step or (lambda words: None)
    found: dict[str, Any] = {"status": "unknown"}
    with interruptible(budget):
        say("is there a plan?")
        with oracle.within(QUESTION_SHARE * budget.left()):
            answer, result = oracle.feasible(instance, quick=True), None
            if answer or (answer is None and not oracle.over()):
                result = oracle.solve(instance, oracle.left(), oracle.plan)
                if answer is None and result.status == "infeasible":
                    answer, oracle.proven_by = False, row.name
        if answer is False:
            found = {"status": "infeasible", "proven_by": oracle.proven_by}
            found |= _why_not(instance, asks, oracle, say)
            found |= _ways_out(instance, asks, oracle, say, proven=True)
        elif result is not None and result.solution is not None:
            found = {"status": "feasible", "result": result}
            found |= _what_binds(instance, result, asks, oracle, say)
        else:
            found |= _ways_out(instance, asks, oracle, say, proven=False)
    return Explanation(
        problem=instance.problem,
        instance=instance.name,
        instance_sha256=instance_sha256(instance),
        solver=row.name,
        versions={k: v for used in oracle.used.values() for k, v in versions(used).items()},
        termination=budget.reason(),
        seed=seed,
        threads=threads,
        runtime_s=budget.elapsed(),
        solves=oracle.solves,
        **found,
    )


def _exact(problem: str, solver: str) -> SolverRow:
    """Return a solver that can prove that there is no plan."""
    row = find_solver(problem, solver)
    if row.kind != "exact":
        raise InputError(f"{solver!r}, which proves nothing", "an exact solver", "solver")
    require_packages(row)
    return row


def _first(problem: str, solver: str, asks: Any) -> list[Attempt]:
    """Return the solvers to ask first: the problem's choice, unless a person made one."""
    first: tuple[tuple[str, float], ...] = asks.FIRST
    if solver != "exact":
        first = ((solver, FIRST_LIMIT_S),)
    return [Attempt(find_solver(problem, name), limit_s) for name, limit_s in first]


def _why_not(instance: Any, asks: Any, oracle: Oracle, say: OnStep) -> dict[str, Any]:
    groups: tuple[Group, ...] = tuple(asks.groups(instance))

    def keeping(kept: Groups) -> bool | None:
        changed = instance
        for g, group in enumerate(groups):
            if g not in kept:
                changed = group.relaxed(changed)
        with oracle.within(max(FIRST_LIMIT_S, PART_SHARE * oracle.left())):
            return oracle.feasible(changed)

    say("which constraints conflict?")
    with oracle.within(CONFLICT_SHARE * oracle.left()):
        conflicts = find_conflicts(len(groups), keeping, MOST_CONFLICTS, oracle.over)
    return {"groups": groups, "conflicts": conflicts}


def _ways_out(
    instance: Any, asks: Any, oracle: Oracle, say: OnStep, *, proven: bool
) -> dict[str, Any]:
    say("what would mend it?")
    chosen, cut = _first_of(asks.mends(instance))
    mends = try_mends(chosen, oracle, proven)
    return {"facts": tuple(asks.facts(instance)), "mends": tuple(mends), "cut": cut}


def _what_binds(
    instance: Any, result: Result, asks: Any, oracle: Oracle, say: OnStep
) -> dict[str, Any]:
    say("what would change it?")
    chosen, cut = _first_of(asks.changes(instance))
    changes = try_changes(chosen, result, oracle)
    bindings = sorted(asks.bindings(instance, result.solution), key=lambda b: -b.share)
    return {"bindings": tuple(bindings), "changes": tuple(changes), "cut": cut}


def _first_of(many: Iterator[T]) -> tuple[tuple[T, ...], bool]:
    """Return the first of many, and whether there are more."""
    first = tuple(islice(many, MOST_TRIED))
    return first, next(many, None) is not None
