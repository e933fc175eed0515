"""`partition-schedule`: schedules under fixed cuts by fast rules (spec section 6)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.tables import (
    Cuts,
    FloatArray,
    IntArray,
    Tables,
    make_tables,
)
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, interruptible
from shardopt.solvers.finish import finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.partition_schedule.first_stage import (
    NO_EQUAL_CUTS,
    Capacity,
    MemoryRule,
    bsdp_cuts,
    equal_cuts,
)

_log = logging.getLogger("shardopt")

Schedule = tuple[IntArray, FloatArray]
"""``node[r, j]``, counted within the tier, and ``start[r, j]`` since the first arrival."""
Dispatch = Callable[[Tables, Cuts, Budget], Schedule | None]
"""Makes a schedule under cuts that fit; ``None`` where the budget ran out."""


def with_equal_cuts(
    instance: Instance, solver: str, dispatch: Dispatch, time_limit: float | None
) -> Result:
    """Dispatch on equal cuts; where these do not fit, nothing is known."""
    return _solve(
        instance,
        solver,
        dispatch,
        time_limit,
        lambda tables, _: equal_cuts(tables),
        why_none=NO_EQUAL_CUTS,
    )


def with_bsdp_cuts(
    instance: Instance,
    solver: str,
    dispatch: Dispatch,
    time_limit: float | None,
    capacity: Capacity,
    memory: MemoryRule,
) -> Result:
    """Dispatch on BSDP's cuts; where some node need fit and there are none, there is no plan."""
    return _solve(
        instance,
        solver,
        dispatch,
        time_limit,
        lambda tables, budget: bsdp_cuts(tables, budget, capacity, memory),
        why_none="" if memory == "any" else "no cuts fit every node of their tiers",
    )


def _solve(
    instance: Instance,
    solver: str,
    dispatch: Dispatch,
    time_limit: float | None,
    choose_cuts: Callable[[Tables, Budget], Cuts | None],
    why_none: str = "",
) -> Result:
    """Choose cuts and dispatch.

    ``why_none`` says what it means that there are no cuts; empty: that there is no plan.
    """
    compile_s = sum(
        compiled(f"partition_schedule.{module}")[1]
        for module in ("cut_kernels", "dispatch_kernels")
    )
    budget = Budget(time_limit)
    extra: dict[str, Any] = {}
    plan = None
    with interruptible(budget):
        tables = make_tables(instance)
        cuts = choose_cuts(tables, budget)
        ended = not budget.exhausted()
        if cuts is None and ended and why_none:
            extra["reason"] = why_none
            _log.warning("%s: %s", solver, why_none)
        if cuts is not None:
            began = time.perf_counter()
            schedule = dispatch(tables, cuts, budget)
            extra["dispatch_s"] = time.perf_counter() - began
            plan = None if schedule is None else tables.to_solution(cuts, *schedule)
    return finish(
        instance,
        solver,
        budget,
        [plan],
        infeasible=not why_none and ended and cuts is None,
        termination="completed" if ended and (cuts is None or plan is not None) else None,
        compile_s=compile_s,
        extra=extra,
    )


def arts_rule(tables: Tables, cuts: Cuts, budget: Budget) -> Solution | None:
    """Return the plan that ARTS makes of cuts that fit; ``None`` where the budget ran out."""
    schedule = arts_schedule(tables, cuts, budget)
    return None if schedule is None else tables.to_solution(cuts, *schedule)


def arts_schedule(tables: Tables, cuts: Cuts, budget: Budget) -> Schedule | None:
    """Send each request, on reaching a tier, to the node where it ends first."""
    return _dispatch(tables, cuts, budget, "queue_shortest")


def gpipe_schedule(tables: Tables, cuts: Cuts, budget: Budget) -> Schedule | None:
    """Give each request the node of its rank of arrival, modulo the number of nodes."""
    return _dispatch(tables, cuts, budget, "round_robin")


def heft_schedule(tables: Tables, cuts: Cuts, budget: Budget) -> Schedule | None:
    """Place operations by falling upward rank where each ends first, gaps included."""
    return _dispatch(tables, cuts, budget, "earliest_finish", by_upward_rank(tables, cuts))


def _dispatch(
    tables: Tables, cuts: Cuts, budget: Budget, kernel: str, *order: IntArray
) -> Schedule | None:
    kernels, _ = compiled("partition_schedule.dispatch_kernels")
    node = np.zeros((tables.request_count, tables.tier_count), dtype=np.int64)
    start = np.zeros(node.shape)
    ended = budget.call(
        getattr(kernels, kernel), line(tables, cuts), *order, node, start, budget.stop
    )
    return (node, start) if ended else None


def line(tables: Tables, cuts: Cuts) -> tuple[Any, ...]:
    """Return the kernels' tuple ``LINE``."""
    runs = tables.runs(cuts)
    places = [np.flatnonzero(tables.eligible(j, a, b)) for j, (a, b) in enumerate(runs)]
    return (
        tables.arrival_s,
        tables.tokens,
        np.array([tables.flops(a, b) for a, b in runs]),
        tables.latency,
        tables.activation[np.array(cuts, dtype=np.int64) - 1],
        tables.bandwidth,
        np.concatenate([speed[k] for speed, k in zip(tables.speed, places, strict=True)]),
        np.concatenate(places),
        np.cumsum([0, *map(len, places)]),
    )


RANK_TIE = 1e-12
"""Ranks that follow each other within this share count as equal."""


def by_upward_rank(tables: Tables, cuts: Cuts) -> IntArray:
    """Return the operations r T + j by falling upward rank, ties by request, then tier.

    The rank is the mean service over eligible nodes, plus the transfer and the next tier's rank.
    """
    rank = np.zeros((tables.request_count, tables.tier_count))
    after = np.zeros(tables.request_count)
    for j, (a, b) in reversed(list(enumerate(tables.runs(cuts)))):
        speed = tables.speed[j][tables.eligible(j, a, b)]
        rank[:, j] = tables.tokens * tables.flops(a, b) * np.mean(1.0 / speed) + after
        after = rank[:, j] + (tables.transfer_s(j - 1, a) if j > 0 else 0.0)
    falling = np.argsort(-rank, axis=None, kind="stable")
    ranks = rank.ravel()[falling]
    step = ranks[:-1] - ranks[1:] > RANK_TIE * ranks[:-1]
    group = np.concatenate([[0], np.cumsum(step)])
    return falling[np.lexsort((falling, group))].astype(np.int64)
