"""`partition-schedule`: requests served in a given order, and annealing over orders and cuts."""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.partition_schedule.schedule_kernels.layout import (
    F1,
    F2,
    FRAME,
    I1,
    I2,
    OPTIONS,
    PIPE,
    STOP,
)
from shardopt.solvers.partition_schedule.schedule_kernels.pipe import make_pipe
from shardopt.solvers.partition_schedule.schedule_kernels.sorting import sort_by

WARMTH = 0.01
"""At first a plan is left for another that is about so much worse."""
CUT_MOVES = 0.1
"""Share of moves that move a cut, by one of ``STEPS``."""
STEPS = (-2, -1, 1, 2)
CHOICE_MOVES = 0.4
"""Share of trials that do this or change the choice of a node."""


@njit(nb.float64(PIPE, F1, I1, I2, F1, F1, I1, I2, F2), **OPTIONS)
def serve(pipe, arrival, order, choice, ready, free, queue, node, start):
    """Serve rows in ``order`` at the first tier, as they come at the others; return the value.

    ``choice[r, j]`` is the place of a node within its tier; where there is none such, the row
    goes where it ends first. ``node`` and ``start`` receive the plan; the rest is scratch.
    """
    makespan, tokens, flops, latency, transfer, _, _, speed, first, _, _ = pipe
    free[:] = 0.0
    ready[:] = arrival
    queue[:] = order
    for j in range(len(flops)):
        if j > 0:
            sort_by(ready, queue, len(queue))
        for r in queue:
            work, at = tokens[r] * flops[j], first[j] + choice[r, j]
            if choice[r, j] < 0 or at >= first[j + 1]:
                least = np.inf
                for k in range(first[j], first[j + 1]):
                    end = max(ready[r], free[k]) + work / speed[k]
                    if end < least:
                        least, at = end, k
            node[r, j], start[r, j] = at, max(ready[r], free[at])
            free[at] = start[r, j] + work / speed[at]
            ready[r] = free[at] + (latency[j] + tokens[r] * transfer[j])
    return ready.max() if makespan else ready.sum()


@njit(nb.void(I1, nb.int64, nb.int64), **OPTIONS)
def move(order, source, target):
    """Move the item at ``source`` to ``target``; those between make room."""
    item = order[source]
    step = 1 if target > source else -1
    while source != target:
        order[source] = order[source + step]
        source += step
    order[target] = item


@njit(nb.boolean(FRAME, I1, nb.int64, nb.int64), **OPTIONS)
def shift_cut(frame, cuts, i, by):
    """Move a cut if it stays between its neighbours; return whether it does."""
    low = cuts[i - 1] if i > 0 else 0
    high = cuts[i + 1] if i + 1 < len(cuts) else len(frame[4])
    if low < cuts[i] + by < high:
        cuts[i] += by
        return True
    return False


@njit(nb.float64(FRAME, I1, I1, I2, F2, STOP), **OPTIONS)
def anneal(frame, cuts, order, choice, draws, stop):
    """Improve cuts, order and choice of nodes together, all changed in place to the best met.

    Returns their value. A trial takes one row elsewhere in the order, changes the choice of a
    node, or moves a cut, drawn by five uniform ``draws``; worse plans are taken as in simulated
    annealing.
    """
    makespan, arrival, node_first = frame[0], frame[2], frame[9]
    requests, inner = len(order), len(cuts)
    ready, queue, free = np.empty(requests), order.copy(), np.empty(len(frame[7]))
    node, start = np.empty(choice.shape, dtype=np.int64), np.empty(choice.shape)
    now_cuts, now_order, now_choice = cuts.copy(), order.copy(), choice.copy()
    pipe = make_pipe(frame, cuts, inner)
    value = serve(pipe, arrival, order, choice, ready, free, queue, node, start)
    best, origin = value, 0.0 if makespan else arrival.sum()
    trials = len(draws)
    for trial in range(trials):
        if stop[0]:
            break
        warmth = WARMTH * (value - origin) * (1.0 - trial / trials) ** 2
        kind, one, two, tier, patience = draws[trial]
        limit = value - warmth * np.log(1.0 - patience)
        if kind < CUT_MOVES:
            i, by = int(one * inner), STEPS[int(two * len(STEPS))]
            if inner == 0 or not shift_cut(frame, now_cuts, i, by):
                continue
            other, found = make_pipe(frame, now_cuts, inner), np.inf
            if np.isfinite(other[5].sum()):
                found = serve(
                    other, arrival, now_order, now_choice, ready, free, queue, node, start
                )
            if found < limit:
                pipe, value = other, found
            else:
                now_cuts[i] -= by
        elif kind < CHOICE_MOVES:
            r, j = int(one * requests), int(tier * (inner + 1))
            old = now_choice[r, j]
            now_choice[r, j] = int(two * (1 + node_first[j + 1] - node_first[j])) - 1
            found = serve(pipe, arrival, now_order, now_choice, ready, free, queue, node, start)
            if found < limit:
                value = found
            else:
                now_choice[r, j] = old
        else:
            source, target = int(one * requests), int(two * requests)
            move(now_order, source, target)
            found = serve(pipe, arrival, now_order, now_choice, ready, free, queue, node, start)
            if found < limit:
                value = found
            else:
                move(now_order, target, source)
        if value < best:
            best = value
            cuts[:], order[:], choice[:] = now_cuts, now_order, now_choice
    return best
