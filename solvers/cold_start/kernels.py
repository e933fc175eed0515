"""`cold-start`: compiled kernels, all polling ``stop`` and free of the GIL.

Explicit signatures make the import of this module the compilation; numba caches it on disk, so
that only the very first import on a machine takes seconds.

Names used throughout: ``d`` is the sender and ``e`` the receiver, devices or types of devices;
``a`` and ``b`` are cuts, so that a run is ``[a, b)``. Times are in seconds. ``model`` is the
tuple made by `kernel_model`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

_F1, _F2, _F3 = nb.float64[::1], nb.float64[:, ::1], nb.float64[:, :, ::1]
_I1, _I2 = nb.int64[::1], nb.int64[:, ::1]
_STOP = nb.uint8[::1]
_MODEL = nb.Tuple((nb.boolean, _F1, _F1, _F1, _F1, _F1, _F2, nb.float64, _I2))
"""layerwise, work[L+1], weight[L+1], activation[L], inverse compute, inverse load rate,
inverse_rate[sender, receiver], latency, reach[receiver, L]."""

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit(nb.int64(_F3, nb.float64, _STOP), **_OPTIONS)
def fill(table, number, stop):
    """Set all entries, polling: the first touch of gigabytes takes seconds. 1 when stopped."""
    for i in range(table.shape[0]):
        if stop[0]:
            return 1
        table[i] = number
    return 0


@njit(nb.int64(_F1, _F1, nb.int64, nb.float64, nb.float64), **_OPTIONS)
def _insert(list_x, list_s, size, x, s):
    """Add (x, s) to a Pareto list of small x and small s; return the new size.

    A sender with finish V and transfer X gives ``max(Load + X, V + X) + Comp``: with x = X and
    s = V + X one sender is never better than another whose x and s are both at most its own.
    """
    kept = 0
    for i in range(size):
        if list_x[i] <= x and list_s[i] <= s:
            return size
        if list_x[i] < x or list_s[i] < s:
            list_x[kept], list_s[kept] = list_x[i], list_s[i]
            kept += 1
    list_x[kept], list_s[kept] = x, s
    return kept + 1


@njit(nb.int64(_F1, _F1, nb.int64, nb.float64, nb.float64), **_OPTIONS)
def _insert_large(list_r, list_s, size, r, s):
    """Add (r, s) to a Pareto list of large r and large s; return the new size."""
    kept = 0
    for i in range(size):
        if list_r[i] >= r and list_s[i] >= s:
            return size
        if list_r[i] > r or list_s[i] > s:
            list_r[kept], list_s[kept] = list_r[i], list_s[i]
            kept += 1
    list_r[kept], list_s[kept] = r, s
    return kept + 1


@njit(nb.float64(_F1, _F1, nb.float64, nb.float64, nb.int64, nb.int64), **_OPTIONS)
def _slack(work, weight, inv_c, inv_r, a, b):
    """Return ``G(a,b) - Comp(a,b)`` = max over i in the run of [ Load(a,i+1) - Comp(a,i) ]."""
    slack = -np.inf
    for i in range(a, b):
        slack = max(slack, (weight[i + 1] - weight[a]) * inv_r - (work[i] - work[a]) * inv_c)
    return slack


@njit(
    nb.int64(_MODEL, _I1, _I1, _I1, _I1, _I1, _F3, nb.float64, nb.float64, _I1, _F3, _STOP),
    **_OPTIONS,
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
                        size = _insert(list_x, list_s, size, x, s)
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
    nb.int64(_MODEL, _I1, _I1, _I1, _F3, nb.float64, nb.float64, _F3, _STOP),
    **_OPTIONS,
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
                            size = _insert_large(list_r, list_s, size, r, s)
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


@njit(nb.int64(_MODEL, _I1, _I1, _I1, _F3, _I2), **_OPTIONS)
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
                slack = _slack(work, weight, inv_c[e], inv_r[e], a, b)
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


@njit(nb.float64(_MODEL, _I1, nb.float64, _F2, _STOP), **_OPTIONS)
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
                                size = _insert(list_x, list_s, size, x, s)
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


@njit(nb.int64(_MODEL, _I1, _F2, _I2), **_OPTIONS)
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
            slack = _slack(work, weight, inv_c[e], inv_r[e], a, b) if layerwise else 0.0
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


@njit(nb.float64(_MODEL, _I1, nb.float64, nb.int64, _F2, _STOP), **_OPTIONS)
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


@njit(nb.int64(_MODEL, nb.float64[:, :, ::1], _STOP), **_OPTIONS)
def subset_dp(model, value, stop):
    """Fill ``value[set, b, d]`` as published, eqs. (29)-(31) of arXiv 2508.11287.

    V(S,b,e) = min over 0 < a < b <= reach_e(a) and d in S without e of
    Phi_de(a, b; V(S without e, a, d)). ``value`` must come filled with infinity.
    Returns 1 when stopped early, else 0.
    """
    layerwise, work, weight, activation, inv_c, inv_r, inv_rate, latency, reach = model
    device_count, block_count = reach.shape
    # first[e, b]: the least a >= 1 with b <= reach_e(a); own[a, b] of one device: G.
    members = np.empty(device_count, dtype=np.int64)
    own = np.empty((block_count, block_count + 1))
    own_all = np.empty((device_count if layerwise else 0, block_count, block_count + 1))
    for e in range(own_all.shape[0]):
        for a in range(block_count):
            slack = -np.inf
            for b in range(a + 1, reach[e, a] + 1):
                load = (weight[b] - weight[a]) * inv_r[e]
                slack = max(slack, load - (work[b - 1] - work[a]) * inv_c[e])
                own_all[e, a, b] = slack + (work[b] - work[a]) * inv_c[e]
    for s in range(1, 1 << device_count):
        if stop[0]:
            return 1
        for e in range(device_count):
            rest = s & ~(1 << e)
            if rest == s:
                continue
            if layerwise:
                own = own_all[e]
            if rest == 0:
                for b in range(1, reach[e, 0] + 1):
                    comp = (work[b] - work[0]) * inv_c[e]
                    load = (weight[b] - weight[0]) * inv_r[e]
                    value[s, b, e] = own[0, b] if layerwise else load + comp
                continue
            count = 0
            for d in range(device_count):
                if rest & (1 << d):
                    members[count] = d
                    count += 1
            least = 1
            for b in range(2, block_count + 1):
                while least < b and reach[e, least] < b:
                    least += 1
                best = np.inf
                for a in range(least, b):
                    comp = (work[b] - work[a]) * inv_c[e]
                    load = (weight[b] - weight[a]) * inv_r[e]
                    for i in range(count):
                        d = members[i]
                        before = value[rest, a, d]
                        x = latency + activation[a - 1] * inv_rate[d, e]
                        if layerwise:
                            finish = max(before + x + comp, own[a, b])
                        else:
                            finish = max(load, before) + x + comp
                        best = min(best, finish)
                value[s, b, e] = best
    return 0


@njit(nb.int64(_I2, _I1, _I1, _I1, _STOP), **_OPTIONS)
def farthest(reach, available, place, far, stop):
    """Fill ``far[q]``: the most blocks that the devices counted by ``q`` can hold, in some order.

    far(S) = max over e in S of reach_e(far(S without e)), exact as reach never falls.
    Returns 1 when stopped early, else 0.
    """
    type_count, block_count = reach.shape
    far[0] = 0
    for q in range(1, far.shape[0]):
        if stop[0]:
            return 1
        best = 0
        for e in range(type_count):
            if (q // place[e]) % (available[e] + 1) > 0:
                before = far[q - place[e]]
                best = max(best, block_count if before == block_count else reach[e, before])
        far[q] = best
    return 0
