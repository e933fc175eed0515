"""`partition-schedule`: dispatches, and what they make of a state."""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.partition_schedule.schedule_kernels.layout import (
    F1,
    F2,
    I1,
    I2,
    OPTIONS,
    PIPE,
    make_room,
)
from shardopt.solvers.partition_schedule.schedule_kernels.lone import lone_passage


@njit(nb.Tuple((nb.int64, nb.int64, nb.float64))(PIPE, I1, F1, F1), **OPTIONS)
def next_node(pipe, stage, ready, free):
    """Return tier, node and end of the dispatch that could end first.

    Something undispatched starts on this node before that end: otherwise the dispatch itself
    would fit in, and delay nothing (Giffler and Thompson 1960, for tiers of parallel nodes).
    Whoever is not at the tier yet comes after that end, so one of those that are there is next.
    """
    _, tokens, flops, _, _, _, _, speed, first, _, _ = pipe
    least, tier, node = np.inf, -1, -1
    for r in range(len(stage)):
        j = stage[r]
        if j == len(flops):
            continue
        for k in range(first[j], first[j + 1]):
            end = max(ready[r], free[k]) + tokens[r] * flops[j] / speed[k]
            if end < least:
                least, tier, node = end, j, k
            if free[k] <= ready[r]:
                break  # slower nodes cannot do better
    return tier, node, least


@njit(nb.float64(PIPE, I1, F1, F1, nb.float64, nb.int64, nb.int64, I1, I1), **OPTIONS)
def dispatch(pipe, stage, ready, free, cost, row, node, who, where):
    """Serve a row on a node of its next tier; return the cost so far.

    Keeps rows of equal tokens sorted by (stage falling, ready), and equal nodes by free time;
    ``who`` and ``where`` follow, so that a replay knows the requests and nodes meant.
    """
    makespan, tokens, flops, latency, transfer, _, _, speed, first, _, _ = pipe
    j = stage[row]
    end = max(ready[row], free[node]) + tokens[row] * flops[j] / speed[node]
    free[node] = end
    stage[row] = j + 1
    if j + 1 == len(flops):
        cost = max(cost, end) if makespan else cost + end
        ready[row] = 0.0
    else:
        ready[row] = end + (latency[j] + tokens[row] * transfer[j])
    while row > 0 and tokens[row - 1] == tokens[row]:
        left = row - 1
        ahead = stage[left] > stage[row]
        if ahead or (stage[left] == stage[row] and ready[left] <= ready[row]):
            break
        stage[left], stage[row] = stage[row], stage[left]
        ready[left], ready[row] = ready[row], ready[left]
        who[left], who[row] = who[row], who[left]
        row = left
    while node + 1 < first[j + 1] and speed[node + 1] == speed[node]:
        if free[node + 1] >= free[node]:
            break
        free[node + 1], free[node] = free[node], free[node + 1]
        where[node + 1], where[node] = where[node], where[node + 1]
        node += 1
    return cost


@njit(nb.void(PIPE, I1, F1, F1, F2), **OPTIONS)
def settle(pipe, stage, ready, free, head):
    """Raise times that play no part: nodes wait for requests, and requests for nodes.

    Schedules stay what they are, and more states become comparable. ``head`` must be that of
    `lone_passage`.
    """
    first = pipe[8]
    for j in range(len(first) - 1):
        earliest = np.inf
        for r in range(len(stage)):
            if stage[r] <= j:
                earliest = min(earliest, head[j, r])
        idle = np.inf
        for k in range(first[j], first[j + 1]):
            free[k] = 0.0 if earliest == np.inf else max(free[k], earliest)
            idle = min(idle, free[k])
        for r in range(len(stage)):
            if stage[r] == j:
                ready[r] = max(ready[r], idle)


@njit(nb.void(PIPE, F1, I1, I2, F2), **OPTIONS)
def replay(pipe, arrival, rows, node, start):
    """Write the node (as listed in ``pipe``) and start of each row's service at each tier."""
    requests, tiers, nodes = len(arrival), len(pipe[2]), len(pipe[7])
    stage, ready, free = np.zeros(requests, dtype=np.int64), arrival.copy(), np.zeros(nodes)
    who, where = np.arange(requests), np.arange(nodes)
    room = make_room(tiers, requests, nodes)
    head, own = room[0], room[1]
    for i in range(requests * tiers + 1):
        for r in range(requests):
            if stage[r] < tiers:
                lone_passage(pipe, stage, ready, free, r, head, own)
        settle(pipe, stage, ready, free, head)
        if i == requests * tiers:
            break
        j, k, _ = next_node(pipe, stage, ready, free)
        row = rows[i]
        node[who[row], j] = where[k]
        start[who[row], j] = max(ready[row], free[k])
        dispatch(pipe, stage, ready, free, 0.0, row, k, who, where)
