"""`partition-schedule`: the exact formulations, each handed to a backend in its own process."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from shardopt.models.errors import InputError
from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.tables import Cuts, Tables, make_tables
from shardopt.models.result import AnySolution, Result
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import checked_objective, finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.partition_schedule.cut_descent import KERNELS, latency_cuts
from shardopt.solvers.partition_schedule.dispatch import arts_rule
from shardopt.solvers.partition_schedule.first_stage import bsdp_cuts
from shardopt.solvers.settings import Settings, in_time_left

Backend = Literal["highs", "cbc"]

FORMULATIONS = "shardopt.models.partition_schedule.formulations"
FIXED_CUTS = "fixed-cuts/cp-sat"
DO_NOT_FIT = "these cuts fit no node of some tier"

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
    """Solve the whole problem as a MILP (spec section 4.1)."""
    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, f"direct/{backend}", "milp", backend, settings, start)


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
    """Solve the constraint program with cut variables and intervals (spec section 4.2)."""
    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, "direct/cp-sat", "intervals", "cp-sat", settings, start)


def fixed_cuts(
    instance: Instance,
    *,
    cuts: str = "bsdp",
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    presolve: bool = True,
) -> Result:
    """Find the best schedule under given cuts by the constraint program (spec section 4.4).

    ``extra["fixed_cuts_bound"]`` bounds all schedules under these cuts; of the whole problem
    nothing is proven.

    Parameters
    ----------
    cuts
        The first block of each tier but the first, e.g. ``"3,7"``, or ``"bsdp"`` for BSDP's.
    """
    compile_s = _compile()
    budget = Budget(time_limit)
    with interruptible(budget):
        tables = make_tables(instance)
        chosen = bsdp_cuts(tables, budget) if cuts == "bsdp" else _parsed(tables, cuts)
        if chosen is None:  # BSDP has none only where there is no plan
            none = not budget.exhausted()
            return finish(instance, FIXED_CUTS, budget, [], infeasible=none, compile_s=compile_s)
        if not tables.fits(chosen):
            _log.warning("%s: %s", FIXED_CUTS, DO_NOT_FIT)
            extra = {"reason": DO_NOT_FIT}
            return finish(instance, FIXED_CUTS, budget, [], compile_s=compile_s, extra=extra)
        plan = arts_rule(tables, chosen, budget)
    if plan is None:  # out of time
        return finish(instance, FIXED_CUTS, budget, [], compile_s=compile_s)

    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    options = {"upper_bound": checked_objective(instance, plan), "cuts": chosen}
    job = Job(instance, f"{FORMULATIONS}.intervals:build", "cp-sat", options)
    result = _run(job, FIXED_CUTS, settings.without_bounds(), budget, [plan], compile_s)
    proven = {"fixed_cuts_bound": result.bound}
    return replace(result.without_bounds(), extra=dict(result.extra) | proven)


def _parsed(tables: Tables, text: str) -> Cuts:
    between = f"between 1 and {tables.block_count - 1}"
    expected = f"bsdp, or {tables.tier_count - 1} rising integers {between}, like 3,7"
    wrong = InputError(repr(text), expected, f"{FIXED_CUTS}: cuts")
    try:
        cuts = tuple(int(cut) for cut in text.split(",")) if text else ()
    except ValueError:
        raise wrong from None
    ends = (0, *cuts, tables.block_count)
    if len(cuts) != tables.tier_count - 1 or any(a >= b for a, b in itertools.pairwise(ends)):
        raise wrong
    return cuts


def _solve(
    instance: Instance,
    solver: str,
    formulation: str,
    backend: str,
    settings: Settings,
    start: Solution | None,
) -> Result:
    """Find a plan to start from and to scale by, then let the backend prove the optimum."""
    compile_s = _compile()
    budget = Budget(settings.time_limit)
    if len(instance.blocks) < len(instance.tiers):  # each tier holds one
        return finish(instance, solver, budget, [], infeasible=True, compile_s=compile_s)
    quick = latency_cuts(instance, time_limit=settings.time_limit)
    plans = [plan for plan in (start, quick.solution) if plan is not None]
    if quick.termination != "completed":
        why = quick.termination
        return finish(instance, solver, budget, plans, termination=why, compile_s=compile_s)
    values = [checked_objective(instance, plan) for plan in plans]
    # Where there is no plan, that is for the backend to prove.
    upper = min((v for v in values if v is not None), default=longest_s(make_tables(instance)))
    job = Job(instance, f"{FORMULATIONS}.{formulation}:build", backend, {"upper_bound": upper})
    return _run(job, solver, settings, budget, plans, compile_s)


def _compile() -> float:
    return sum(compiled(f"partition_schedule.{name}")[1] for name in KERNELS)


def longest_s(tables: Tables) -> float:
    """Return no less than any objective in which nothing waits without need: all in a row."""
    slowest = min(float(speed.min()) for speed in tables.speed)
    handed = float((tables.activation.max() / tables.bandwidth).sum())
    per_token = float(tables.flops_before[-1]) / slowest + handed
    latency = float(tables.latency.sum()) * tables.request_count
    return float(tables.arrival_s.max() + tables.tokens.sum() * per_token) + latency


def _run(
    job: Job,
    solver: str,
    settings: Settings,
    budget: Budget,
    known: Sequence[AnySolution],
    compile_s: float,
) -> Result:
    """Hand a job to its backend, in the time that is left."""
    if budget.exhausted():
        return finish(job.instance, solver, budget, known, compile_s=compile_s)
    result = in_time_left(
        budget, settings, lambda left: solve_exact(job, solver, left, known=known)
    )
    return replace(result, compile_s=compile_s)
