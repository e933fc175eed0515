"""`partition-schedule`: sums of completions by the places of jobs on their nodes."""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.partition_schedule.schedule_kernels.layout import F1, I1, OPTIONS, PIPE, ROOM
from shardopt.solvers.partition_schedule.schedule_kernels.sorting import sort_values


@njit(nb.float64(F1, nb.int64, F1, nb.int64, nb.int64, I1, F1), **OPTIONS)
def placed_cost(work, n, speed, first, nodes, places, node_time):
    """Return the least sum of completions with ``places[k]`` jobs on node k, all there at once.

    The i-th job from the end of a node counts i times; ``work`` falls, and the largest work
    takes the smallest of the multipliers i / C_k that are left.
    """
    total = 0.0
    for k in range(nodes):
        total += places[k] * node_time[k]
        places[nodes + k] = 0
    for i in range(n):
        least, at = np.inf, 0
        for k in range(nodes):
            if places[nodes + k] < places[k]:
                multiplier = (places[nodes + k] + 1) / speed[first + k]
                if multiplier < least:
                    least, at = multiplier, k
        places[nodes + at] += 1
        total += work[i] * least
    return total


@njit(nb.float64(F1, nb.int64, F1, nb.int64, nb.int64, I1, F1), **OPTIONS)
def positional(work, n, speed, first, nodes, places, node_time):
    """Return the least sum of completions of jobs that are all there, without preemption.

    As a function of the numbers of jobs per node this is M-convex (a minimum-cost flow), so
    that a descent over moves of one job from node to node ends in the minimum. ``places``
    comes filled with numbers that sum to ``n``.
    """
    best = placed_cost(work, n, speed, first, nodes, places, node_time)
    better = True
    while better:
        better = False
        for k in range(nodes):
            for other in range(nodes):
                if k == other or places[k] == 0:
                    continue
                places[k] -= 1
                places[other] += 1
                cost = placed_cost(work, n, speed, first, nodes, places, node_time)
                if cost < best:
                    best = cost
                    better = True
                else:
                    places[k] += 1
                    places[other] -= 1
    return best


@njit(nb.float64(PIPE, nb.int64, F1, nb.int64, nb.float64, ROOM), **OPTIONS)
def positional_bound(pipe, j, free, n, limit, room):
    """Return the best sum of completions at tier ``j`` from jobs that come late.

    For each m: the jobs from the m-th head on, all at once at that head; the others alone.
    Stops early at ``limit``.
    """
    speed, first = pipe[7], pipe[8]
    own, jobs, heads, works, heap = room[1], room[3], room[4], room[5], room[8]
    places, node_time = room[12], room[13]
    nodes = first[j + 1] - first[j]
    before, best = 0.0, 0.0
    stride = 1 + n // 8
    for m in range(n - 1):
        if m % stride == 0:
            count = n - m
            for i in range(count):
                heap[i] = -works[m + i]
            sort_values(heap, count)
            for i in range(count):
                heap[i] = -heap[i]
            for k in range(nodes):
                node_time[k] = max(free[first[j] + k], heads[m])
                places[k] = count // nodes
            places[0] += count - nodes * (count // nodes)
            cost = positional(heap, count, speed, first[j], nodes, places, node_time)
            best = max(best, before + cost)
            if best >= limit:
                return best
        before += own[j, jobs[m]]
    return best
