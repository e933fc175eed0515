"""`partition-schedule`: a tier as one machine of the summed speed of its nodes, with preemption."""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.partition_schedule.schedule_kernels.layout import F1, OPTIONS, PIPE, ROOM
from shardopt.solvers.partition_schedule.schedule_kernels.sorting import (
    sift_down,
    sift_down_by,
    sift_up,
    sift_up_by,
)


@njit(nb.float64(F1, F1, nb.int64, nb.int64, nb.int64, nb.float64), **OPTIONS)
def pooled_speed(speed, free, first, last, jobs, now):
    """Return the summed speed of the ``jobs`` fastest nodes that are free by ``now``."""
    total, used = 0.0, 0
    for k in range(first, last):
        if used >= jobs:
            break
        if free[k] <= now:
            total += speed[k]
            used += 1
    return total


@njit(nb.float64(F1, nb.int64, nb.int64, nb.float64), **OPTIONS)
def next_free(free, first, last, now):
    """Return the first time after ``now`` at which another node becomes free."""
    best = np.inf
    for k in range(first, last):
        if free[k] > now:
            best = min(best, free[k])
    return best


@njit(
    nb.Tuple((nb.float64, nb.float64, nb.boolean))(
        F1, F1, nb.int64, nb.int64, nb.int64, nb.float64, nb.float64, nb.boolean
    ),
    **OPTIONS,
)
def pooled_rate(speed, free, first, last, jobs, now, rate, settled):
    """Return the speed from ``now``, when it next rises, and whether it never will.

    ``rate`` and ``settled`` are what is known from before.
    """
    if settled:
        return rate, np.inf, True
    event = next_free(free, first, last, now)
    rate = pooled_speed(speed, free, first, last, jobs, now)
    return rate, event, jobs >= last - first and event == np.inf


@njit(nb.void(F1, F1, nb.int64, F1, F1, nb.int64, nb.int64, F1, F1), **OPTIONS)
def shortest_remaining(head, work, n, speed, free, first, last, heap, done):
    """Write ``done[i]``, the i-th completion on one machine, shortest remaining work first.

    The machine has the summed speed of the nodes that are free, of no more of them than jobs
    have come: no schedule of the tier has completed more jobs at any time. ``head`` rises.
    """
    size, came, finished = 0, 0, 0
    now, rate, event, settled = 0.0, 0.0, 0.0, False
    while finished < n:
        if event <= now:  # something has come or become free
            while came < n and head[came] <= now:
                sift_up(heap, work[came], size)
                size += 1
                came += 1
            rate, event, settled = pooled_rate(speed, free, first, last, came, now, rate, settled)
            if came < n:
                event = min(event, head[came])
        if size == 0 or rate == 0.0:
            now = event
            continue
        end = now + heap[0] / rate
        if end > event:
            heap[0] -= (event - now) * rate
            now = event
            continue
        done[finished] = end
        finished += 1
        now = end
        size -= 1
        if size > 0:
            heap[0] = heap[size]
            sift_down(heap, 0, size)


@njit(nb.float64(PIPE, nb.int64, F1, nb.int64, ROOM), **OPTIONS)
def mean_busy_bound(pipe, j, free, n, room):
    """Return a bound of the sum of completions from the mean times at which jobs are served.

    A job of work w ends at least w / (2 C) after the mean of its service, C being the fastest
    node's speed. The sum of the means is least on one pooled machine that always serves the
    job of least work, with preemption (Goemans et al. 2002, for one machine).
    """
    speed, first = pipe[7], pipe[8]
    heads, works, rest, queue = room[4], room[5], room[8], room[11]
    low, high = first[j], first[j + 1]
    size, came, finished = 0, 0, 0
    now, rate, event, settled = 0.0, 0.0, 0.0, False
    total = 0.0
    while finished < n:
        if event <= now:
            while came < n and heads[came] <= now:
                rest[came] = works[came]
                total += works[came] / (2.0 * speed[low])
                sift_up_by(works, queue, came, size)
                size += 1
                came += 1
            rate, event, settled = pooled_rate(speed, free, low, high, came, now, rate, settled)
            if came < n:
                event = min(event, heads[came])
        if size == 0 or rate == 0.0:
            now = event
            continue
        top = queue[0]
        served = min(rest[top], (event - now) * rate)
        total += (now + served / (2.0 * rate)) * (served / works[top])
        if served == rest[top]:
            finished += 1
            now += served / rate
            size -= 1
            if size > 0:
                sift_down_by(works, queue, queue[size], size)
        else:
            rest[top] -= served
            now = event
    return total


@njit(nb.float64(PIPE, nb.int64, F1, nb.int64, ROOM), **OPTIONS)
def largest_tail_first(pipe, j, free, n, room):
    """Return the least of the greatest completion plus tail on one pooled machine (Jackson).

    With preemption, the job with the largest tail is served first; the machine is that of
    `shortest_remaining`.
    """
    tokens, speed, first, tail = pipe[1], pipe[7], pipe[8], pipe[9]
    jobs, heads, works, rest, keys, queue = room[3], room[4], room[5], room[8], room[9], room[11]
    low, high = first[j], first[j + 1]
    size, came, worst = 0, 0, 0.0
    now, rate, event, settled = 0.0, 0.0, 0.0, False
    finished = 0
    while finished < n:
        if event <= now:
            while came < n and heads[came] <= now:
                rest[came], keys[came] = works[came], -tokens[jobs[came]] * tail[j]
                sift_up_by(keys, queue, came, size)
                size += 1
                came += 1
            rate, event, settled = pooled_rate(speed, free, low, high, came, now, rate, settled)
            if came < n:
                event = min(event, heads[came])
        if size == 0 or rate == 0.0:
            now = event
            continue
        top = queue[0]
        end = now + rest[top] / rate
        if end > event:
            rest[top] -= (event - now) * rate
            now = event
            continue
        worst = max(worst, end - keys[top])
        finished += 1
        now = end
        size -= 1
        if size > 0:
            sift_down_by(keys, queue, queue[size], size)
    return worst
