"""`partition-schedule`: compiled lower bounds of a partly dispatched schedule (spec section 4.4).

Explicit signatures make the import of this module the compilation; numba caches it on disk.

``pipe`` describes the tiers under fixed cuts, ``PIPE`` below; times are relative to the first
arrival. Within a tier only eligible nodes are listed, the fastest first. The last tier may be
*pooled*: it stands for all tiers beyond a prefix of cuts, every node of them in one tier.

A state is, per request, its next tier ``stage`` (the number of tiers when it is done) and the
time ``ready`` at which it is there, and per node the time ``free`` from which it is idle.
"""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

F1, F2 = nb.float64[::1], nb.float64[:, ::1]
I1, I2 = nb.int64[::1], nb.int64[:, ::1]
STOP = nb.uint8[::1]
PIPE = nb.Tuple((nb.boolean, F1, F1, F1, F1, F1, I1, F1, I1, F1, F1))
"""makespan?, tokens[r], and per tier: FLOP per token, latency to the next tier, seconds of
transfer per token, seconds of service per token on the fastest node, pooled?; speed[node],
first node of each tier (one more for the end); per tier what is left after it: seconds per
token, seconds."""
ROOM = nb.Tuple((F2, F2, F1, I1, F1, F1, F1, F1, F1, F1, F1, I1, I1, F1))
"""head[tier, request], own[tier, request], and scratch for one tier; see `make_room`."""

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
FEW = 64  # up to so many jobs the quadratic bounds are worth their time
MANY_NODES = 16  # beyond so many nodes in a tier positions are not counted any more


@njit(ROOM(nb.int64, nb.int64, nb.int64), **OPTIONS)
def make_room(tiers, requests, nodes):
    """Return scratch for `state_bound`, to be used again and again."""
    n = requests + 1
    return (
        np.zeros((tiers, n)),  # head: earliest arrival of a request at a tier
        np.zeros((tiers, n)),  # own: earliest end of its service there
        np.zeros(n),  # lone: earliest end at the last tier
        np.zeros(n, dtype=np.int64),  # jobs of the tier, by head
        np.zeros(n),  # their heads
        np.zeros(n),  # their works
        np.zeros(n),  # done: the i-th completion is at least this
        np.zeros(n),  # came: completions of the tier before, arrived here
        np.zeros(n),  # heap
        np.zeros(n),  # sums
        np.zeros(n),  # span
        np.zeros(n, dtype=np.int64),  # queue
        np.zeros(2 * nodes, dtype=np.int64),  # places per node, and how many are taken
        np.zeros(nodes),  # node times
    )


@njit(nb.void(F1, I1, nb.int64), **OPTIONS)
def sort_by(key, items, n):
    """Sort the first ``n`` items by their keys, rising; ties keep their order."""
    if n > FEW:
        order = np.argsort(key[items[:n]], kind="mergesort")
        items[:n] = items[:n][order]
        return
    for i in range(1, n):
        item = items[i]
        at = i
        while at > 0 and key[items[at - 1]] > key[item]:
            items[at] = items[at - 1]
            at -= 1
        items[at] = item


@njit(nb.void(F1, nb.int64), **OPTIONS)
def sort_values(values, n):
    """Sort the first ``n`` values, rising."""
    if n > FEW:
        values[:n] = np.sort(values[:n])
        return
    for i in range(1, n):
        value = values[i]
        at = i
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value


@njit(nb.float64(nb.float64, nb.float64, F1, F1, nb.int64, nb.int64), **OPTIONS)
def earliest_end(ready, work, speed, free, first, last):
    """Return the least end of a job over nodes ``first`` to ``last - 1``, the fastest first."""
    best = np.inf
    for k in range(first, last):
        if free[k] <= ready:
            return min(best, ready + work / speed[k])  # slower nodes cannot do better
        best = min(best, free[k] + work / speed[k])
    return best


@njit(nb.float64(PIPE, I1, F1, F1, nb.int64, F2, F2), **OPTIONS)
def lone_passage(pipe, stage, ready, free, r, head, own):
    """Write when request ``r``, alone, reaches and leaves each tier; return its completion."""
    _, tokens, flops, latency, transfer, service, pooled, speed, first, _, _ = pipe
    tiers = len(flops)
    now = ready[r]
    for j in range(stage[r], tiers):
        head[j, r] = now
        if pooled[j]:
            end = now + tokens[r] * service[j]
        else:
            end = earliest_end(now, tokens[r] * flops[j], speed, free, first[j], first[j + 1])
        own[j, r] = end
        now = end + (latency[j] + tokens[r] * transfer[j])
    return now


