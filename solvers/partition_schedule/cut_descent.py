"""`partition-schedule`: `latency-cuts` (ours), cuts chosen for latency instead of balance.

BSDP balances the tiers, which is right for the period and wrong for latency (spec section 8).
Here cuts are judged by what online dispatching (ARTS) makes of them, at the speed of BSDP: a
descent that moves one cut at a time, from the best cuts for a lone request and from BSDP's.
"""

from __future__ import annotations

import numpy as np

from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.tables import Cuts, Tables, make_tables
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.partition_schedule.dispatch import arts_rule
from shardopt.solvers.partition_schedule.first_stage import bsdp_cuts, equal_cuts
from shardopt.solvers.partition_schedule.frame import Frame, make_frame

KERNELS = (
    "schedule_kernels.online",
    "schedule_kernels.orders",
    "schedule_kernels.search",
    "cut_kernels",
    "dispatch_kernels",
)
DISPATCHES = 300_000
"""How many dispatches each descent may try: milliseconds, whatever the size."""
WINDOW = 500
"""Cuts are judged by so many requests, the first to arrive."""


def latency_cuts(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    on_progress: OnProgress | None = None,
) -> Result:
    """Move the cuts while online dispatching gains by it."""
    compile_s = sum(compiled(f"partition_schedule.{name}")[1] for name in KERNELS)
    budget = Budget(time_limit, on_progress)
    with interruptible(budget):
        tables = make_tables(instance)
        frame = make_frame(tables)
        infeasible = bool(frame.lone[0, 0] == np.inf)
        plans: list[Solution | None] = []
        if not infeasible:
            plans = [frame.online_plan(descend(frame, budget)), two_stages(tables, budget)]
    return finish(
        instance, "latency-cuts", budget, plans, infeasible=infeasible, compile_s=compile_s
    )


def two_stages(tables: Tables, budget: Budget) -> Solution | None:
    """Return the plan of `bsdp+arts`, so that who has it as a candidate is never behind it.

    Its cuts are also among those that `descend` tries; but online dispatching there gives ties
    to the faster node, ARTS to the first one.
    """
    cuts = bsdp_cuts(tables, budget)
    return None if cuts is None else arts_rule(tables, cuts, budget)


def alone_cuts(frame: Frame) -> Cuts:
    """Return the cuts that serve a lone request fastest; there must be some that fit."""
    tables, lone = frame.tables, frame.lone
    cuts: list[int] = []
    a = 0
    for j in range(tables.tier_count - 1):
        b = np.arange(a + 1, tables.block_count + 1)
        work = tables.flops_before[b] - tables.flops_before[a]
        weight = tables.weights_before[b] - tables.weights_before[a]
        send = tables.activation[b - 1] / tables.bandwidth[j] + lone[j + 1, b]
        time = np.full(len(b), np.inf)
        for speed, memory in zip(tables.speed[j], tables.memory[j], strict=True):
            np.minimum(time, work / speed + send, out=time, where=weight <= memory)
        a = int(b[np.argmin(time)])
        cuts.append(a)
    return tuple(cuts)


def descend(frame: Frame, budget: Budget) -> Cuts:
    """Return the best cuts found, as judged by all requests; equal cuts are tried as they are."""
    kernels, _ = compiled("partition_schedule.schedule_kernels.online")
    arrays, tables = frame.arrays, frame.tables
    early = np.sort(np.argsort(arrays[2], kind="stable")[:WINDOW])
    judged = (arrays[0], arrays[1][early], arrays[2][early], *arrays[3:])
    trials = max(1, DISPATCHES // (len(early) * tables.tier_count))
    found = [alone_cuts(frame)]
    for other in (bsdp_cuts(tables, budget), equal_cuts(tables)):
        if other is not None and other not in found:
            found.append(other)
    for start in found[:2]:
        cuts, value = np.array(start, dtype=np.int64), np.full(1, np.inf)
        budget.call(kernels.online_cuts, judged, cuts[None, :], value, budget.stop)
        budget.call(kernels.improve_cuts, judged, cuts, float(value[0]), trials, budget.stop)
        found.append(tuple(cuts.tolist()))
    candidates, values = np.array(found, dtype=np.int64), np.full(len(found), np.inf)
    budget.call(kernels.online_cuts, arrays, candidates, values, budget.stop)
    return found[int(values.argmin())]
