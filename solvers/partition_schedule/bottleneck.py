"""`partition-schedule`: `bottleneck-dp`, the published problem P0 exactly (spec section 4.3).

One request: the largest stage plus the sum of transfers. A dynamic programme finds the cheapest
transfers among cuts whose stages stay below a limit; the search for the best limit is ours.
"""

from __future__ import annotations

import heapq
import logging
from dataclasses import dataclass

import numpy as np

from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.tables import Cuts, FloatArray, Tables, make_tables
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.partition_schedule.stages import UNLIMITED, Stages, least_stage, make_stages

_log = logging.getLogger("shardopt")


def bottleneck_dp(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    on_progress: OnProgress | None = None,
) -> Result:
    """Minimise the largest stage plus the transfers of the one request.

    With another objective than `bottleneck` it finds nothing.
    """
    name = "bottleneck-dp"
    _, compile_s = compiled("partition_schedule.cut_kernels")
    budget = Budget(time_limit, on_progress)
    if instance.objective != "bottleneck":
        reason = f"made for the objective bottleneck only, not for {instance.objective}"
        _log.warning("%s: %s", name, reason)
        extra = {"reason": reason}
        return finish(instance, name, budget, [], compile_s=compile_s, extra=extra)
    with interruptible(budget):
        tables = make_tables(instance)
        found = least_bottleneck(tables, budget)
    proven = found.bound >= found.value
    infeasible = found.bound == np.inf
    return finish(
        instance,
        name,
        budget,
        [None if found.cuts is None else fastest_plan(tables, found.cuts)],
        bound=None if infeasible else found.bound,
        infeasible=infeasible,
        exact_value=found.value if proven and not infeasible else None,
        termination="completed" if proven else None,
        compile_s=compile_s,
    )


@dataclass(frozen=True)
class Found:
    """The best cuts and their value (infinite without any), and a proven bound."""

    cuts: Cuts | None
    value: float
    bound: float


@dataclass(frozen=True, order=True)
class _Open:
    """Cuts with ``low <= largest stage < high``, and the least that their transfers can be."""

    bound: float
    low: float
    high: float
    transfers: float


def least_bottleneck(tables: Tables, budget: Budget) -> Found:
    """Return the best cuts.

    The cheapest transfers g(tau) among stages up to tau fall as tau rises, so an interval of
    tau from ``low`` on is bounded by low + g at its other end. Best first, an interval loses
    the largest stage that is attained below its end, and is halved.
    """
    search = _Limits(tables)
    least = least_stage(search.stages, budget)
    if least is None:
        return Found(None, np.inf, 0.0)
    if least == np.inf:
        return Found(None, np.inf, np.inf)
    search.cheapest(least)
    stage, transfers = search.cheapest(UNLIMITED)
    heap = [_Open(least + transfers, least, stage, transfers)]
    while heap and heap[0].bound < search.value:
        if budget.exhausted():
            return Found(search.cuts, search.value, heap[0].bound)
        budget.report(search.value, heap[0].bound)
        item = heapq.heappop(heap)
        high = min(item.high, search.value - item.transfers)
        stage, transfers = search.cheapest(_below(high))
        if stage <= item.low or stage == np.inf:
            continue
        middle = min(_below(stage), item.low + 0.5 * (stage - item.low))
        above = float(np.nextafter(middle, np.inf))
        heapq.heappush(heap, _Open(above + transfers, above, stage, transfers))
        stage, transfers = search.cheapest(middle)
        if stage < np.inf:
            heapq.heappush(heap, _Open(item.low + transfers, item.low, stage, transfers))
    return Found(search.cuts, search.value, search.value)


class _Limits:
    """The dynamic programme for one limit after the other, and the best cuts so far."""

    def __init__(self, tables: Tables) -> None:
        nodes = [
            [(int(size), float(speed)) for size, speed in zip(sizes, speeds, strict=True)]
            for sizes, speeds in zip(tables.memory, tables.speed, strict=True)
        ]
        self.stages: Stages = make_stages(tables, nodes, tokens=float(tables.tokens[0]))
        self.cuts: Cuts | None = None
        self.value = np.inf
        self._send = transfers_s(tables)
        self._begin = np.zeros((tables.tier_count, tables.block_count + 1), dtype=np.int32)

    def cheapest(self, limit: float) -> tuple[float, float]:
        """Return largest stage and transfers of the cuts of least transfers with such stages."""
        kernels, _ = compiled("partition_schedule.cut_kernels")
        cuts = np.zeros(self.stages.tier_count - 1, dtype=np.int64)
        stage, transfers = kernels.cheapest_below(
            self.stages.arrays, self._send, limit, self._begin, cuts
        )
        if stage + transfers < self.value:
            self.cuts, self.value = tuple(cuts.tolist()), stage + transfers
        return stage, transfers


def _below(value: float) -> float:
    return float(np.nextafter(value, -np.inf))


def transfers_s(tables: Tables) -> FloatArray:
    """Return ``float[tier, cut]``: what the transfer from a tier to the next takes at each cut."""
    send = np.zeros((tables.tier_count - 1, tables.block_count + 1))
    handed = tables.tokens[0] * tables.activation
    send[:, 1:] = tables.latency[:, None] + handed / tables.bandwidth[:, None]
    return send


def fastest_plan(tables: Tables, cuts: Cuts) -> Solution:
    """Return the plan of the one request on the fastest node of each tier."""
    node = np.zeros((1, tables.tier_count), dtype=np.int64)
    start = np.zeros((1, tables.tier_count))
    now = 0.0
    for j, (a, b) in enumerate(tables.runs(cuts)):
        service = tables.service_s(j, a, b)[0]
        node[0, j], start[0, j] = service.argmin(), now
        now += float(service.min())
        now += float(tables.transfer_s(j, b)[0]) if j + 1 < tables.tier_count else 0.0
    return tables.to_solution(cuts, node, start)
