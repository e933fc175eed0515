"""`block-placement`: the exact formulations, each handed to a backend in a process of its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from shardopt.models.block_placement.bounds import chain_bound, too_few_blocks
from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.formulations.common import cost_scale_s
from shardopt.models.block_placement.tables import Tables, make_tables
from shardopt.models.result import AnySolution, Result
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.block_placement.chain_knapsack import chain
from shardopt.solvers.block_placement.greedy_placement import cg_bp
from shardopt.solvers.block_placement.mending import mended
from shardopt.solvers.budget import Budget, OnProgress
from shardopt.solvers.finish import checked_objective, finish
from shardopt.solvers.settings import Settings, in_time_left

Backend = Literal["highs", "cbc"]

FORMULATIONS = "shardopt.models.block_placement.formulations"

SIZE_SEARCH = "shardopt.solvers.block_placement.size_search"

MENDING_S = 5.0
"""Seconds at most to route anew a plan that overfills memory."""

DIGITS = 50.0
"""How many times dearer than all sessions of a plan a step may be and leave it enough digits:
backends have absolute tolerances of some 1e-9 of the largest cost."""

_log = logging.getLogger("shardopt")


def direct(
    instance: Instance,
    *,
    backend: Backend,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    presolve: bool = True,
) -> Result:
    """Solve the published program as published."""
    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, f"direct/{backend}", "direct", backend, settings, start)


def direct_cp_sat(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    presolve: bool = True,
) -> Result:
    """Solve our constraint program, a circuit per session."""
    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, "direct/cp-sat", "circuit", "cp-sat", settings, start)


def boundary(
    instance: Instance,
    *,
    backend: Backend,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    presolve: bool = True,
) -> Result:
    """Solve our flow over blocks and boundaries: small, and strong where memory is loose."""
    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, f"boundary/{backend}", "boundary", backend, settings, start)


def runs(
    instance: Instance,
    *,
    backend: Backend,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    presolve: bool = True,
) -> Result:
    """Solve our model with a column per run, the strongest where memory is tight.

    Identical servers are pooled first. Where the pool's plan cannot be split among them at the
    same cost, the model is solved again with a column per server.
    """
    solver = f"runs/{backend}"
    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    if all(len(members) == 1 for members in make_tables(instance).types.members):
        return _solve(instance, solver, "runs", backend, settings, start)
    pooled = _solve(instance, solver, "runs", backend, settings, start, {"pooled": True})
    if pooled.status in ("optimal", "infeasible") or pooled.termination != "completed":
        return pooled
    single = _solve(
        instance,
        solver,
        "runs",
        backend,
        settings.later(pooled.runtime_s),
        pooled.solution,
        bound=pooled.bound,
    )
    return single.after(pooled)


def sizes(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    presolve: bool = True,
) -> Result:
    """Search over the sizes of runs: HiGHS solves relaxations, CP-SAT finds positions (ours)."""
    budget = Budget(time_limit)
    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    if too_few_blocks(make_tables(instance)):
        return finish(instance, "sizes/cp-sat", budget, [], infeasible=True)
    known = [start, cg_bp(instance).solution, chain(instance).solution]
    cutoff = {"cutoff": _least(instance, known)}
    job = Job(instance, f"{FORMULATIONS}.sizes:build", SIZE_SEARCH, cutoff)
    return in_time_left(
        budget, settings, lambda left: solve_formulation(job, "sizes/cp-sat", left, known)
    )


def routing(
    instance: Instance,
    *,
    backend: Backend,
    start: Solution,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    presolve: bool = True,
) -> Result:
    """Find optimal routes for the placement of ``start``.

    It proves the routes and not the placement: the result has no bound. Where the routes are
    proven, ``extra["routing_bound"]`` is their objective.
    """
    options = {"placement": start.placement, "unit": checked_objective(instance, start) or 1.0}

    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    job = Job(instance, f"{FORMULATIONS}.routing:build", backend, options)
    result = solve_exact(job, f"routing/{backend}", settings.without_bounds(), known=[start])
    if result.status == "optimal":
        _log.info("routing/%s: routes optimal for this placement", backend)
    extra = dict(result.extra) | {"routing_bound": result.bound}
    return replace(result.without_bounds(), extra=extra)


def _solve(
    instance: Instance,
    solver: str,
    formulation: str,
    backend: str,
    settings: Settings,
    start: AnySolution | None,
    options: Mapping[str, Any] | None = None,
    bound: float | None = None,
) -> Result:
    """Hand a formulation to a backend, with the plans that are known at once."""
    budget = Budget(settings.time_limit)
    if too_few_blocks(make_tables(instance)):
        return finish(instance, solver, budget, [], infeasible=True)
    known = [start, cg_bp(instance).solution, chain(instance).solution]
    job = Job(instance, f"{FORMULATIONS}.{formulation}:build", backend, options or {})
    return in_time_left(
        budget, settings, lambda left: solve_formulation(job, solver, left, known, bound)
    )


def solve_formulation(
    job: Job,
    solver: str,
    settings: Settings,
    known: Sequence[AnySolution | None],
    bound: float | None = None,
) -> Result:
    """Solve a formulation; its plans that overfill memory are routed anew.

    Steps that are far too dear for a good plan are charged less, which leaves bounds valid. Where
    the answer may need one of them, or is so cheap beside them that it has no digits left, the
    model is solved again with costs that the plan found cannot exceed.
    """
    budget = Budget(settings.time_limit)
    tables = make_tables(job.instance)
    dearest, chain_s = cost_scale_s(tables), chain_bound(tables)
    if chain_s == 0.0:  # where a backend's bound is rounded, a plan at no cost is not proven by it
        bound = max(0.0, bound or 0.0)
    ceiling = _ceiling_s(tables, _least(job.instance, known), chain_s)
    result = _solve_capped(job, solver, settings, known, bound, ceiling)
    while result.objective:
        enough = 2.0 * tables.session_count * result.objective
        scale = dearest if ceiling is None else min(dearest, ceiling)
        blurred = scale > DIGITS * enough
        if blurred:
            status = "feasible" if result.status == "optimal" else result.status
            result = replace(result, status=status, bound=bound)
        may_need_dearer = scale < min(dearest, enough) and _is_open(result)
        if budget.exhausted() or not (blurred or may_need_dearer):
            break
        ceiling = enough
        left = settings.later(budget.elapsed())
        again = _solve_capped(job, solver, left, [result.solution], result.bound, ceiling)
        result = again.after(result)
    return result


def _is_open(result: Result) -> bool:
    return result.status == "feasible" and result.termination == "completed"


def _ceiling_s(tables: Tables, objective: float | None, chain_s: float | None) -> float | None:
    """Return what a step may cost at most that a good plan takes, as far as that is known."""
    guesses = [2.0 * objective] if objective else []
    guesses += [2.0 * DIGITS * chain_s] if chain_s else []
    return tables.session_count * min(guesses) if guesses else None


def _solve_capped(
    job: Job,
    solver: str,
    settings: Settings,
    known: Sequence[AnySolution | None],
    bound: float | None,
    ceiling_s: float | None,
) -> Result:
    budget = Budget(settings.time_limit)
    options = dict(job.build_options) | {"ceiling_s": ceiling_s}
    return solve_exact(
        replace(job, build_options=options),
        solver,
        settings,
        known=known,
        bound=bound,
        repair=lambda plan: mended(job.instance, plan, min(MENDING_S, budget.left())),
    )


def _least(instance: Instance, plans: Sequence[AnySolution | None]) -> float | None:
    """Return the least objective of the feasible ones among plans."""
    values = [checked_objective(instance, plan) for plan in plans if plan is not None]
    return min((value for value in values if value is not None), default=None)
