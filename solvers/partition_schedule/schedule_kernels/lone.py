"""`partition-schedule`: requests that have all nodes to themselves."""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.partition_schedule.schedule_kernels.layout import F1, F2, I1, OPTIONS, PIPE


@njit(nb.void(F1, F1, F1, F1, I1, I1, nb.int32[:, ::1], F2), **OPTIONS)
def lone_times(before, activation, bandwidth, speed, memory_class, first, reach, lone):
    """Fill ``lone[tier, cut]``: least seconds per token from there on; latencies excluded.

    For each node the runs that fit end in a window that moves on with their start; a queue
    holds the window's candidates, the best first. Infinite where nothing fits; never above the
    true times, of which differences of large sums may fall short.
    """
    blocks, tiers = len(activation), len(first) - 1
    value, queue = np.empty(blocks + 1), np.empty(blocks + 1, dtype=np.int64)
    lone[:, :] = np.inf
    lone[tiers, blocks] = 0.0
    for j in range(tiers - 1, -1, -1):
        for k in range(first[j], first[j + 1]):
            rounding = 2.0**-50 * before[blocks] / speed[k]
            for b in range(1, blocks + 1):
                send = activation[b - 1] / bandwidth[j] if j < tiers - 1 else 0.0
                value[b] = before[b] / speed[k] + (send + lone[j + 1, b])
            low, high, seen = 0, 0, 0
            for a in range(blocks):
                seen = max(seen, a)
                while seen < reach[memory_class[k], a]:
                    seen += 1
                    while high > low and value[queue[high - 1]] >= value[seen]:
                        high -= 1
                    queue[high] = seen
                    high += 1
                while low < high and queue[low] <= a:
                    low += 1
                if low < high:
                    time = value[queue[low]] - before[a] / speed[k] - rounding
                    lone[j, a] = min(lone[j, a], max(0.0, time))


@njit(nb.float64(nb.float64, nb.float64, F1, F1, nb.int64, nb.int64), **OPTIONS)
def earliest_end(ready, work, speed, free, first, last):
    """Return the least end of a job over nodes ``first`` to ``last - 1``, the fastest first."""
    best = np.inf
    for k in range(first, last):
        if free[k] <= ready:
            return min(best, ready + work / speed[k])  # slower nodes cannot do better
        best = min(best, free[k] + work / speed[k])
    return best


@njit(nb.float64(PIPE, I1, F1, F1, nb.int64, F2, F2), **OPTIONS)
def lone_passage(pipe, stage, ready, free, r, head, own):
    """Write when request ``r``, alone, reaches and leaves each tier; return its completion."""
    _, tokens, flops, latency, transfer, service, pooled, speed, first, _, _ = pipe
    tiers = len(flops)
    now = ready[r]
    for j in range(stage[r], tiers):
        head[j, r] = now
        if pooled[j]:
            end = now + tokens[r] * service[j]
        else:
            end = earliest_end(now, tokens[r] * flops[j], speed, free, first[j], first[j + 1])
        own[j, r] = end
        now = end + (latency[j] + tokens[r] * transfer[j])
    return now
