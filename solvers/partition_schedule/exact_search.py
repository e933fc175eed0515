"""`partition-schedule`: `exact`, `exact@bsdp`, `exact@equal` and `beam`."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import psutil

from shardopt.models.errors import InputError
from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.models.result import Result, Termination
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import checked_objective, finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.partition_schedule.annealing import annealed
from shardopt.solvers.partition_schedule.bottleneck import bottleneck_dp, fastest_plan
from shardopt.solvers.partition_schedule.cut_descent import KERNELS, descend, two_stages
from shardopt.solvers.partition_schedule.cut_search import WIDTH, CutSearch
from shardopt.solvers.partition_schedule.first_stage import NO_EQUAL_CUTS, bsdp_cuts, equal_cuts
from shardopt.solvers.partition_schedule.frame import make_frame

MEMORY_SHARE = 0.5
MOST = 1_000_000
"""What options of `beam` may be."""

_log = logging.getLogger("shardopt")


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
    if instance.objective == "bottleneck":
        return _bottleneck(instance, time_limit, start, on_progress)
    compile_s = _compile()
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
    proven = search.best is not None and search.proven()
    return finish(
        instance,
        "exact",
        budget,
        [search.best, start],
        bound=search.bound(),
        exact_value=search.value if proven else None,
        termination=_termination(search),
        compile_s=compile_s,
        extra=_done(search),
    )


def exact_under_cuts(
    instance: Instance,
    *,
    rule: Literal["bsdp", "equal"],
    time_limit: float | None = 60.0,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
) -> Result:
    """Find the best schedule under the cuts of a rule, and prove that.

    ``extra["fixed_cuts_bound"]`` bounds all schedules under these cuts; of the whole problem
    nothing is proven.
    """
    name = f"exact@{rule}"
    compile_s = _compile()
    budget = Budget(time_limit, on_progress)
    with interruptible(budget):
        tables = make_tables(instance)
        cuts = bsdp_cuts(tables, budget) if rule == "bsdp" else equal_cuts(tables)
        if cuts is None:
            return _without_cuts(instance, rule, budget, compile_s)
        if instance.objective == "bottleneck":
            plan = fastest_plan(tables, cuts)
            value = checked_objective(instance, plan)
            return finish(
                instance,
                name,
                budget,
                [plan],
                compile_s=compile_s,
                extra={"fixed_cuts_bound": value},
            )
        search = CutSearch(
            make_frame(tables), budget, _allowance(memory_limit_bytes), tells_bounds=False
        )
        search.push([cuts])
        search.try_online([cuts])
        search.run()
        bound = search.value if search.proven() else search.bound()
    return finish(
        instance,
        name,
        budget,
        [search.best],
        termination=_termination(search),
        compile_s=compile_s,
        extra={"fixed_cuts_bound": bound, **_done(search)},
    )


def _without_cuts(
    instance: Instance, rule: Literal["bsdp", "equal"], budget: Budget, compile_s: float
) -> Result:
    """Where BSDP ends without cuts there is no plan; that equal cuts do not fit proves nothing."""
    extra: dict[str, Any] = {}
    if rule == "equal":
        extra["reason"] = NO_EQUAL_CUTS
        _log.warning("exact@equal: %s", NO_EQUAL_CUTS)
    return finish(
        instance,
        f"exact@{rule}",
        budget,
        [],
        infeasible=rule == "bsdp" and not budget.exhausted(),
        compile_s=compile_s,
        extra=extra,
    )


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
    for option, value in (("width", width), ("vectors", vectors)):
        if not 1 <= value <= MOST:
            raise InputError(str(value), f"an integer from 1 to {MOST}", option)
    compile_s = _compile()
    budget = Budget(time_limit, on_progress)
    with interruptible(budget):
        frame = make_frame(make_tables(instance))
        if frame.lone[0, 0] == np.inf:
            return finish(instance, "beam", budget, [], infeasible=True, compile_s=compile_s)
        if instance.objective == "bottleneck":  # start times play no part: nothing to search
            own = frame.online_plan(descend(frame, budget))
            plans = [own, two_stages(frame.tables, budget), start]
            return finish(instance, "beam", budget, plans, compile_s=compile_s)
        search = CutSearch(frame, budget, _allowance(None), tells_bounds=False)
        search.push([()])
        search.offer(start)
        begin(search)
        search.run_once(vectors, width)
    plans = [search.best, start]
    return finish(instance, "beam", budget, plans, compile_s=compile_s, extra=_done(search))


def begin(search: CutSearch) -> None:
    """Find a first plan: those of the two stages and of `latency-cuts`, then better ones.

    Annealing goes on from the latter, and a narrow search from that.
    """
    cuts = descend(search.frame, search.budget)
    search.try_online([cuts])
    search.offer(two_stages(search.frame.tables, search.budget))
    improved = annealed(search.frame, cuts, search.budget)
    if improved is not None:
        cuts = improved[0]
        search.offer(improved[1])
    search.dive(cuts)


def _bottleneck(
    instance: Instance,
    time_limit: float | None,
    start: Solution | None,
    on_progress: OnProgress | None,
) -> Result:
    """Solve P0 by its dynamic programme."""
    budget = Budget(time_limit)
    found = replace(
        bottleneck_dp(instance, time_limit=time_limit, on_progress=on_progress), solver="exact"
    )
    if start is None or found.termination == "completed":
        return found
    plans, why = [found.solution, start], found.termination
    return finish(instance, "exact", budget, plans, bound=found.bound, termination=why)


def _compile() -> float:
    return sum(compiled(f"partition_schedule.{name}")[1] for name in KERNELS)


def _allowance(memory_limit_bytes: float | None) -> float:
    if memory_limit_bytes is not None:
        return memory_limit_bytes
    return MEMORY_SHARE * float(psutil.virtual_memory().available)


def _termination(search: CutSearch) -> Termination | None:
    """Say why a search ended; ``None`` leaves it to the clock."""
    if search.proven():
        return "completed"
    return "memory-limit" if search.out_of_memory and not search.budget.exhausted() else None


def _done(search: CutSearch) -> dict[str, Any]:
    return {"states": search.states, "searches": search.searches}
