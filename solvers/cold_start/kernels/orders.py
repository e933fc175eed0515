"""`cold-start`: the best cuts of a given order of devices, and descent over orders."""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.cold_start.kernels.layout import F2, I1, I2, MODEL, OPTIONS, STOP
from shardopt.solvers.cold_start.kernels.senders import insert, slack_of


@njit(nb.float64(MODEL, I1, nb.float64, F2, STOP), **OPTIONS)
def order_value(model, order, cutoff, value, stop):
    """Return the least time over all subsets and cuts for one order of devices (ours).

    ``value[b, n]`` becomes the least finish of blocks ``[0, b)`` whose last device is
    ``order[n]``. Only times below ``cutoff`` are kept; infinity if there is none.
    """
    layerwise, work, weight, activation, inv_c, inv_r, inv_rate, latency, reach = model
    block_count = reach.shape[1]
    count = order.shape[0]
    list_x, list_s = np.empty(count), np.empty(count)
    value[:] = np.inf
    for a in range(block_count):
        if stop[0]:
            return np.inf
        first = -1
        for n in range(count):
            e = order[n]
            last = reach[e, a]
            if last > a:
                size, ready = 0, np.inf
                if a == 0:
                    size, ready = 1, 0.0
                    list_x[0], list_s[0] = 0.0, 0.0
                elif first >= 0:
                    for m in range(first, n):
                        if value[a, m] < np.inf:
                            x = latency + activation[a - 1] * inv_rate[order[m], e]
                            s = value[a, m] + x
                            ready = min(ready, s)
                            if not layerwise:
                                size = insert(list_x, list_s, size, x, s)
                if ready < np.inf:
                    slack = -np.inf
                    for b in range(a + 1, last + 1):
                        comp = (work[b] - work[a]) * inv_c[e]
                        load = (weight[b] - weight[a]) * inv_r[e]
                        if layerwise:
                            slack = max(slack, load - (work[b - 1] - work[a]) * inv_c[e])
                            finish = comp + max(ready, slack)
                        else:
                            finish = np.inf
                            for i in range(size):
                                finish = min(finish, max(load + list_x[i], list_s[i]))
                            finish += comp
                        if finish >= cutoff:
                            break
                        if finish < value[b, n]:
                            value[b, n] = finish
            if first < 0 and a > 0 and value[a, n] < np.inf:
                first = n
    best = np.inf
    for n in range(count):
        best = min(best, value[block_count, n])
    return best


@njit(nb.int64(MODEL, I1, F2, I2), **OPTIONS)
def order_stages(model, order, value, stages):
    """Write the plan behind `order_value` into ``stages``, last stage first; return its length."""
    layerwise, work, weight, activation, inv_c, inv_r, inv_rate, latency, reach = model
    block_count = reach.shape[1]
    n, best = 0, np.inf
    for m in range(order.shape[0]):
        if value[block_count, m] < best:
            n, best = m, value[block_count, m]
    if best == np.inf:
        return 0
    b, length = block_count, 0
    while b > 0:
        e = order[n]
        nearest, from_a, from_n = np.inf, 0, -1
        for a in range(b - 1, -1, -1):
            if reach[e, a] < b:
                break
            comp = (work[b] - work[a]) * inv_c[e]
            load = (weight[b] - weight[a]) * inv_r[e]
            slack = slack_of(work, weight, inv_c[e], inv_r[e], a, b) if layerwise else 0.0
            if a == 0:
                finish = comp + (slack if layerwise else load)
                if finish < nearest:
                    nearest, from_a, from_n = finish, 0, -1
                continue
            for m in range(n):
                if value[a, m] < np.inf:
                    x = latency + activation[a - 1] * inv_rate[order[m], e]
                    if layerwise:
                        finish = comp + max(value[a, m] + x, slack)
                    else:
                        finish = comp + max(load + x, value[a, m] + x)
                    if finish < nearest:
                        nearest, from_a, from_n = finish, a, m
        stages[length, 0], stages[length, 1], stages[length, 2] = e, from_a, b
        length += 1
        b, n = from_a, from_n
    return length


@njit(nb.float64(MODEL, I1, nb.float64, nb.int64, F2, STOP), **OPTIONS)
def descend(model, order, best, evaluations, value, stop):
    """Improve ``order`` in place: move one device at a time, first improvement.

    Ends in a local optimum, or after so many evaluations. Returns the value of the final
    order; ``best`` is the value of the given one.
    """
    count = order.shape[0]
    trial = np.empty_like(order)
    improved = True
    while improved:
        improved = False
        for i in range(count):
            for j in range(count):
                if i == j or j == i - 1:  # the latter is the move of the neighbour
                    continue
                moved, m = order[i], 0
                for n in range(count):
                    if n == i:
                        continue
                    if m == j:
                        trial[m] = moved
                        m += 1
                    trial[m] = order[n]
                    m += 1
                if m < count:
                    trial[m] = moved
                found = order_value(model, trial, best, value, stop)
                evaluations -= 1
                if stop[0] or evaluations < 0:
                    return best
                if found < best * (1 - 1e-12):
                    best = found
                    order[:] = trial
                    improved = True
    return best
