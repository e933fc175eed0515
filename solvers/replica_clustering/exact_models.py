"""`replica-clustering`: the formulations, each handed to a backend in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from shardopt.models.replica_clustering.bounds import additive_bound
from shardopt.models.replica_clustering.data import Instance, Solution
from shardopt.models.replica_clustering.formulations.columns import Columns
from shardopt.models.replica_clustering.grouping import to_groups
from shardopt.models.replica_clustering.tables import IntArray, make_tables
from shardopt.models.result import Result, Termination
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.replica_clustering.baselines import two_pipelines_plan
from shardopt.solvers.replica_clustering.neighbourhoods import KERNELS, PackingSearch
from shardopt.solvers.replica_clustering.packing import Packed, affordable, pack
from shardopt.solvers.replica_clustering.rates import ROLES, RateModel, rate_model, rate_states
from shardopt.solvers.settings import Settings, in_time_left

FORMULATIONS = "shardopt.models.replica_clustering.formulations"
SEARCH_SHARE = 0.1
"""Share of the time limit that packing-search may take for a plan to start from."""
SEARCH_DEVICES = 9


def columns(
    instance: Instance,
    *,
    backend: Literal["highs", "cbc", "cp-sat"],
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    presolve: bool = True,
) -> Result:
    """Solve our MILP over all sets of devices that no packing of their parts is as good as."""

    def job(known: Known) -> Job | Termination:
        if not affordable(known.model, memory_limit_bytes):
            return "memory-limit"
        rated = rate_states(known.model, known.budget)
        packed = None if rated is None else pack(rated, known.budget)
        if packed is None:
            return known.budget.reason()
        options = {"columns": useful_columns(packed, known.plan), **known.scale}
        build = "build_integer" if backend == "cp-sat" else "build"
        return Job(instance, f"{FORMULATIONS}.columns:{build}", backend, options)

    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return solve_known(instance, f"columns/{backend}", job, settings, start)


def direct(
    instance: Instance,
    *,
    backend: Literal["highs", "cbc"],
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    presolve: bool = True,
) -> Result:
    """Solve the problem as it reads: which device has how many blocks in which replica."""

    def job(known: Known) -> Job:
        return Job(instance, f"{FORMULATIONS}.direct:build", backend, known.scale)

    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    return solve_known(instance, f"direct/{backend}", job, settings, start)


@dataclass(frozen=True)
class Known:
    """What is known before a model is built: a plan, its objective and a bound, if there are any.

    Neither the plan nor the bound need exist; the objective and the bound may then be infinite.
    """

    model: RateModel
    budget: Budget
    plan: Solution | None
    objective: float
    bound: float

    @property
    def scale(self) -> dict[str, float]:
        """What rates are scaled by, and the most that lambda can be."""
        most = 1.0 / self.bound if self.bound > 0.0 and np.isfinite(self.bound) else 1.0
        return {"rate": 1.0 / self.objective if self.plan is not None else most, "most": most}


def what_is_known(
    instance: Instance, budget: Budget, settings: Settings, start: Solution | None
) -> Known:
    """Find a plan to scale by and to start from, within a small share of the time limit."""
    tables = make_tables(instance)
    model = rate_model(tables)
    search = PackingSearch(model, budget, settings.seed)
    search.offer(start)
    search.offer(two_pipelines_plan(model, budget))
    limit = 60.0 if settings.time_limit is None else settings.time_limit
    search.run(SEARCH_DEVICES, 1, SEARCH_SHARE * limit)
    return Known(model, budget, search.best, search.objective, additive_bound(tables))


def useful_columns(packed: Packed, plan: Solution | None) -> Columns:
    """Return the sets that no packing of their parts is as good as, and the sets of a plan."""
    rated = packed.rated
    states = [np.flatnonzero(packed.useful[:, role]).tolist() for role in (0, 1)]
    if plan is not None:
        for group in to_groups(rated.model.tables, plan):
            states[ROLES.index(group.role)].append(int(np.dot(group.count, rated.place)))
    chosen = [np.unique(np.array(mine, dtype=np.int64)) for mine in states]
    roles = np.repeat([0, 1], [len(mine) for mine in chosen])
    numbers: IntArray = np.concatenate(chosen)
    return Columns(
        role=roles,
        count=rated.counts(numbers),
        rate=rated.rate[numbers, roles],
        batch=rated.batch[numbers, roles],
    )


def solve_known(
    instance: Instance,
    solver: str,
    make_job: Callable[[Known], Job | Termination],
    settings: Settings,
    start: Solution | None,
) -> Result:
    """Find a plan to scale by and to start from, then let the backend prove the optimum."""
    compile_s = sum(compiled(f"replica_clustering.{k}_kernels")[1] for k in KERNELS)
    budget = Budget(settings.time_limit, settings.on_progress)
    with interruptible(budget):
        known = what_is_known(instance, budget, settings, start)
        job: Job | Termination = "time-limit"
        if not budget.exhausted():
            job = make_job(known)
    bound = known.bound if np.isfinite(known.bound) else None
    plans = [known.plan, start]
    if not isinstance(job, Job) or budget.exhausted():
        ended = job if job == "memory-limit" else None
        return finish(
            instance, solver, budget, plans, bound=bound, termination=ended, compile_s=compile_s
        )
    result = in_time_left(
        budget, settings, lambda left: solve_exact(job, solver, left, known=plans, bound=bound)
    )
    return replace(result, compile_s=compile_s)
