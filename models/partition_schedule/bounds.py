"""`partition-schedule`: lower bounds in closed form (spec sections 4.4 and 4.5, ours).

Times are relative to the first arrival, as in the tables.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from shardopt.models.partition_schedule.single_tier import (
    largest_tail_first,
    positional,
    shortest_remaining,
    suffix_bound,
)
from shardopt.models.partition_schedule.tables import Cuts, FloatArray, IntArray, Tables

MOST_WORK = 20_000
"""Cut vectors are bounded one by one while their number times that of requests is no more."""


def lower_bound(tables: Tables) -> float:
    """Return a bound of the instance's objective; infinite exactly if no cuts fit.

    The least bound of all cut vectors where these are few. Otherwise a weaker one that holds
    for all of them at once: the requests alone, and all tiers together as one.
    """
    per_token = alone_per_token(tables)
    if math.isinf(per_token):
        return math.inf
    slots = tables.block_count - 1
    vectors = math.comb(slots, tables.tier_count - 1)
    if vectors * tables.request_count <= MOST_WORK:
        cuts = itertools.combinations(range(1, slots + 1), tables.tier_count - 1)
        return min(bound_of_cuts(tables, each) for each in cuts)
    if tables.instance.objective == "bottleneck":
        return _bottleneck_of_any_cuts(tables)
    return _bound_of_any_cuts(tables, per_token)


def bound_of_cuts(tables: Tables, cuts: Cuts) -> float:
    """Return a bound for fixed cuts, exact for `bottleneck`; infinite if they do not fit.

    The best of: each request alone, and for each tier the relaxations of `single_tier`, where
    requests come as if they had been alone before the tier, and go as if alone after it.
    """
    if not tables.fits(cuts):
        return math.inf
    runs = tables.runs(cuts)
    speeds = [tables.speed[j][tables.eligible(j, a, b)] for j, (a, b) in enumerate(runs)]
    works = [tables.tokens * tables.flops(a, b) for a, b in runs]
    services = [work / speed.max() for work, speed in zip(works, speeds, strict=True)]
    transfers = [tables.transfer_s(j, cut) for j, cut in enumerate(cuts)]
    if tables.instance.objective == "bottleneck":
        return math.fsum([max(float(s[0]) for s in services), *(float(x[0]) for x in transfers)])

    # heads[j] and ends[j]: request r, alone, comes to tier j and has been served there.
    heads, ends = [tables.arrival_s], [tables.arrival_s + services[0]]
    for service, transfer in zip(services[1:], transfers, strict=True):
        heads.append(ends[-1] + transfer)
        ends.append(heads[-1] + service)
    makespan = tables.instance.objective == "makespan"
    total = float(ends[-1].max()) if makespan else math.fsum(ends[-1])
    tail = np.zeros(tables.request_count)
    for j in range(tables.tier_count - 1, -1, -1):
        order = np.argsort(heads[j], kind="stable")
        head, work, left, speed = heads[j][order], works[j][order], tail[order], speeds[j]
        if makespan:
            total = max(total, largest_tail_first(head, work, left, speed))
            total = max(total, suffix_bound(head, work, left, speed))
        else:
            total = max(total, _sum_at_tier(head, work, ends[j][order], left, speed))
        if j > 0:
            tail = tail + services[j] + transfers[j - 1]
    return _objective(tables, total)


def _sum_at_tier(
    head: FloatArray, work: FloatArray, own: FloatArray, tail: FloatArray, speed: FloatArray
) -> float:
    """Return a bound of the sum of completions plus tails; ``own`` are ends if alone."""
    done = np.maximum(shortest_remaining(head, work, speed), np.sort(own))
    return max(math.fsum(done), positional(head, work, own, speed)) + math.fsum(tail)


def _objective(tables: Tables, total: float) -> float:
    """Turn a sum (the greatest) of completions into the objective."""
    if tables.instance.objective == "makespan":
        return total
    return (total - math.fsum(tables.arrival_s)) / tables.request_count


def _bound_of_any_cuts(tables: Tables, per_token: float) -> float:
    """Bound all cut vectors at once, in O(R log R): alone, and all tiers as one.

    Proof of the latter: let every service on tier j be earlier by the least time that links
    take before it, the same for all requests. Nodes still serve one request at a time, and
    requests are still on one node at a time and not there before they arrive; but now all work
    of a request, n_r F, is done without a pause in between. So the relaxations of one tier
    hold for all nodes together, with the time of the links as a tail.
    """
    links_s = float(sum(_least_transfers(tables)))
    own = tables.arrival_s + tables.tokens * per_token + float(tables.latency.sum())
    order = np.argsort(tables.arrival_s, kind="stable")
    head, speed = tables.arrival_s[order], np.concatenate(tables.speed)
    work = (tables.tokens * tables.flops(0, tables.block_count))[order]
    if tables.instance.objective == "makespan":
        tail = np.zeros(tables.request_count)
        pooled = largest_tail_first(head, work, tail, speed) + links_s
        return max(float(own.max()), pooled)
    done = shortest_remaining(head, work, speed) + links_s
    return _objective(tables, math.fsum(np.maximum(done, np.sort(own))))


def _bottleneck_of_any_cuts(tables: Tables) -> float:
    """Bound P0 over all cut vectors: the stages share the work, and one has the largest block."""
    fastest = [float(speed.max()) for speed in tables.speed]
    largest = max(block.flops_per_token for block in tables.instance.blocks)
    shared = tables.flops(0, tables.block_count) / math.fsum(fastest)
    stage_s = float(tables.tokens[0]) * max(shared, largest / max(fastest))
    return math.fsum([stage_s, *_least_transfers(tables)])


def _least_transfers(tables: Tables) -> list[float]:
    """Return the least time that each link takes any request, over all places of its cut."""
    tokens, spare = float(tables.tokens.min()), tables.block_count - tables.tier_count
    return [
        float(tables.latency[j])
        + tokens * float(tables.activation[j : j + spare + 1].min()) / float(tables.bandwidth[j])
        for j in range(tables.tier_count - 1)
    ]


def alone_per_token(tables: Tables) -> float:
    """Return the least seconds per token of a request that is alone, over all cuts.

    Latencies of links are not in it. Infinite exactly if no cuts fit.
    """
    before = tables.flops_before
    starts = np.arange(tables.block_count)
    after = np.full(tables.block_count + 1, np.inf)  # of all blocks from here on, next tiers
    after[-1] = 0.0
    for j in range(tables.tier_count - 1, -1, -1):
        if j < tables.tier_count - 1:
            after[1:] += tables.activation / tables.bandwidth[j]
        here = np.full(tables.block_count + 1, np.inf)
        for speed, memory in _worthwhile(tables.speed[j], tables.memory[j]):
            # The run [a, b) fits for b up to reach[a]; it costs (F[b] - F[a]) / C.
            reach = tables.reach(memory)[:-1]
            best = _window_min(before / speed + after, starts + 1, reach + 1)
            rounding = 4.0 * float(np.spacing(before[-1] / speed))
            here[:-1] = np.minimum(here[:-1], np.maximum(best - before[:-1] / speed - rounding, 0))
        after = here
    return float(after[0])


def _worthwhile(speed: FloatArray, memory: IntArray) -> list[tuple[float, int]]:
    """Return the nodes than which no other has both more speed and more memory."""
    kept: list[tuple[float, int]] = []
    for c, m in sorted(zip(speed.tolist(), memory.tolist(), strict=True), reverse=True):
        if not kept or m > kept[-1][1]:
            kept.append((c, m))
    return kept


def _window_min(values: FloatArray, low: IntArray, high: IntArray) -> FloatArray:
    """Return the least of ``values[low[i]:high[i]]`` for each i, infinite where it is empty.

    ``least_of[k, i]`` is the least of 2^k values from i on; two of these cover any window.
    """
    powers = [values]
    while 2 ** len(powers) <= len(values):
        last, step = powers[-1], 2 ** (len(powers) - 1)
        shifted = np.concatenate([last[step:], np.full(step, np.inf)])
        powers.append(np.minimum(last, shifted))
    least_of = np.stack(powers)
    width = high - low
    some = width > 0
    least = np.full(len(low), np.inf)
    k = np.frexp(width[some].astype(np.float64))[1] - 1
    least[some] = np.minimum(
        least_of[k, low[some]], least_of[k, high[some] - np.left_shift(1, k.astype(np.int64))]
    )
    return least
