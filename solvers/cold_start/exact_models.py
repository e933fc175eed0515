"""`cold-start`: the exact formulations, each handed to a backend in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from shardopt.models.cold_start.bounds import lower_bound
from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.formulations.direct import MemoryRows
from shardopt.models.cold_start.tables import Tables, make_tables
from shardopt.models.result import Result
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.cold_start.baselines import even_plan, harmonic_plan
from shardopt.solvers.cold_start.feasibility import farthest_plan
from shardopt.solvers.cold_start.labels import memory_allowance, type_model
from shardopt.solvers.cold_start.local_search import OrderSearch
from shardopt.solvers.cold_start.relaxation import relaxed_bound
from shardopt.solvers.finish import finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.settings import Settings, in_time_left

Backend = Literal["highs", "cbc"]

FORMULATIONS = "shardopt.models.cold_start.formulations"
SEARCH_SHARE = 0.05
"""Share of the time limit that order-search may take for a plan to start from."""
RESTARTS = 10
LARGEST_COEFFICIENT = 1e6


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
        options = {
            "unit": known.unit_s,
            "upper_bound": known.value_s,
            "memory_rows": memory_rows,
        }
        return Job(instance, f"{FORMULATIONS}.direct:build", backend, options)

    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, f"direct/{backend}", job, settings, start)


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
        options = {"unit": known.unit_s, "upper_bound": known.value_s}
        return Job(instance, f"{FORMULATIONS}.run_flow:build", backend, options)

    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, f"run-flow/{backend}", job, settings, start)


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

    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, "direct/cp-sat", job, settings, start)


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

    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return _solve(instance, "minlp/scip", job, settings, None)


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
        """What times are divided by: the known plan's time, else a bound.

        Without a plan, nothing shall count for more than a backend takes as a coefficient.
        """
        if self.value_s is not None:
            return self.value_s
        return max(self.bound_s, longest_time(self.tables) / LARGEST_COEFFICIENT)

    @property
    def upper_s(self) -> float:
        """At least the optimum, if there is one."""
        return longest_time(self.tables) if self.value_s is None else self.value_s


def what_is_known(
    tables: Tables, budget: Budget, settings: Settings, start: Solution | None
) -> Known:
    """Find a plan to scale by and to start from, within a small share of the time limit."""
    search = OrderSearch(type_model(tables), budget)
    for plan in (start, even_plan(tables), harmonic_plan(tables)):
        search.offer(plan)
    if search.best is None:
        allowance = memory_allowance(settings.memory_limit_bytes)
        found = farthest_plan(search.model, budget, allowance)
        search.offer(found.plan if found is not None else None)
    limit = 60.0 if settings.time_limit is None else settings.time_limit
    search.run(settings.seed, RESTARTS, SEARCH_SHARE * limit)
    value = None if search.best is None else search.value
    return Known(tables, budget, search.best, value, lower_bound(tables.instance))


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
    settings: Settings,
    start: Solution | None,
) -> Result:
    """Find a plan to scale by and to start from, then let the backend prove the optimum."""
    _, compile_s = compiled("cold_start.kernels")
    budget = Budget(settings.time_limit, settings.on_progress)
    with interruptible(budget):
        known = what_is_known(make_tables(instance), budget, settings, start)
        # Nothing is faster than 0 s, and there is nothing to scale by.
        settled = known.value_s == 0.0
        job = None if settled else make_job(known)
    if job is None or budget.exhausted():
        bound = 0.0 if settled else known.bound_s
        plans = [known.plan, start]
        return finish(instance, solver, budget, plans, bound=bound, compile_s=compile_s)
    plans, bound = [known.plan, start], known.bound_s
    result = in_time_left(
        budget, settings, lambda left: solve_exact(job, solver, left, known=plans, bound=bound)
    )
    return replace(result, compile_s=compile_s)