@njit(nb.void(F1, nb.int64, nb.int64), **OPTIONS)
def sift_down(heap, at, size):
    """Restore the order of a heap of numbers, the least on top, from place ``at`` down."""
    item = heap[at]
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and heap[below + 1] < heap[below]:
            below += 1
        if heap[below] >= item:
            break
        heap[at] = heap[below]
        at = below
    heap[at] = item


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
                at = size
                size += 1
                while at > 0 and heap[(at - 1) // 2] > work[came]:
                    heap[at] = heap[(at - 1) // 2]
                    at = (at - 1) // 2
                heap[at] = work[came]
                came += 1
            if not settled:
                rate = pooled_speed(speed, free, first, last, came, now)
                event = next_free(free, first, last, now)
                settled = came >= last - first and event == np.inf
            else:
                event = np.inf
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


@njit(nb.float64(F1, nb.int64, F1, nb.int64, nb.int64, I1, F1), **OPTIONS)
def placed_cost(work, n, speed, first, nodes, places, node_time):
    """Return the least sum of completions with ``places[k]`` jobs on node k, all there at once.

    The i-th job from the end of a node counts i times; ``work`` falls, and the largest work
    takes the smallest of the multipliers i / C_k that are left.
    """
    total = 0.0
    for k in range(nodes):
        total += places[k] * node_time[k]
        places[nodes + k] = 0
    for i in range(n):
        least, at = np.inf, 0
        for k in range(nodes):
            if places[nodes + k] < places[k]:
                multiplier = (places[nodes + k] + 1) / speed[first + k]
                if multiplier < least:
                    least, at = multiplier, k
        places[nodes + at] += 1
        total += work[i] * least
    return total


@njit(nb.float64(F1, nb.int64, F1, nb.int64, nb.int64, I1, F1), **OPTIONS)
def positional(work, n, speed, first, nodes, places, node_time):
    """Return the least sum of completions of jobs that are all there, without preemption.

    As a function of the numbers of jobs per node this is M-convex (a minimum-cost flow), so
    that a descent over moves of one job from node to node ends in the minimum. ``places``
    comes filled with numbers that sum to ``n``.
    """
    best = placed_cost(work, n, speed, first, nodes, places, node_time)
    better = True
    while better:
        better = False
        for k in range(nodes):
            for other in range(nodes):
                if k == other or places[k] == 0:
                    continue
                places[k] -= 1
                places[other] += 1
                cost = placed_cost(work, n, speed, first, nodes, places, node_time)
                if cost < best:
                    best = cost
                    better = True
                else:
                    places[k] += 1
                    places[other] -= 1
    return best


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


@njit(nb.float64(PIPE, nb.int64, F1, nb.int64, nb.float64, ROOM), **OPTIONS)
def positional_bound(pipe, j, free, n, limit, room):
    """Return the best sum of completions at tier ``j`` from jobs that come late.

    For each m: the jobs from the m-th head on, all at once at that head; the others alone.
    Stops early at ``limit``.
    """
    speed, first = pipe[7], pipe[8]
    own, jobs, heads, works, heap = room[1], room[3], room[4], room[5], room[8]
    places, node_time = room[12], room[13]
    nodes = first[j + 1] - first[j]
    before, best = 0.0, 0.0
    stride = 1 + n // 24
    for m in range(n - 1):
        if m % stride == 0:
            count = n - m
            for i in range(count):
                heap[i] = -works[m + i]
            sort_values(heap, count)
            for i in range(count):
                heap[i] = -heap[i]
            for k in range(nodes):
                node_time[k] = max(free[first[j] + k], heads[m])
                places[k] = count // nodes
            places[0] += count - nodes * (count // nodes)
            cost = positional(heap, count, speed, first[j], nodes, places, node_time)
            best = max(best, before + cost)
            if best >= limit:
                return best
        before += own[j, jobs[m]]
    return best


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


@njit(nb.void(F1, I1, nb.int64, nb.int64), **OPTIONS)
def sift_down_by(keys, queue, item, size):
    """Put ``item`` into the empty top of a heap of items, the least key on top."""
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and keys[queue[below + 1]] < keys[queue[below]]:
            below += 1
        if keys[queue[below]] >= keys[item]:
            break
        queue[at] = queue[below]
        at = below
    queue[at] = item


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
                at = size
                size += 1
                while at > 0 and keys[queue[(at - 1) // 2]] > keys[came]:
                    queue[at] = queue[(at - 1) // 2]
                    at = (at - 1) // 2
                queue[at] = came
                came += 1
            if not settled:
                rate = pooled_speed(speed, free, low, high, came, now)
                event = next_free(free, low, high, now)
                settled = came >= high - low and event == np.inf
            else:
                event = np.inf
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
            best = max(best, other + value)
            if counted and best < limit:
                best = max(best, other + positional_bound(pipe, j, free, n, limit - other, room))
        if best >= limit:
            return best
        for i in range(n):
            came[i] = done[i] + (latency[j] + transfer[j] * least_tokens)
        coupled = True
    return best
