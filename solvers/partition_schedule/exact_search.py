"""`partition-schedule`: `exact`, `exact@bsdp`, `exact@equal` and `beam`."""

from __future__ import annotations

from typing import Any

import numpy as np
import psutil

from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.models.result import Result, Termination
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.partition_schedule.cut_search import WIDTH, CutSearch
from shardopt.solvers.partition_schedule.frame import make_frame
from shardopt.solvers.partition_schedule.latency_cuts import descend

MEMORY_SHARE = 0.5


def exact(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    threads: int = 2,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
) -> Result:
    """Find the best cuts and the best schedule, and prove it (spec section 4.4)."""
    _, compile_s = compiled("partition_schedule.schedule_kernels")
    budget = Budget(time_limit, on_progress)
    with interruptible(budget):
        frame = make_frame(make_tables(instance))
        if frame.lone[0, 0] == np.inf:
            return finish(instance, "exact", budget, [], infeasible=True, compile_s=compile_s)
        search = CutSearch(frame, budget, _allowance(memory_limit_bytes), threads)
        search.push([()])
        search.offer(start)
        begin(search)
        search.run()
    return _result(instance, "exact", search, start, compile_s)


def beam(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    width: int = WIDTH,
    vectors: int = 40,
) -> Result:
    """Beam search over schedules, on the cuts of least bound.

    Parameters
    ----------
    width
        States kept after each dispatch, those of least bound.
    vectors
        How many vectors of cuts are tried.
    """
    _, compile_s = compiled("partition_schedule.schedule_kernels")
    budget = Budget(time_limit, on_progress)
    with interruptible(budget):
        frame = make_frame(make_tables(instance))
        if frame.lone[0, 0] == np.inf:
            return finish(instance, "beam", budget, [], infeasible=True, compile_s=compile_s)
        search = CutSearch(frame, budget, _allowance(None))
        search.push([()])
        search.offer(start)
        begin(search)
        search.run_once(vectors, width)
    extra = {"states": search.states, "searches": search.searches}
    plans = [search.best, start]
    return finish(instance, "beam", budget, plans, compile_s=compile_s, extra=extra)


def begin(search: CutSearch) -> None:
    """Find a first plan: that of `latency-cuts`, then a narrow search under the same cuts."""
    cuts = descend(search.frame, search.budget)
    search.try_online([cuts])
    search.dive(cuts)


def _allowance(memory_limit_bytes: float | None) -> float:
    if memory_limit_bytes is not None:
        return memory_limit_bytes
    return MEMORY_SHARE * float(psutil.virtual_memory().available)


def _result(
    instance: Instance, solver: str, search: CutSearch, start: Solution | None, compile_s: float
) -> Result:
    """Say what the search has proven."""
    proven = search.best is not None and search.proven()
    stopped: Termination | None = None
    if search.out_of_memory and not search.budget.exhausted():
        stopped = "memory-limit"
    elif proven:
        stopped = "completed"
    extra: dict[str, Any] = {"states": search.states, "searches": search.searches}
    return finish(
        instance,
        solver,
        search.budget,
        [search.best, start],
        bound=search.bound(),
        exact_value=search.value if proven else None,
        termination=stopped,
        compile_s=compile_s,
        extra=extra,
    )
