"""`partition-schedule`: compiled dispatching of requests under fixed cuts (spec section 6).

Explicit signatures make the import of this module the compilation; numba caches it on disk.

``line`` describes the tiers under given cuts. ``node[r, j]`` and ``start[r, j]`` receive the
plan, nodes numbered within the tier. Times are relative to the first arrival. Every kernel
polls ``stop`` and returns whether it came to its end.

Nodes never wait while a request is queued, and tiers do not act back on those before them. So a
tier can be settled for all requests before the next one: events in the order of (time, tier,
request) are, within a tier, requests in the order of (time of reaching it, index).
"""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

_F1, _F2 = nb.float64[::1], nb.float64[:, ::1]
_I1, _I2 = nb.int64[::1], nb.int64[:, ::1]
_STOP = nb.uint8[::1]
LINE = nb.Tuple((_F1, _F1, _F1, _F1, _F1, _F1, _F1, _I1, _I1))
"""arrival[r], tokens[r]; FLOP per token[tier]; latency, bytes handed on per token and bandwidth
of each link; speed[place] and node[place] of eligible nodes only, in file order; first place of
each tier (one more for the end)."""

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
TIE = 1e-12  # of two scores the later one must be smaller by more than this share to win
POLL = 1024  # requests between two looks at ``stop``


@njit(nb.float64(LINE, nb.int64, nb.int64), **_OPTIONS)
def transfer_s(line, r, j):
    """Return x(r, j), 0 after the last tier."""
    _, tokens, flops, latency, handed, bandwidth, _, _, _ = line
    if j + 1 == len(flops):
        return 0.0
    return latency[j] + tokens[r] * handed[j] / bandwidth[j]


@njit(nb.int64(_F1, _F1, nb.int64, nb.int64, nb.float64, nb.float64), **_OPTIONS)
def first_to_end(free, speed, first, last, now, work):
    """Return the place of least (Q_k + work) / C_k, Q_k being what is left to do there."""
    best, least = first, np.inf
    for k in range(first, last):
        queued = max(0.0, free[k] - now) * speed[k]
        score = (queued + work) / speed[k]
        if k == first or score < least - TIE * least:
            best, least = k, score
    return best


@njit(nb.boolean(LINE, _I2, _F2, _STOP), **_OPTIONS)
def queue_shortest(line, node, start, stop):
    """ARTS: each request, on reaching a tier, goes where it ends first; nodes are FIFO."""
    arrival, tokens, flops, _, _, _, speed, place, first = line
    ready = arrival.copy()
    free = np.zeros(len(speed))
    for j in range(len(flops)):
        order = np.argsort(ready, kind="mergesort")
        for i in range(len(order)):
            if i % POLL == 0 and stop[0]:
                return False
            r = order[i]
            work = tokens[r] * flops[j]
            k = first_to_end(free, speed, first[j], first[j + 1], ready[r], work)
            node[r, j], start[r, j] = place[k], max(ready[r], free[k])
            free[k] = start[r, j] + work / speed[k]
            ready[r] = free[k] + transfer_s(line, r, j)
    return True


@njit(nb.boolean(LINE, _I2, _F2, _STOP), **_OPTIONS)
def round_robin(line, node, start, stop):
    """GPipe: a request's rank of arrival says its node on every tier; nodes are FIFO."""
    arrival, tokens, flops, _, _, _, speed, place, first = line
    rank = np.empty(len(arrival), dtype=np.int64)
    rank[np.argsort(arrival, kind="mergesort")] = np.arange(len(arrival))
    ready = arrival.copy()
    free = np.zeros(len(speed))
    for j in range(len(flops)):
        order = np.argsort(ready, kind="mergesort")
        for i in range(len(order)):
            if i % POLL == 0 and stop[0]:
                return False
            r = order[i]
            k = first[j] + rank[r] % (first[j + 1] - first[j])
            node[r, j], start[r, j] = place[k], max(ready[r], free[k])
            free[k] = start[r, j] + tokens[r] * flops[j] / speed[k]
            ready[r] = free[k] + transfer_s(line, r, j)
    return True


@njit(nb.UniTuple(nb.int64, 2)(_F2, nb.int64, nb.float64, nb.float64, nb.float64), **_OPTIONS)
def gap_for(busy, count, ready, service, latest_end):
    """Return the busy interval before which a service fits, and whether it ends soon enough.

    ``busy[:count]`` are rising (start, end); the last gap has no end.
    """
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if busy[middle, 1] > ready:
            high = middle
        else:
            low = middle + 1
    at, now = low, ready
    while at < count and now + service > busy[at, 0]:
        now = max(now, busy[at, 1])
        if now + service >= latest_end:
            return at, 0
        at += 1
    return at, 1


@njit(nb.int64(_F2, nb.int64, nb.int64, nb.float64, nb.float64), **_OPTIONS)
def insert(busy, count, at, begin, end):
    """Add a busy interval before interval ``at``, join those that touch; return the count."""
    before = at > 0 and busy[at - 1, 1] >= begin
    after = at < count and busy[at, 0] <= end
    if before and after:
        busy[at - 1, 1] = busy[at, 1]
        for i in range(at, count - 1):
            busy[i, 0], busy[i, 1] = busy[i + 1, 0], busy[i + 1, 1]
        return count - 1
    if before:
        busy[at - 1, 1] = end
    elif after:
        busy[at, 0] = begin
    else:
        for i in range(count, at, -1):
            busy[i, 0], busy[i, 1] = busy[i - 1, 0], busy[i - 1, 1]
        busy[at, 0], busy[at, 1] = begin, end
        return count + 1
    return count


@njit(nb.boolean(LINE, _I1, _I2, _F2, _STOP), **_OPTIONS)
def earliest_finish(line, operations, node, start, stop):
    """HEFT: each operation (r T + j), in this order, where it ends first, gaps included.

    A request's operations must come in the order of its tiers.
    """
    arrival, tokens, flops, _, _, _, speed, place, first = line
    ready = arrival.copy()
    tiers = len(flops)
    busy = np.empty((len(speed), 16, 2))
    count = np.zeros(len(speed), dtype=np.int64)
    for o in range(len(operations)):
        if o % POLL == 0 and stop[0]:
            return False
        r, j = operations[o] // tiers, operations[o] % tiers
        work = tokens[r] * flops[j]
        best, best_at, least = -1, 0, np.inf
        for k in range(first[j], first[j + 1]):
            service = work / speed[k]
            at, soon = gap_for(busy[k], count[k], ready[r], service, least)
            if not soon:
                continue
            begin = ready[r] if at == 0 else max(ready[r], busy[k, at - 1, 1])
            if best < 0 or begin + service < least - TIE * least:
                best, best_at, least = k, at, begin + service
                node[r, j], start[r, j] = place[k], begin
        count[best] = insert(busy[best], count[best], best_at, start[r, j], least)
        if count[best] == busy.shape[1]:
            wider = np.empty((len(speed), 2 * busy.shape[1], 2))
            wider[:, : busy.shape[1]] = busy
            busy = wider
        ready[r] = least + transfer_s(line, r, j)
    return True
