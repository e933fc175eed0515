"""`partition-schedule`: compiled bounds of, and search over, schedules (spec section 4.4).

Explicit signatures make the import of this module the compilation; numba caches it on disk. It
is one module because that cache looks at one file: kernels would go on using an old version of
what they call from another.

``pipe`` describes the tiers under given cuts, ``PIPE`` below; times are relative to the first
arrival. Within a tier only eligible nodes are listed, the fastest first. The last tier may be
*pooled*: it stands for all tiers beyond a prefix of cuts, every node of them in one tier.

Rows are requests by (tokens, arrival). A state is, per row, its next tier ``stage`` (the number
of tiers when it is done) and the time ``ready`` at which it is there, and per node the time
``free`` from which it is idle. Rows of equal tokens are interchangeable, and so are nodes of
equal speed in one tier: within both a state is kept sorted.

The search goes level by level: a level holds states after equally many dispatches, so that
every state is compared with all others with which it could be interchanged. With a limited
width it is a beam search, and the least bound of what was dropped is a bound all the same.
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
    stride = 1 + n // 8
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
def mean_busy_bound(pipe, j, free, n, room):
    """Return a bound of the sum of completions from the mean times at which jobs are served.

    A job of work w ends at least w / (2 C) after the mean of its service, C being the fastest
    node's speed. The sum of the means is least on one pooled machine that always serves the
    job of least work, with preemption (Goemans et al. 2002, for one machine).
    """
    speed, first = pipe[7], pipe[8]
    heads, works, rest, queue = room[4], room[5], room[8], room[11]
    low, high = first[j], first[j + 1]
    size, came, finished = 0, 0, 0
    now, rate, event, settled = 0.0, 0.0, 0.0, False
    total = 0.0
    while finished < n:
        if event <= now:
            while came < n and heads[came] <= now:
                rest[came] = works[came]
                total += works[came] / (2.0 * speed[low])
                at = size
                size += 1
                while at > 0 and works[queue[(at - 1) // 2]] > works[came]:
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
        served = min(rest[top], (event - now) * rate)
        total += (now + served / (2.0 * rate)) * (served / works[top])
        if served == rest[top]:
            finished += 1
            now += served / rate
            size -= 1
            if size > 0:
                sift_down_by(works, queue, queue[size], size)
        else:
            rest[top] -= served
            now = event
    return total


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
            best = max(best, other + value, other + mean_busy_bound(pipe, j, free, n, room))
            if counted and best < limit:
                best = max(best, other + positional_bound(pipe, j, free, n, limit - other, room))
        if best >= limit:
            return best
        for i in range(n):
            came[i] = done[i] + (latency[j] + transfer[j] * least_tokens)
        coupled = True
    return best


FRAME = nb.Tuple((nb.boolean, F1, F1, F1, F1, F1, F1, F1, I1, I1, nb.int32[:, ::1], F2, F2, F1))
"""makespan?, tokens[row], arrival[row], flops_before[cut], activation[block], latency[link],
bandwidth[link], speed[node] (falling within a tier), memory_class[node], first node of each
tier, reach[memory class, cut], lone[tier, cut]: least seconds per token from there on,
rest_speed[tier]: the speeds of all nodes from a tier on, falling, and what rounding took off
flops_before[cut]."""
STAGES = nb.int8[:, ::1]
CHAIN = 64  # a state is compared with at most so many that may dominate it


@njit(nb.void(F1, F1, F1, F1, I1, I1, nb.int32[:, ::1], F2), **OPTIONS)
def lone_times(before, activation, bandwidth, speed, memory_class, first, reach, lone):
    """Fill ``lone[tier, cut]``: least seconds per token from there on; latencies excluded.

    For each node the runs that fit end in a window that moves on with their start; a queue
    holds the window's candidates, the best first. Infinite where nothing fits; never above the
    true times, of which differences of large sums may fall short.
    """
    blocks, tiers = len(activation), len(first) - 1
    value, queue = np.empty(blocks + 1), np.empty(blocks + 1, dtype=np.int64)
    lone[:, :] = np.inf
    lone[tiers, blocks] = 0.0
    for j in range(tiers - 1, -1, -1):
        for k in range(first[j], first[j + 1]):
            rounding = 2.0**-50 * before[blocks] / speed[k]
            for b in range(1, blocks + 1):
                send = activation[b - 1] / bandwidth[j] if j < tiers - 1 else 0.0
                value[b] = before[b] / speed[k] + (send + lone[j + 1, b])
            low, high, seen = 0, 0, 0
            for a in range(blocks):
                seen = max(seen, a)
                while seen < reach[memory_class[k], a]:
                    seen += 1
                    while high > low and value[queue[high - 1]] >= value[seen]:
                        high -= 1
                    queue[high] = seen
                    high += 1
                while low < high and queue[low] <= a:
                    low += 1
                if low < high:
                    time = value[queue[low]] - before[a] / speed[k] - rounding
                    lone[j, a] = min(lone[j, a], max(0.0, time))


@njit(PIPE(FRAME, I1, nb.int64), **OPTIONS)
def make_pipe(frame, cuts, depth):
    """Describe the tiers under the first ``depth`` cuts; what is beyond them is pooled.

    Service per token is infinite where no node is eligible.
    """
    makespan, tokens, _, before, activation, latencies, bandwidth = frame[:7]
    node_speed, memory_class, node_first, reach, lone, rest_speed, before_low = frame[7:]
    all_tiers, blocks = len(node_first) - 1, len(activation)
    complete = depth == all_tiers - 1
    tiers = depth + 1
    flops, latency, transfer = np.zeros(tiers), np.zeros(tiers), np.zeros(tiers)
    service, pooled = np.full(tiers, np.inf), np.zeros(tiers)
    first = np.zeros(tiers + 1, dtype=np.int64)
    speed = np.empty(len(node_speed))
    count = 0
    for j in range(tiers):
        start = 0 if j == 0 else cuts[j - 1]
        last = j == depth
        stop = blocks if last else cuts[j]
        flops[j] = (before[stop] - before[start]) + (before_low[stop] - before_low[start])
        if last and not complete:
            pooled[j] = 1.0
            service[j] = lone[j, start]
            for i in range(len(node_speed) - node_first[j]):
                speed[count] = rest_speed[j, i]
                count += 1
            for i in range(j, all_tiers - 1):
                latency[j] += latencies[i]
        else:
            for k in range(node_first[j], node_first[j + 1]):
                if stop <= reach[memory_class[k], start]:
                    speed[count] = node_speed[k]
                    count += 1
            if count > first[j]:
                service[j] = flops[j] / speed[first[j]]
            if not last:
                latency[j] = latencies[j]
                transfer[j] = activation[stop - 1] / bandwidth[j]
        first[j + 1] = count
    tail_token, tail_s = np.zeros(tiers), np.zeros(tiers)
    tail_s[depth] = latency[depth]
    for j in range(depth - 1, -1, -1):
        tail_token[j] = tail_token[j + 1] + transfer[j] + service[j + 1]
        tail_s[j] = tail_s[j + 1] + latency[j]
    return (
        makespan,
        tokens,
        flops,
        latency,
        transfer,
        service,
        pooled.astype(np.int64),
        speed[:count],
        first,
        tail_token,
        tail_s,
    )


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


@njit(nb.Tuple((nb.int64, nb.int64, nb.float64))(PIPE, I1, F1, F1), **OPTIONS)
def next_node(pipe, stage, ready, free):
    """Return tier, node and end of the dispatch that could end first.

    Something undispatched starts on this node before that end: otherwise the dispatch itself
    would fit in, and delay nothing (Giffler and Thompson 1960, for tiers of parallel nodes).
    Whoever is not at the tier yet comes after that end, so one of those that are there is next.
    """
    _, tokens, flops, _, _, _, _, speed, first, _, _ = pipe
    least, tier, node = np.inf, -1, -1
    for r in range(len(stage)):
        j = stage[r]
        if j == len(flops):
            continue
        for k in range(first[j], first[j + 1]):
            end = max(ready[r], free[k]) + tokens[r] * flops[j] / speed[k]
            if end < least:
                least, tier, node = end, j, k
            if free[k] <= ready[r]:
                break  # slower nodes cannot do better
    return tier, node, least


@njit(nb.float64(PIPE, I1, F1, F1, nb.float64, nb.int64, nb.int64, I1, I1), **OPTIONS)
def dispatch(pipe, stage, ready, free, cost, row, node, who, where):
    """Serve a row on a node of its next tier; return the cost so far.

    Keeps rows of equal tokens sorted by (stage falling, ready), and equal nodes by free time;
    ``who`` and ``where`` follow, so that a replay knows the requests and nodes meant.
    """
    makespan, tokens, flops, latency, transfer, _, _, speed, first, _, _ = pipe
    j = stage[row]
    end = max(ready[row], free[node]) + tokens[row] * flops[j] / speed[node]
    free[node] = end
    stage[row] = j + 1
    if j + 1 == len(flops):
        cost = max(cost, end) if makespan else cost + end
        ready[row] = 0.0
    else:
        ready[row] = end + (latency[j] + tokens[row] * transfer[j])
    while row > 0 and tokens[row - 1] == tokens[row]:
        left = row - 1
        ahead = stage[left] > stage[row]
        if ahead or (stage[left] == stage[row] and ready[left] <= ready[row]):
            break
        stage[left], stage[row] = stage[row], stage[left]
        ready[left], ready[row] = ready[row], ready[left]
        who[left], who[row] = who[row], who[left]
        row = left
    while node + 1 < first[j + 1] and speed[node + 1] == speed[node]:
        if free[node + 1] >= free[node]:
            break
        free[node + 1], free[node] = free[node], free[node + 1]
        where[node + 1], where[node] = where[node], where[node + 1]
        node += 1
    return cost


@njit(nb.void(PIPE, I1, F1, F1, F2), **OPTIONS)
def settle(pipe, stage, ready, free, head):
    """Raise times that play no part: nodes wait for requests, and requests for nodes.

    Schedules stay what they are, and more states become comparable. ``head`` must be that of
    `lone_passage`.
    """
    first = pipe[8]
    for j in range(len(first) - 1):
        earliest = np.inf
        for r in range(len(stage)):
            if stage[r] <= j:
                earliest = min(earliest, head[j, r])
        idle = np.inf
        for k in range(first[j], first[j + 1]):
            free[k] = 0.0 if earliest == np.inf else max(free[k], earliest)
            idle = min(idle, free[k])
        for r in range(len(stage)):
            if stage[r] == j:
                ready[r] = max(ready[r], idle)


LEVEL = nb.Tuple((STAGES, F2, F2, F1, F1, I1, I1))
"""States: stage, ready, free, cost, bound, number of the state before, row dispatched."""


@njit(LEVEL(nb.int64, nb.int64, nb.int64), **OPTIONS)
def make_level(states, requests, nodes):
    """Return room for states; memory is touched only when a state is written."""
    return (
        np.empty((states, requests), dtype=np.int8),
        np.empty((states, requests)),
        np.empty((states, nodes)),
        np.empty(states),
        np.empty(states),
        np.empty(states, dtype=np.int64),
        np.empty(states, dtype=np.int64),
    )


@njit(nb.void(LEVEL, nb.int64, LEVEL, nb.int64), **OPTIONS)
def copy_state(source, i, target, k):
    """Copy state ``i`` of one level to place ``k`` of another (or of the same)."""
    target[0][k] = source[0][i]
    target[1][k] = source[1][i]
    target[2][k] = source[2][i]
    target[3][k] = source[3][i]
    target[4][k] = source[4][i]
    target[5][k] = source[5][i]
    target[6][k] = source[6][i]


@njit(nb.boolean(LEVEL, nb.int64, nb.int64, nb.int64, nb.boolean), **OPTIONS)
def dominates(level, a, b, tiers, makespan):
    """Return whether state ``a`` leads to nothing worse than ``b``, of equal stages.

    `mean-latency`: with all times of ``a`` at most ``shift`` later (or earlier by -shift), each
    open request ends at most so much later. `makespan`: nothing later, and ``a``'s cost so far
    below anything that ``b`` leads to.
    """
    stage, ready, free, cost, bound = level[0][a], level[1], level[2], level[3], level[4]
    slack, unfinished = np.inf, 0
    if makespan:
        if cost[a] > bound[b]:
            return False
        slack = 0.0
    else:
        for r in range(len(stage)):
            unfinished += stage[r] < tiers
        if unfinished > 0:
            slack = (cost[b] - cost[a]) / unfinished
        elif cost[a] > cost[b]:
            return False
    for r in range(len(stage)):
        if stage[r] < tiers and ready[a, r] - ready[b, r] > slack:
            return False
    for k in range(free.shape[1]):
        if (free[a, k] > 0.0 or free[b, k] > 0.0) and free[a, k] - free[b, k] > slack:
            return False
    return True


@njit(
    nb.Tuple((nb.int64, nb.float64))(LEVEL, nb.int64, nb.int64, nb.int64, nb.boolean, I1),
    **OPTIONS,
)
def choose(level, n, width, tiers, makespan, chosen):
    """Write the at most ``width`` states of least bound that no other dominates.

    Returns how many there are, and the least bound of those left out for want of room.
    """
    stages, bounds = level[0], level[4]
    order = np.argsort(bounds[:n], kind="mergesort")
    size = 16
    while size < 2 * min(n, width):
        size *= 2
    slot_first = np.full(size, -1, dtype=np.int64)
    slot_last = np.empty(size, dtype=np.int64)
    following = np.full(n, -1, dtype=np.int64)
    count, requests = 0, stages.shape[1]
    for i in order:
        if count == width:
            return count, bounds[i]
        mixed = np.uint64(1469598103934665603)
        for r in range(requests):
            mixed = (mixed ^ np.uint64(stages[i, r])) * np.uint64(1099511628211)
        slot = np.int64((mixed ^ (mixed >> np.uint64(29))) & np.uint64(size - 1))
        while slot_first[slot] >= 0:
            same = True
            for r in range(requests):
                if stages[slot_first[slot], r] != stages[i, r]:
                    same = False
                    break
            if same:
                break
            slot = (slot + 1) & (size - 1)
        other, compared, dominated = slot_first[slot], 0, False
        while other >= 0 and compared < CHAIN and not dominated:
            dominated = dominates(level, other, i, tiers, makespan)
            other = following[other]
            compared += 1
        if dominated:
            continue
        if slot_first[slot] < 0:
            slot_first[slot] = i
        else:
            following[slot_last[slot]] = i
        slot_last[slot] = i
        chosen[count] = i
        count += 1
    return count, np.inf


@njit(nb.int64(LEVEL, nb.int64, I1, nb.int64, nb.uint8[::1]), **OPTIONS)
def compact(level, n, chosen, kept, marked):
    """Move the chosen states to the front, in the order of their places; return their number."""
    marked[:n] = 0
    for i in range(kept):
        marked[chosen[i]] = 1
    at = 0
    for i in range(n):
        if marked[i]:
            copy_state(level, i, level, at)
            at += 1
    return at


@njit(
    nb.Tuple((nb.float64, nb.float64, nb.int64))(PIPE, F1, nb.float64, nb.int64, I1, STOP),
    **OPTIONS,
)
def search(pipe, arrival, limit, width, rows, stop):
    """Search for a schedule below ``limit``, with at most ``width`` states per level.

    Returns the best value (infinite if none), a lower bound of everything not below it, and the
    states expanded. ``rows`` receives the rows in the order of their dispatches. The bound is
    ``limit`` or the value where nothing was dropped.
    """
    makespan, tokens, flops, _, _, _, _, speed, first, _, _ = pipe
    requests, nodes, tiers = len(arrival), len(speed), len(flops)
    capacity = 4 * width + requests + 64
    room = make_room(tiers, requests, nodes)
    level, children = make_level(width, requests, nodes), make_level(capacity, requests, nodes)
    chosen = np.empty(width, dtype=np.int64)
    marked = np.zeros(capacity, dtype=np.uint8)
    log_before, log_row = np.empty(1024, dtype=np.int64), np.empty(1024, dtype=np.int64)
    stage, ready, free = np.zeros(requests, dtype=np.int64), arrival.copy(), np.zeros(nodes)
    parent_stage, parent_ready, parent_free = stage.copy(), ready.copy(), free.copy()
    who, where = np.zeros(requests, dtype=np.int64), np.zeros(nodes, dtype=np.int64)

    bound = state_bound(pipe, stage, ready, free, 0.0, limit, room)
    if bound >= limit:
        return np.inf, limit, 0
    settle(pipe, stage, ready, free, room[0])
    level[0][0], level[1][0], level[2][0] = 0, ready, free
    level[3][0], level[4][0], level[5][0], level[6][0] = 0.0, bound, -1, -1
    count, logged, expanded, dropped = 1, 0, 0, np.inf

    for _ in range(requests * tiers):
        if logged + count > len(log_before):
            larger = 2 * (logged + count)
            log_before = np.concatenate((log_before, np.empty(larger, dtype=np.int64)))
            log_row = np.concatenate((log_row, np.empty(larger, dtype=np.int64)))
        made = 0
        for s in range(count):
            log_before[logged + s], log_row[logged + s] = level[5][s], level[6][s]
            if made + requests > capacity:
                kept, least = choose(children, made, width, tiers, makespan, chosen)
                dropped = min(dropped, least)
                made = compact(children, made, chosen, kept, marked)
            expanded += 1
            for r in range(requests):
                parent_stage[r] = level[0][s, r]
            parent_ready[:] = level[1][s]
            parent_free[:] = level[2][s]
            j, k, end = next_node(pipe, parent_stage, parent_ready, parent_free)
            idle = np.inf
            for other in range(first[j], first[j + 1]):
                if other != k:
                    idle = min(idle, parent_free[other])
            for r in range(requests):
                if parent_stage[r] != j or max(parent_ready[r], parent_free[k]) >= end:
                    continue
                equal = r > 0 and tokens[r - 1] == tokens[r] and parent_stage[r - 1] == j
                if equal and parent_ready[r] <= max(idle, parent_ready[r - 1]):
                    continue  # an equal one came first, and starts nowhere before this one is there
                if stop[0]:
                    break
                stage[:] = parent_stage
                ready[:] = parent_ready
                free[:] = parent_free
                cost = dispatch(pipe, stage, ready, free, level[3][s], r, k, who, where)
                bound = state_bound(pipe, stage, ready, free, cost, limit, room)
                bound = max(bound, level[4][s])
                if bound >= limit:
                    continue
                settle(pipe, stage, ready, free, room[0])
                for i in range(requests):
                    children[0][made, i] = stage[i]
                children[1][made] = ready
                children[2][made] = free
                children[3][made], children[4][made] = cost, bound
                children[5][made], children[6][made] = logged + s, r
                made += 1
            if stop[0]:  # what was not expanded leads to nothing below its own bound
                for other in range(s, count):
                    dropped = min(dropped, level[4][other])
                for i in range(made):
                    dropped = min(dropped, children[4][i])
                return np.inf, min(limit, dropped), expanded
        logged += count
        count, least = choose(children, made, width, tiers, makespan, chosen)
        dropped = min(dropped, least)
        for i in range(count):
            copy_state(children, chosen[i], level, i)
        if count == 0:
            return np.inf, min(limit, dropped), expanded
    best = 0
    for s in range(count):
        if level[3][s] < level[3][best]:
            best = s
    value, at = level[3][best], level[5][best]
    rows[requests * tiers - 1] = level[6][best]
    for i in range(requests * tiers - 2, -1, -1):
        rows[i] = log_row[at]
        at = log_before[at]
    return value, min(value, dropped), expanded


@njit(nb.void(PIPE, F1, I1, I2, F2), **OPTIONS)
def replay(pipe, arrival, rows, node, start):
    """Write the node (as listed in ``pipe``) and start of each row's service at each tier."""
    requests, tiers, nodes = len(arrival), len(pipe[2]), len(pipe[7])
    stage, ready, free = np.zeros(requests, dtype=np.int64), arrival.copy(), np.zeros(nodes)
    who, where = np.arange(requests), np.arange(nodes)
    room = make_room(tiers, requests, nodes)
    head, own = room[0], room[1]
    for i in range(requests * tiers + 1):
        for r in range(requests):
            if stage[r] < tiers:
                lone_passage(pipe, stage, ready, free, r, head, own)
        settle(pipe, stage, ready, free, head)
        if i == requests * tiers:
            break
        j, k, _ = next_node(pipe, stage, ready, free)
        row = rows[i]
        node[who[row], j] = where[k]
        start[who[row], j] = max(ready[row], free[k])
        dispatch(pipe, stage, ready, free, 0.0, row, k, who, where)
