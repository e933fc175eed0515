"""`cold-start`: the exact formulations, each handed to a backend in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from shardopt.models.cold_start.bounds import lower_bound
from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.formulations.direct import MemoryRows
from shardopt.models.cold_start.tables import Tables, make_tables
from shardopt.models.result import Result, TracePoint
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.cold_start.feasibility import farthest_plan
from shardopt.solvers.cold_start.labels import memory_allowance, type_model
from shardopt.solvers.cold_start.local_search import quick_plan
from shardopt.solvers.cold_start.relaxation import relaxed_bound
from shardopt.solvers.finish import checked_objective, finish
from shardopt.solvers.jit import compiled

Backend = Literal["highs", "cbc"]

FORMULATIONS = "shardopt.models.cold_start.formulations"
SEARCH_SHARE = 0.05
"""Share of the time limit that order-search may take for a plan to start from."""


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
    memory_rows: MemoryRows = "exact",
) -> Result:
    """Solve the published program P0 over positions, made linear (spec section 4.1).

    Parameters
    ----------
    memory_rows
        ``bytes`` states the memory rule as published. Inexact, for comparison only: a backend's
        tolerance lets runs pass that the checker refuses.
    """

    def job(known: Known) -> Job:
        options = {"unit": known.unit_s, "memory_rows": memory_rows}
        return Job(instance, f"{FORMULATIONS}.direct:build", backend, options)

    run = Run(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, f"direct/{backend}", job, run, start)


def run_flow(
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
    """Solve our MILP over runs and hand-overs (spec section 4.4)."""

    def job(known: Known) -> Job:
        return Job(instance, f"{FORMULATIONS}.run_flow:build", backend, {"unit": known.unit_s})

    run = Run(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, f"run-flow/{backend}", job, run, start)


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
    """Solve our constraint program with one circuit over the devices (spec section 4.2).

    It is given the relaxed bound: without it the bound stays at 0 from about ten devices on.
    """

    def job(known: Known) -> Job:
        bound = relaxed_bound(known.tables, known.budget)
        # Not finite: nothing exists at all. The program shall prove that itself.
        bound = min(max(bound, known.bound_s), known.upper_s)
        options = {"upper_bound": known.upper_s, "lower_bound": bound}
        return Job(instance, f"{FORMULATIONS}.circuit:build", "cp-sat", options)

    run = Run(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, "direct/cp-sat", job, run, start)


def minlp(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    presolve: bool = True,
) -> Result:
    """Solve the published program with its products, by SCIP (spec section 4.3)."""

    def job(known: Known) -> Job:
        return Job(instance, f"{FORMULATIONS}.products:build", "scip", {"unit": known.unit_s})

    run = Run(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, "minlp/scip", job, run, None)


@dataclass(frozen=True)
class Run:
    """The arguments that all methods share."""

    time_limit: float | None
    seed: int
    threads: int
    on_progress: OnProgress | None
    memory_limit_bytes: float | None
    presolve: bool


@dataclass(frozen=True)
class Known:
    """What is known before a model is built.

    Attributes
    ----------
    plan, value_s
        The best known plan and its time; ``None`` without one.
    bound_s
        The bound in closed form.
    """

    tables: Tables
    budget: Budget
    plan: Solution | None
    value_s: float | None
    bound_s: float

    @property
    def unit_s(self) -> float:
        """What times are divided by: the known plan's time, else a bound, else a second."""
        return self.value_s or self.bound_s or 1.0

    @property
    def upper_s(self) -> float:
        """At least the optimum, if there is one."""
        return longest_time(self.tables) if self.value_s is None else self.value_s


def known_plans(
    tables: Tables, budget: Budget, run: Run, start: Solution | None
) -> tuple[Solution, ...]:
    """Return plans to start from, within a small share of the time limit."""
    seconds = SEARCH_SHARE * (60.0 if run.time_limit is None else run.time_limit)
    quick = quick_plan(tables, budget, seconds, run.seed)
    if quick is None and start is None:
        allowance = memory_allowance(run.memory_limit_bytes)
        found = farthest_plan(type_model(tables), budget, allowance)
        quick = found.plan if found is not None else None
    return tuple(plan for plan in (start, quick) if plan is not None)


def longest_time(tables: Tables) -> float:
    """Return more than any plan takes: nothing overlaps, every block on its slowest device."""
    load = tables.weight[-1] / tables.load.min()
    comp = tables.work[-1] / tables.compute.min()
    transfer = tables.latency + tables.activation.max() * tables.inverse_rate.max()
    return float(load + comp + tables.device_count * transfer) or 1.0


def _solve(
    instance: Instance,
    solver: str,
    make_job: Callable[[Known], Job],
    run: Run,
    start: Solution | None,
) -> Result:
    """Find a plan to scale by and to start from, then let the backend prove the optimum."""
    _, compile_s = compiled("cold_start.kernels")
    budget = Budget(run.time_limit, run.on_progress)
    with interruptible(budget):
        tables = make_tables(instance)
        plans = known_plans(tables, budget, run, start)
        values = [checked_objective(instance, plan) for plan in plans]
        value = min((v for v in values if v is not None), default=None)
        best = plans[values.index(value)] if value is not None else None
        known = Known(tables, budget, best, value, lower_bound(instance))
        if value == 0.0:  # nothing is faster, and there is nothing to scale by
            return finish(instance, solver, budget, [best], exact_value=0.0, compile_s=compile_s)
        job = make_job(known)
    before_s = budget.elapsed()
    if budget.exhausted():
        bound = known.bound_s
        return finish(instance, solver, budget, plans, bound=bound, compile_s=compile_s)

    def later(point: TracePoint) -> TracePoint:
        return replace(point, t_s=point.t_s + before_s)

    result = solve_exact(
        job,
        solver=solver,
        time_limit=None if run.time_limit is None else budget.left(),
        seed=run.seed,
        threads=run.threads,
        start=start,
        on_progress=None if (tell := run.on_progress) is None else lambda p: tell(later(p)),
        presolve=run.presolve,
        memory_limit_bytes=run.memory_limit_bytes,
        known=plans,
        bound=known.bound_s,
    )
    return replace(
        result,
        runtime_s=result.runtime_s + before_s,
        compile_s=compile_s,
        trace=(*budget.trace, *map(later, result.trace)),
    )
