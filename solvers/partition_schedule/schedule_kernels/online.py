"""`partition-schedule`: online dispatching under many cuts, and cuts moved while it gains."""

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


@njit(nb.float64(PIPE, F1, I1, F1, F1, I2, F2), **OPTIONS)
def dispatch_online(pipe, arrival, order, ready, free, node, start):
    """Send each request, on reaching a tier, to the node that ends it first; FIFO (ARTS).

    ``node`` and ``start`` receive the plan; returns the sum (the greatest) of the completions.
    """
    makespan, tokens, flops, latency, transfer, _, _, speed, first, _, _ = pipe
    tiers, requests = len(flops), len(arrival)
    ready[:] = arrival
    free[:] = 0.0
    for j in range(tiers):
        order[:] = np.argsort(ready, kind="mergesort")
        for i in range(requests):
            r = order[i]
            work = tokens[r] * flops[j]
            least, at = np.inf, first[j]
            for k in range(first[j], first[j + 1]):
                end = max(ready[r], free[k]) + work / speed[k]
                if end < least:
                    least, at = end, k
            node[r, j] = at
            start[r, j] = max(ready[r], free[at])
            free[at] = least
            ready[r] = least + (latency[j] + tokens[r] * transfer[j])
    return ready.max() if makespan else ready.sum()


@njit(nb.void(FRAME, I2, F1, STOP), **OPTIONS)
def online_cuts(frame, cuts, values, stop):
    """Write the value of online dispatching for each vector of cuts, infinite if none fits."""
    arrival = frame[2]
    requests, tiers = len(arrival), len(frame[9]) - 1
    order, ready = np.empty(requests, dtype=np.int64), np.empty(requests)
    node, start = np.empty((requests, tiers), dtype=np.int64), np.empty((requests, tiers))
    free = np.empty(len(frame[7]))
    for v in range(len(cuts)):
        if stop[0]:
            return
        pipe = make_pipe(frame, cuts[v], tiers - 1)
        if np.isfinite(pipe[5].sum()):
            values[v] = dispatch_online(pipe, arrival, order, ready, free, node, start)


@njit(nb.float64(FRAME, I1, nb.float64, nb.int64, STOP), **OPTIONS)
def improve_cuts(frame, cuts, value, trials, stop):
    """Move one cut at a time by 1, 2, 4, ... blocks while online dispatching gains by it.

    The best move of a cut is made, then the next cut's; ``value`` is that of ``cuts``, which
    are changed in place. Ends after a round without a gain, or after ``trials`` cuts tried.
    """
    blocks, inner = len(frame[4]), len(cuts)
    trial, values = np.empty((1, inner), dtype=np.int64), np.empty(1)
    tried, idle = 0, 0
    while idle < inner:
        for i in range(inner):
            low = cuts[i - 1] if i > 0 else 0
            high = cuts[i + 1] if i + 1 < inner else blocks
            best_value, best_cut = value, cuts[i]
            step = 1
            while step < blocks:
                for cut in (cuts[i] - step, cuts[i] + step):
                    if cut <= low or cut >= high:
                        continue
                    if tried == trials or stop[0]:
                        cuts[i] = best_cut
                        return best_value
                    tried += 1
                    trial[0] = cuts
                    trial[0, i] = cut
                    values[0] = np.inf
                    online_cuts(frame, trial, values, stop)
                    if values[0] < best_value:
                        best_value, best_cut = values[0], cut
                step *= 2
            idle = 0 if best_cut != cuts[i] else idle + 1
            cuts[i], value = best_cut, best_value
            if idle == inner:
                break
    return value
