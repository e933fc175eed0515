"""`partition-schedule`: relaxations of one tier, where jobs come, are served and have a way to go.

A job has a ``head`` (when it is there at the earliest), a ``work`` in FLOP and a ``tail`` (how
long it takes after its service at least). The tier has nodes of some speeds, all free at 0.
Jobs are given by rising head. The bounds are those of spec section 4.4, step 3 (b).
"""

from __future__ import annotations

import heapq
import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MOST_SUFFIXES = 64
"""Bounds that look at all jobs from the m-th head on try so many m, evenly spread, at most."""


def shortest_remaining(head: FloatArray, work: FloatArray, speed: FloatArray) -> FloatArray:
    """Return ``done``, rising: in no schedule is the i-th completion before ``done[i]``.

    Proof: one machine takes the place of the nodes. Its speed is at any time that of as many of
    the fastest nodes as jobs have come, since a job is served by one node at a time. Shortest
    remaining work first, with preemption, then has completed the most jobs at every time.
    """
    rates = _rates(speed)
    heads, works, n = head.tolist(), work.tolist(), len(head)
    waiting: list[float] = []
    done: list[float] = []
    now, came = 0.0, 0
    while len(done) < n:
        if not waiting:
            now = max(now, heads[came])
        while came < n and heads[came] <= now:
            heapq.heappush(waiting, works[came])
            came += 1
        rate = rates[min(came, len(speed))]
        next_head = heads[came] if came < n else math.inf
        end = now + waiting[0] / rate
        if end <= next_head:
            heapq.heappop(waiting)
            done.append(end)
            now = end
        else:  # the least stays the least
            waiting[0] = max(0.0, waiting[0] - (next_head - now) * rate)
            now = next_head
    return np.array(done)


def positional(head: FloatArray, work: FloatArray, own: FloatArray, speed: FloatArray) -> float:
    """Return a bound of the sum of completions, without preemption.

    ``own[i]`` bounds the completion of job i. Proof, for any m: the jobs from the m-th head on
    are served after it. The i-th job from the end of node k delays i jobs by its work over
    C_k, so that their sum is least when the largest works meet the least of i / C_k. The other
    jobs are bounded by ``own``.
    """
    n = len(head)
    before = np.concatenate([[0.0], np.cumsum(own)])
    best = 0.0
    for m in _suffixes(n):
        falling = -np.sort(-work[m:])
        multipliers = _least_multipliers(speed, n - m)
        best = max(best, before[m] + (n - m) * head[m] + float(falling @ multipliers))
    return best


def largest_tail_first(
    head: FloatArray, work: FloatArray, tail: FloatArray, speed: FloatArray
) -> float:
    """Return a bound of the greatest completion plus tail (Jackson).

    The machine of `shortest_remaining`; with preemption, the largest tail first is optimal.
    """
    rates = _rates(speed)
    heads, n = head.tolist(), len(head)
    waiting: list[tuple[float, int]] = []
    left = work.tolist()
    now, came, served, best = 0.0, 0, 0, 0.0
    while served < n:
        if not waiting:
            now = max(now, heads[came])
        while came < n and heads[came] <= now:
            heapq.heappush(waiting, (-float(tail[came]), came))
            came += 1
        rate = rates[min(came, len(speed))]
        next_head = heads[came] if came < n else math.inf
        minus_tail, job = waiting[0]
        end = now + left[job] / rate
        if end <= next_head:
            heapq.heappop(waiting)
            served += 1
            best = max(best, end - minus_tail)
            now = end
        else:
            left[job] = max(0.0, left[job] - (next_head - now) * rate)
            now = next_head
    return best


def suffix_bound(head: FloatArray, work: FloatArray, tail: FloatArray, speed: FloatArray) -> float:
    """Return a bound of the greatest completion plus tail, call it C, counting idle nodes.

    Proof, for the jobs from any m on: the k-th node to start, of those that serve one of them,
    starts at the k-th least head at the earliest, and the k-th to end ends a k-th least tail
    before C at the latest. The fastest nodes with the least heads and tails have the most time:
    sum_k C_k max(0, C - head_k - tail_k) must be the work of the jobs at least.
    """
    fastest = -np.sort(-speed)
    n = len(head)
    best = 0.0
    for m in _suffixes(n):
        nodes = min(len(speed), n - m)
        idle = head[m : m + nodes] + np.sort(tail[m:])[:nodes]
        best = max(best, _filled(float(work[m:].sum()), idle, fastest[:nodes]))
    return best


def _filled(work: float, idle: FloatArray, speed: FloatArray) -> float:
    """Return the C at which nodes that start at ``idle``, rising, have done the work."""
    total = np.cumsum(speed)
    level = (work + np.cumsum(speed * idle)) / total
    # With the first k nodes only, C = level[k]; each node that helps lowers it.
    return float(level.min())


def _rates(speed: FloatArray) -> list[float]:
    """Return the summed speed of the fastest nodes, by their number."""
    return [0.0, *np.cumsum(-np.sort(-speed)).tolist()]


def _suffixes(n: int) -> list[int]:
    return sorted({int(m) for m in np.linspace(0, n - 1, min(n, MOST_SUFFIXES))})


def _least_multipliers(speed: FloatArray, n: int) -> FloatArray:
    """Return the ``n`` least of {i / C_k : i >= 1}, rising.

    At (n + K) / sum C_k at least n of them are reached: no node needs more than its share.
    """
    shares = (speed * ((n + len(speed)) / speed.sum())).astype(np.int64) + 1
    streams = [np.arange(1, m + 1) / c for m, c in zip(shares.tolist(), speed, strict=True)]
    return np.sort(np.concatenate(streams))[:n]
