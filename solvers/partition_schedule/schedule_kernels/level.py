"""`partition-schedule`: the states of one level, and dominance among them."""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.partition_schedule.schedule_kernels.layout import I1, LEVEL, OPTIONS

CHAIN = 64
"""A state is compared with at most so many that may dominate it."""


@njit(LEVEL(nb.int64, nb.int64, nb.int64), **OPTIONS)
def make_level(states, requests, nodes):
    """Return room for states; memory is touched only when a state is written."""
    return (
        np.empty((states, requests), dtype=np.int8),
        np.empty((states, requests)),
        np.empty((states, nodes)),
        np.empty(states),
        np.empty(states),
        np.empty(states, dtype=np.int64),
        np.empty(states, dtype=np.int64),
    )


@njit(nb.void(LEVEL, nb.int64, LEVEL, nb.int64), **OPTIONS)
def copy_state(source, i, target, k):
    """Copy state ``i`` of one level to place ``k`` of another (or of the same)."""
    target[0][k] = source[0][i]
    target[1][k] = source[1][i]
    target[2][k] = source[2][i]
    target[3][k] = source[3][i]
    target[4][k] = source[4][i]
    target[5][k] = source[5][i]
    target[6][k] = source[6][i]


@njit(nb.boolean(LEVEL, nb.int64, nb.int64, nb.int64, nb.boolean), **OPTIONS)
def dominates(level, a, b, tiers, makespan):
    """Return whether state ``a`` leads to nothing worse than ``b``, of equal stages.

    `mean-latency`: with all times of ``a`` at most ``shift`` later (or earlier by -shift), each
    open request ends at most so much later. `makespan`: nothing later, and ``a``'s cost so far
    below anything that ``b`` leads to.
    """
    stage, ready, free, cost, bound = level[0][a], level[1], level[2], level[3], level[4]
    slack, unfinished = np.inf, 0
    if makespan:
        if cost[a] > bound[b]:
            return False
        slack = 0.0
    else:
        for r in range(len(stage)):
            unfinished += stage[r] < tiers
        if unfinished > 0:
            slack = (cost[b] - cost[a]) / unfinished
        elif cost[a] > cost[b]:
            return False
    for r in range(len(stage)):
        if stage[r] < tiers and ready[a, r] - ready[b, r] > slack:
            return False
    for k in range(free.shape[1]):
        if (free[a, k] > 0.0 or free[b, k] > 0.0) and free[a, k] - free[b, k] > slack:
            return False
    return True


@njit(
    nb.Tuple((nb.int64, nb.float64))(LEVEL, nb.int64, nb.int64, nb.int64, nb.boolean, I1),
    **OPTIONS,
)
def choose(level, n, width, tiers, makespan, chosen):
    """Write the at most ``width`` states of least bound that no other dominates.

    Returns how many there are, and the least bound of those left out for want of room.
    """
    stages, bounds = level[0], level[4]
    order = np.argsort(bounds[:n], kind="mergesort")
    size = 16
    while size < 2 * min(n, width):
        size *= 2
    slot_first = np.full(size, -1, dtype=np.int64)
    slot_last = np.empty(size, dtype=np.int64)
    following = np.full(n, -1, dtype=np.int64)
    count, requests = 0, stages.shape[1]
    for i in order:
        if count == width:
            return count, bounds[i]
        mixed = np.uint64(1469598103934665603)
        for r in range(requests):
            mixed = (mixed ^ np.uint64(stages[i, r])) * np.uint64(1099511628211)
        slot = np.int64((mixed ^ (mixed >> np.uint64(29))) & np.uint64(size - 1))
        while slot_first[slot] >= 0:
            same = True
            for r in range(requests):
                if stages[slot_first[slot], r] != stages[i, r]:
                    same = False
                    break
            if same:
                break
            slot = (slot + 1) & (size - 1)
        other, compared, dominated = slot_first[slot], 0, False
        while other >= 0 and compared < CHAIN and not dominated:
            dominated = dominates(level, other, i, tiers, makespan)
            other = following[other]
            compared += 1
        if dominated:
            continue
        if slot_first[slot] < 0:
            slot_first[slot] = i
        else:
            following[slot_last[slot]] = i
        slot_last[slot] = i
        chosen[count] = i
        count += 1
    return count, np.inf


@njit(nb.int64(LEVEL, nb.int64, I1, nb.int64, nb.uint8[::1]), **OPTIONS)
def compact(level, n, chosen, kept, marked):
    """Move the chosen states to the front, in the order of their places; return their number."""
    marked[:n] = 0
    for i in range(kept):
        marked[chosen[i]] = 1
    at = 0
    for i in range(n):
        if marked[i]:
            copy_state(level, i, level, at)
            at += 1
    return at
