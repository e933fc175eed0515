"""`cold-start`: labels over cuts, last types and what is left of types, forward and backward."""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.cold_start.kernels.layout import F3, I1, I2, MODEL, OPTIONS, STOP
from shardopt.solvers.cold_start.kernels.senders import insert, insert_large, slack_of


@njit(nb.int64(F3, nb.float64, STOP), **OPTIONS)
def fill(table, number, stop):
    """Set all entries, polling: the first touch of gigabytes takes seconds. 1 when stopped."""
    for i in range(table.shape[0]):
        if stop[0]:
            return 1
        table[i] = number
    return 0


@njit(
    nb.int64(MODEL, I1, I1, I1, I1, I1, F3, nb.float64, nb.float64, I1, F3, STOP),
    **OPTIONS,
)
def forward(
    model, available, place, largest, old_place, old_slab, latest, upper, margin, slab, value, stop
):
    """Compute the least finish of blocks ``[0, b)`` by state, cut and last type.

    A state ``q`` counts the devices used so far of the critical types, in mixed radix:
    ``place[e]`` is the place value of type ``e``, 0 if it is not critical. Types that are not
    critical are counted by nobody, so the recurrence (spec section 4.5) is a relaxation, and
    exact when all are critical. ``available[e]`` devices exist of a type; one of them holds
    ``largest[e]`` blocks at most.

    State ``q`` has its labels in ``value[slab[q], b, e]``. Slabs are handed out when a state is
    first reached, so that memory goes to states that exist; ``slab`` must come filled with -1.

    Labels are dropped when they exceed ``upper``, or the deadline of the round before, by more
    than ``margin``, or when the devices that are left cannot hold the blocks that are left.
    That deadline is ``latest[old_slab[p], b, e]``, ``p`` counting by ``old_place``; a state
    that the round before did not reach (-1) leads nowhere.

    Returns 0; 1 when stopped early; 2 when there are no slabs left.
    """
    layerwise, work, weight, activation, inv_c, inv_r, inv_rate, latency, reach = model
    type_count, block_count = reach.shape
    list_x, list_s = np.empty(type_count), np.empty(type_count)
    alive = np.empty(type_count, dtype=np.int64)
    used = np.empty(type_count, dtype=np.int64)
    slab[0], slabs = 0, 1
    value[0] = np.inf
    for q in range(slab.shape[0]):
        if slab[q] < 0:
            continue
        here = value[slab[q]]
        old_q, least = 0, block_count
        for e in range(type_count):
            used[e] = (q // place[e]) % (available[e] + 1) if place[e] > 0 else 0
            old_q += used[e] * old_place[e]
            least -= (available[e] - used[e]) * largest[e]
        for a in range(0 if q == 0 else max(1, least), block_count):
            if stop[0]:
                return 1
            alive_count = 0
            if a > 0:
                for d in range(type_count):
                    if here[a, d] < np.inf:
                        alive[alive_count] = d
                        alive_count += 1
                if alive_count == 0:
                    continue
            for e in range(type_count):
                last = reach[e, a]
                if used[e] >= available[e] or last == a:
                    continue
                old = old_slab[old_q + old_place[e]]
                if old < 0:
                    continue
                # What the senders offer: the envelope of (X, V + X); nothing to wait for at 0.
                size, ready = 0, np.inf
                if a == 0:
                    size, ready = 1, 0.0
                    list_x[0], list_s[0] = 0.0, 0.0
                for i in range(alive_count):
                    d = alive[i]
                    if d == e and available[e] < 2:
                        continue
                    x = latency + activation[a - 1] * inv_rate[d, e]
                    s = here[a, d] + x
                    ready = min(ready, s)
                    if not layerwise:
                        size = insert(list_x, list_s, size, x, s)
                if ready == np.inf:
                    continue
                target = q + place[e]
                if slab[target] < 0:
                    if slabs == value.shape[0]:
                        return 2
                    slab[target] = slabs
                    value[slabs] = np.inf
                    slabs += 1
                there = value[slab[target]]
                first = least + largest[e] if place[e] > 0 else least
                slack = -np.inf
                for b in range(a + 1, last + 1):
                    comp = (work[b] - work[a]) * inv_c[e]
                    load = (weight[b] - weight[a]) * inv_r[e]
                    if layerwise:
                        # G(a,b) = Comp(a,b) + max over i of [ Load(a,i+1) - Comp(a,i) ]
                        slack = max(slack, load - (work[b - 1] - work[a]) * inv_c[e])
                        finish = comp + max(ready, slack)
                    else:
                        finish = np.inf
                        for i in range(size):
                            finish = min(finish, max(load + list_x[i], list_s[i]))
                        finish += comp
                    if finish > upper + margin:
                        break  # both terms only grow with b
                    if b >= first and finish < there[b, e] and finish <= latest[old, b, e] + margin:
                        there[b, e] = finish
    return 0


@njit(
    nb.int64(MODEL, I1, I1, I1, F3, nb.float64, nb.float64, F3, STOP),
    **OPTIONS,
)
def backward(model, available, place, slab, value, upper, margin, latest, stop):
    """Compute ``latest[slab[q], a, d]``: the latest finish of ``[0, a)`` that can meet ``upper``.

    Only where ``value`` is finite; elsewhere, and where nothing can follow, -infinity.
    Returns 1 when stopped early, else 0.
    """
    layerwise, work, weight, activation, inv_c, inv_r, inv_rate, latency, reach = model
    type_count, block_count = reach.shape
    list_r, list_s = np.empty(block_count + 1), np.empty(block_count + 1)
    alive, transfer = np.empty(type_count, dtype=np.int64), np.empty(type_count)
    for q in range(slab.shape[0] - 1, -1, -1):
        if slab[q] < 0:
            continue
        here, due_here = value[slab[q]], latest[slab[q]]
        due_here[:] = -np.inf
        for d in range(type_count):
            if here[block_count, d] < np.inf:
                due_here[block_count, d] = upper
        for a in range(block_count - 1, 0, -1):
            if stop[0]:
                return 1
            alive_count = 0
            for d in range(type_count):
                if here[a, d] < np.inf:
                    alive[alive_count] = d
                    alive_count += 1
            if alive_count == 0:
                continue
            for e in range(type_count):
                if place[e] > 0 and (q // place[e]) % (available[e] + 1) >= available[e]:
                    continue
                following = slab[q + place[e]]
                if following < 0:
                    continue
                least_x, most_x = np.inf, -np.inf
                for i in range(alive_count):
                    d = alive[i]
                    x = latency + activation[a - 1] * inv_rate[d, e]
                    if d == e and available[e] < 2:
                        x = np.inf  # never in time
                    else:
                        least_x, most_x = min(least_x, x), max(most_x, x)
                    transfer[i] = x
                # Per run: it may begin to compute by r, and its loading leaves s for receiving.
                # Only s between the least and the largest transfer make a difference.
                size, best = 0, -np.inf
                slack = -np.inf
                for b in range(a + 1, reach[e, a] + 1):
                    comp = (work[b] - work[a]) * inv_c[e]
                    load = (weight[b] - weight[a]) * inv_r[e]
                    slack = max(slack, load - (work[b - 1] - work[a]) * inv_c[e])
                    if comp > upper + margin:
                        break
                    due = latest[following, b, e]
                    if due == -np.inf:
                        continue
                    r = due - comp
                    if not layerwise:
                        s = min(r - load + margin, most_x)
                        if s >= least_x:
                            size = insert_large(list_r, list_s, size, r, s)
                    elif slack <= r + margin:
                        best = max(best, r)
                if (layerwise and best == -np.inf) or (not layerwise and size == 0):
                    continue
                for i in range(alive_count):
                    if not layerwise:
                        best = -np.inf
                        for j in range(size):
                            if list_s[j] >= transfer[i]:
                                best = max(best, list_r[j])
                    due_here[a, alive[i]] = max(due_here[a, alive[i]], best - transfer[i])
    return 0


@njit(nb.int64(MODEL, I1, I1, I1, F3, I2), **OPTIONS)
def trace_back(model, available, place, slab, value, stages):
    """Write the path of the least label at block L into ``stages[n] = (type, a, b)``.

    Predecessors are found by recomputing the recurrence, so no table of pointers is needed.
    Returns the number of stages, in reverse order; 0 if no path exists.
    """
    layerwise, work, weight, activation, inv_c, inv_r, inv_rate, latency, reach = model
    type_count, block_count = reach.shape
    best = np.inf
    q = e = 0
    for state in range(slab.shape[0]):
        if slab[state] >= 0:
            for last in range(type_count):
                if value[slab[state], block_count, last] < best:
                    best, q, e = value[slab[state], block_count, last], state, last
    if best == np.inf:
        return 0
    b, n = block_count, 0
    while b > 0:
        before = q - place[e]
        nearest, from_a, from_d = np.inf, 0, -1
        slack = 0.0
        for a in range(b - 1, -1, -1):
            if reach[e, a] < b:
                break
            comp = (work[b] - work[a]) * inv_c[e]
            load = (weight[b] - weight[a]) * inv_r[e]
            if layerwise:
                slack = slack_of(work, weight, inv_c[e], inv_r[e], a, b)
            if a == 0:
                if before == 0:
                    finish = comp + (slack if layerwise else load)
                    if finish < nearest:
                        nearest, from_a, from_d = finish, 0, -1
                continue
            if slab[before] < 0:
                continue
            for d in range(type_count):
                ready = value[slab[before], a, d]
                if ready == np.inf or (d == e and available[e] < 2):
                    continue
                x = latency + activation[a - 1] * inv_rate[d, e]
                if layerwise:
                    finish = comp + max(ready + x, slack)
                else:
                    finish = comp + max(load + x, ready + x)
                if finish < nearest:
                    nearest, from_a, from_d = finish, a, d
        stages[n, 0], stages[n, 1], stages[n, 2] = e, from_a, b
        n += 1
        b = from_a
        q = before
        e = from_d
    return n
