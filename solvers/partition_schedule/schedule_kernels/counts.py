"""`partition-schedule`: completions that are known only in number, and suffixes of jobs."""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

from numba import njit
from numba.core import types as nb

from shardopt.solvers.partition_schedule.schedule_kernels.layout import F1, OPTIONS, PIPE, ROOM
from shardopt.solvers.partition_schedule.schedule_kernels.sorting import sort_values


@njit(nb.void(F1, nb.int64, F1, nb.int64, nb.int64, F1, F1), **OPTIONS)
def least_spans(rising_work, n, speed, first, last, sums, span):
    """Write ``span[q - 1]``, the least time in which any q of the jobs can be served.

    The q smallest works, with preemption: for each l, the l largest of them on the l fastest
    nodes, and all of them on all nodes (Horvath, Lam and Sethi 1977).
    """
    sums[0] = 0.0
    for i in range(n):
        sums[i + 1] = sums[i] + rising_work[i]
    for q in range(1, n + 1):
        longest, total = 0.0, 0.0
        for taken in range(1, min(q, last - first) + 1):
            total += speed[first + taken - 1]
            share = sums[q] if taken == last - first else sums[q] - sums[q - taken]
            longest = max(longest, share / total)
        span[q - 1] = longest


@njit(nb.void(F1, nb.int64, F1, F1), **OPTIONS)
def follow(arrival, n, span, done):
    """Raise ``done[m]`` by arrivals that are known only in number (ours: couples two tiers).

    Of the first m jobs to complete, at least m - i + 1 come i-th or later, and all of these
    are served after the i-th arrival.
    """
    for m in range(n):
        for i in range(m + 1):
            done[m] = max(done[m], arrival[i] + span[m - i])


@njit(nb.float64(PIPE, nb.int64, F1, nb.int64, ROOM), **OPTIONS)
def counted_tails(pipe, j, free, n, room):
    """Return the greatest i-th completion plus the least tail that must still follow it.

    Of the jobs that complete i-th or later, one has at least the (n - i + 1)-th least tail.
    """
    tokens, tail = pipe[1], pipe[9]
    jobs, done, tails = room[3], room[6], room[8]
    for i in range(n):
        tails[i] = tokens[jobs[i]] * tail[j]
    sort_values(tails, n)
    best = 0.0
    for i in range(n):
        best = max(best, done[i] + tails[n - 1 - i])
    return best


@njit(nb.float64(PIPE, nb.int64, F1, nb.int64, ROOM), **OPTIONS)
def suffix_bound(pipe, j, free, n, room):
    """Return the least greatest completion plus tail of any suffix of the jobs by head.

    The k-th node to begin cannot do so before the k-th head and the k-th free time, and the
    k-th last to end leaves the k-th least tail; the fastest work longest.
    """
    tokens, speed, first, tail = pipe[1], pipe[7], pipe[8], pipe[9]
    jobs, heads, works, frees, tails = room[3], room[4], room[5], room[13], room[8]
    nodes = first[j + 1] - first[j]
    for k in range(nodes):
        frees[k] = free[first[j] + k]
    sort_values(frees, nodes)
    best, total = 0.0, 0.0
    for m in range(n - 1, -1, -1):
        total += works[m]
        value = tokens[jobs[m]] * tail[j]
        at = min(n - 1 - m, nodes)
        while at > 0 and tails[at - 1] > value:
            if at < nodes:
                tails[at] = tails[at - 1]
            at -= 1
        if at < nodes:
            tails[at] = value
        together, weighted = 0.0, 0.0
        for k in range(min(nodes, n - m)):
            begins = max(heads[m + k], frees[k]) + tails[k]
            if k > 0 and total + weighted <= begins * together:
                break
            together += speed[first[j] + k]
            weighted += speed[first[j] + k] * begins
        best = max(best, (total + weighted) / together)
    return best
