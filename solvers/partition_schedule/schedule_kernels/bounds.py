"""`partition-schedule`: lower bounds of a state, and of cuts (spec section 4.4, step 3)."""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.partition_schedule.schedule_kernels.counts import (
    counted_tails,
    follow,
    least_spans,
    suffix_bound,
)
from shardopt.solvers.partition_schedule.schedule_kernels.layout import (
    F1,
    FEW,
    FRAME,
    I1,
    I2,
    OPTIONS,
    PIPE,
    ROOM,
    STOP,
    make_room,
)
from shardopt.solvers.partition_schedule.schedule_kernels.lone import lone_passage
from shardopt.solvers.partition_schedule.schedule_kernels.pipe import make_pipe
from shardopt.solvers.partition_schedule.schedule_kernels.pooled import (
    largest_tail_first,
    mean_busy_bound,
    shortest_remaining,
)
from shardopt.solvers.partition_schedule.schedule_kernels.positions import positional_bound
from shardopt.solvers.partition_schedule.schedule_kernels.sorting import sort_by, sort_values

MANY_NODES = 16
"""Beyond so many nodes in a tier positions are not counted any more."""


@njit(nb.int64(PIPE, nb.int64, I1, F1, ROOM), **OPTIONS)
def gather(pipe, j, stage, free, room):
    """Write the jobs of tier ``j`` by head, with heads and works; return how many there are.

    They are the requests that must still be served there.
    """
    tokens, flops = pipe[1], pipe[2]
    head, jobs, heads, works = room[0], room[3], room[4], room[5]
    n = 0
    for r in range(len(stage)):
        if stage[r] <= j:
            jobs[n] = r
            n += 1
    sort_by(head[j], jobs, n)
    for i in range(n):
        heads[i] = head[j, jobs[i]]
        works[i] = tokens[jobs[i]] * flops[j]
    return n


@njit(nb.void(PIPE, nb.int64, I1, F1, nb.int64, nb.boolean, ROOM), **OPTIONS)
def completions(pipe, j, stage, free, n, coupled, room):
    """Write what the i-th completion of the gathered jobs at tier ``j`` is at least.

    ``coupled`` says that ``came`` holds the arrivals of those that are not at the tier yet.
    """
    speed, first = pipe[7], pipe[8]
    _, own, _, jobs, heads, works, done, came, heap, sums, span, _, _, _ = room
    low, high = first[j], first[j + 1]
    shortest_remaining(heads, works, n, speed, free, low, high, heap, done)
    for i in range(n):
        heap[i] = own[j, jobs[i]]
    sort_values(heap, n)
    for i in range(n):
        done[i] = max(done[i], heap[i])
    if coupled and 1 < n <= FEW:
        at = n
        for i in range(n):
            if stage[jobs[i]] == j:
                at -= 1
                came[at] = heads[i]
            heap[i] = works[i]
        sort_values(came, n)
        sort_values(heap, n)
        for i in range(n):
            came[i] = max(came[i], heads[i])
        least_spans(heap, n, speed, low, high, sums, span)
        follow(came, n, span, done)


@njit(nb.float64(PIPE, I1, F1, F1, nb.float64, nb.float64, ROOM), **OPTIONS)
def state_bound(pipe, stage, ready, free, cost, limit, room):
    """Return a lower bound of the sum (of the greatest) of the completions from a state.

    ``cost`` is the sum (the greatest) of the completions so far. Stops early at ``limit``.
    Afterwards ``room`` holds the heads of `lone_passage`.
    """
    makespan, tokens, _, latency, transfer, _, pooled, _, first, tail_token, tail_s = pipe
    head, own, lone, jobs, done, came = room[0], room[1], room[2], room[3], room[6], room[7]
    tiers, requests = len(latency), len(stage)
    best = cost
    for r in range(requests):
        if stage[r] < tiers:
            lone[r] = lone_passage(pipe, stage, ready, free, r, head, own)
            best = max(best, lone[r]) if makespan else best + lone[r]
    if best >= limit:
        return best
    total, coupled = best, False
    for j in range(tiers):
        n = gather(pipe, j, stage, free, room)
        if n < 2:
            if n == 1:
                came[0] = own[j, jobs[0]] + (latency[j] + transfer[j] * tokens[jobs[0]])
            coupled = True
            continue
        completions(pipe, j, stage, free, n, coupled and j > 0, room)
        counted = not pooled[j] and 1 < first[j + 1] - first[j] <= MANY_NODES and n <= FEW
        least_tokens = np.inf
        if makespan:
            value = max(
                largest_tail_first(pipe, j, free, n, room),
                suffix_bound(pipe, j, free, n, room),
                counted_tails(pipe, j, free, n, room),
            )
            best = max(best, value + tail_s[j])
            for i in range(n):
                least_tokens = min(least_tokens, tokens[jobs[i]])
        else:
            other, value = total, 0.0
            for i in range(n):
                r = jobs[i]
                other += tokens[r] * tail_token[j] + tail_s[j] - lone[r]
                value += done[i]
                least_tokens = min(least_tokens, tokens[r])
            best = max(best, other + value, other + mean_busy_bound(pipe, j, free, n, room))
            if counted and best < limit:
                best = max(best, other + positional_bound(pipe, j, free, n, limit - other, room))
        if best >= limit:
            return best
        for i in range(n):
            came[i] = done[i] + (latency[j] + transfer[j] * least_tokens)
        coupled = True
    return best


@njit(nb.void(FRAME, I2, nb.int64, nb.float64, F1, STOP), **OPTIONS)
def bound_cuts(frame, cuts, depth, limit, bounds, stop):
    """Raise ``bounds[v]`` to the bound of the cuts ``cuts[v, :depth]``, infinite if none fits."""
    arrival = frame[2]
    stage = np.zeros(len(arrival), dtype=np.int64)
    room = make_room(depth + 1, len(arrival), len(frame[7]))
    free = np.zeros(len(frame[7]))
    for v in range(len(cuts)):
        if stop[0]:
            return
        pipe = make_pipe(frame, cuts[v], depth)
        if not np.isfinite(pipe[5].sum()):
            bounds[v] = np.inf
            continue
        bound = state_bound(pipe, stage, arrival, free, 0.0, limit, room)
        bounds[v] = max(bounds[v], bound)
