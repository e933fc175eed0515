"""Dispatching in plain Python, event by event, as the page says it (spec section 6)."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shardopt.models.partition_schedule.tables import Cuts, Tables
from shardopt.solvers.partition_schedule.policy import Arts

Choose = Callable[[int, int, float, list[float], float], int]
"""Request, tier, time, outstanding FLOP by node and FLOP of the request: the node."""


@dataclass(frozen=True)
class Schedule:
    """``node[r, j]`` within the tier, ``start[r, j]`` since the first arrival."""

    node: np.ndarray
    start: np.ndarray


def dispatched(tables: Tables, cuts: Cuts, choose: Choose) -> Schedule:
    """Send each request, on reaching a tier, to the chosen node; first come, first served."""
    node = np.zeros((tables.request_count, tables.tier_count), dtype=np.int64)
    start = np.zeros(node.shape)
    flops = [tables.flops(a, b) for a, b in tables.runs(cuts)]
    free = [[0.0] * len(speed) for speed in tables.speed]
    events = [(now, 0, r) for r, now in enumerate(tables.arrival_s.tolist())]
    heapq.heapify(events)
    while events:
        now, j, r = heapq.heappop(events)
        speed = tables.speed[j].tolist()
        outstanding = [max(0.0, f - now) * c for f, c in zip(free[j], speed, strict=True)]
        work = float(tables.tokens[r]) * flops[j]
        k = choose(r, j, now, outstanding, work)
        node[r, j], start[r, j] = k, max(now, free[j][k])
        free[j][k] = start[r, j] + work / speed[k]
        if j + 1 < tables.tier_count:
            reached = free[j][k] + float(tables.transfer_s(j, cuts[j])[r])
            heapq.heappush(events, (reached, j + 1, r))
    return Schedule(node, start)


def eligible(tables: Tables, cuts: Cuts) -> list[list[int]]:
    """Return the nodes of each tier that its run fits on."""
    runs = enumerate(tables.runs(cuts))
    return [np.flatnonzero(tables.eligible(j, a, b)).tolist() for j, (a, b) in runs]


def by_arts(tables: Tables, cuts: Cuts) -> Schedule:
    """Let a policy object for each tier choose."""
    policies = [Arts(speed.tolist()) for speed in tables.speed]
    may = eligible(tables, cuts)

    def choose(r: int, j: int, now: float, outstanding: list[float], work: float) -> int:
        return policies[j].choose(outstanding, work, may[j])

    return dispatched(tables, cuts, choose)


def by_rank(tables: Tables, cuts: Cuts) -> Schedule:
    """Give each request the node of its rank of arrival, modulo their number."""
    may = eligible(tables, cuts)
    order = sorted(range(tables.request_count), key=lambda r: (tables.arrival_s[r], r))
    rank = {r: n for n, r in enumerate(order)}
    return dispatched(tables, cuts, lambda r, j, *_: may[j][rank[r] % len(may[j])])


def by_upward_rank(tables: Tables, cuts: Cuts) -> Schedule:
    """HEFT, looking at every gap between services one by one."""
    tiers, may = range(tables.tier_count), eligible(tables, cuts)
    service = [tables.service_s(j, a, b) for j, (a, b) in enumerate(tables.runs(cuts))]
    transfer = [tables.transfer_s(j, cut) for j, cut in enumerate(cuts)]
    transfer.append(np.zeros(tables.request_count))
    rank: dict[tuple[int, int], float] = {}
    for r in range(tables.request_count):
        after = 0.0
        for j in reversed(tiers):
            after += float(np.mean(service[j][r, may[j]]) + transfer[j][r])
            rank[r, j] = after
    node = np.zeros((tables.request_count, len(tiers)), dtype=np.int64)
    start = np.zeros(node.shape)
    ready = tables.arrival_s.tolist()
    busy: dict[tuple[int, int], list[tuple[float, float]]] = {
        (j, k): [] for j in tiers for k in may[j]
    }
    for r, j in in_chains(rank):
        best, at = float("inf"), (-1, 0.0)
        for k in may[j]:
            s = float(service[j][r, k])
            begin = first_gap(busy[j, k], ready[r], s)
            if begin + s < best * (1 - 1e-12) or at[0] < 0:
                best, at = begin + s, (k, begin)
        node[r, j], start[r, j] = at
        busy[j, at[0]] = sorted([*busy[j, at[0]], (at[1], best)])
        ready[r] = best + float(transfer[j][r])
    return Schedule(node, start)


def in_chains(rank: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """Sort by falling rank; those that follow each other within 1e-12 by request, then tier."""
    chains: list[list[tuple[int, int]]] = []
    last = float("inf")
    for operation in sorted(rank, key=lambda one: -rank[one]):
        if not chains or last - rank[operation] > 1e-12 * last:
            chains.append([])
        chains[-1].append(operation)
        last = rank[operation]
    return [operation for chain in chains for operation in sorted(chain)]


def first_gap(busy: list[tuple[float, float]], ready: float, service: float) -> float:
    """Return the first start not before ``ready`` at which the node stays idle long enough."""
    now = ready
    for begin, end in busy:
        if now + service <= begin:
            break
        now = max(now, end)
    return now
