"""`replica-clustering`: the best pipeline inside one replica (spec section 4).

Order and cut are independent of each other: hops do not depend on where the blocks are cut, and
a stage's time not on its place. So T = max(C, H): the slowest stage at its least, and the slowest
hop at its least. `replica_rate` and `to_replica` put both together; what a whole search needs
of thousands of sets is compiled in `shardopt.solvers.replica_clustering`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from shardopt.models.replica_clustering.data import Replica, Role, Stage
from shardopt.models.replica_clustering.ordering import best_order
from shardopt.models.replica_clustering.tables import FloatArray, IntArray, Tables

BatchRule = Literal["best", "largest"]

MOST_LISTED = 1000
"""Times that are listed and sorted; before, bisection leaves no more."""


class Cut(NamedTuple):
    """Blocks per device, in the order that was asked for; the master; the slowest part's time."""

    counts: tuple[int, ...]
    master: int
    time_s: float


def stage_times(
    tables: Tables, role: Role, q: int, devices: Sequence[int], counts: Sequence[int], master: int
) -> FloatArray:
    """Return the time of each stage."""
    block_s, head_s = _times(tables, role, q, devices)
    is_master = np.array([device == master for device in devices])
    times: FloatArray = np.asarray(counts) * block_s + np.where(is_master, head_s, 0.0)
    return times


def greedy(tables: Tables, role: Role, q: int, devices: Sequence[int]) -> Cut | None:
    """Return the cut with the least slowest stage, hops aside, or ``None`` where none fits (ours).

    For each master: one block each, then the next block goes to the device whose stage is
    fastest with it. Minimises a maximum of increasing functions, so it is exact.
    """
    cuts = [_greedy_for(tables, role, q, devices, m) for m in range(len(devices))]
    found = [cut for cut in cuts if cut is not None]
    return min(found, key=lambda cut: cut.time_s, default=None)


def _greedy_for(tables: Tables, role: Role, q: int, devices: Sequence[int], m: int) -> Cut | None:
    block_s, head_s = _times(tables, role, q, devices)
    head = np.where(np.arange(len(devices)) == m, head_s, 0.0)
    most = _most(tables, role, q, devices, len(devices), m)
    left = tables.block_count - len(devices)
    if left < 0 or most.min() < 1 or most.sum() < tables.block_count:
        return None
    counts = [1] * len(devices)
    waiting = [(2 * block_s[k] + head[k], k) for k in range(len(devices)) if most[k] > 1]
    heapq.heapify(waiting)
    for _ in range(left):
        _, k = heapq.heappop(waiting)
        counts[k] += 1
        if counts[k] < most[k]:
            heapq.heappush(waiting, ((counts[k] + 1) * block_s[k] + head[k], k))
    time_s = float((np.array(counts) * block_s + head).max())
    return Cut(tuple(counts), devices[m], time_s)


def stage_dp(tables: Tables, role: Role, q: int, devices: Sequence[int]) -> Cut | None:
    """Return the cut that the published DP finds for devices in the given order, hops included.

    Source: arXiv 2606.03770, Alg. 1, for every master m:
    ``DP(i, k) = min over j of max(DP(j, k-1), time of i - j blocks on k, hop(k-1, k))``. Its
    listing has slips (min for the outer max, flags of k and k-1 swapped, a back-trace that loses
    a first run of one block); this follows the recurrence. O(S^3 N^2) over all masters.
    """
    cuts = [_dp_for(tables, role, q, devices, m) for m in range(len(devices))]
    found = [cut for cut in cuts if cut is not None]
    return min(found, key=lambda cut: cut.time_s, default=None)


def _dp_for(tables: Tables, role: Role, q: int, devices: Sequence[int], m: int) -> Cut | None:
    blocks = tables.block_count
    block_s, head_s = _times(tables, role, q, devices)
    most = _most(tables, role, q, devices, len(devices), m)
    hop_s = tables.hop_s(role, q)
    before = np.full(blocks + 1, np.inf)  # DP(., k - 1)
    before[0] = 0.0
    first = np.zeros((len(devices), blocks + 1), dtype=np.int64)
    for k, device in enumerate(devices):
        run = np.arange(blocks + 1)
        time = np.where(run <= most[k], run * block_s[k] + (head_s[k] if k == m else 0.0), np.inf)
        hop = hop_s[devices[k - 1], device] if k > 0 else 0.0
        now = np.full(blocks + 1, np.inf)
        for i in range(1, blocks + 1):
            slowest = np.maximum(np.maximum(before[:i], time[i:0:-1]), hop)
            first[k, i] = slowest.argmin()
            now[i] = slowest[first[k, i]]
        before = now
    if not np.isfinite(before[blocks]):
        return None
    counts, stop = [], blocks
    for k in reversed(range(len(devices))):
        counts.append(stop - int(first[k, stop]))
        stop = int(first[k, stop])
    return Cut(tuple(reversed(counts)), devices[m], float(before[blocks]))


def best_cut(tables: Tables, role: Role, q: int, devices: Sequence[int]) -> Cut | None:
    """Return the cut of `greedy` by bisection, whatever the number of blocks.

    How many blocks fit below a limit changes only where the limit is a time that some stage can
    have. C is the least such time below which all blocks fit.
    """
    stages = _Stages.of(tables, role, q, devices)
    low, high = 0.0, stages.longest_s
    if stages.within(high) is None:
        return None
    while stages.times_between(low, high) > MOST_LISTED and low < (low + high) / 2 < high:
        middle = (low + high) / 2
        low, high = (middle, high) if stages.within(middle) is None else (low, middle)
    times = stages.list_times(low, high)
    first, last = 0, len(times) - 1
    while first < last:
        middle = (first + last) // 2
        if stages.within(times[middle]) is None:
            first = middle + 1
        else:
            last = middle
    within = stages.within(times[last])
    assert within is not None  # the blocks fit below the last of all times
    counts, m = within
    return Cut(tuple(counts.tolist()), devices[m], float(times[last]))


class _Stages(NamedTuple):
    """The stages of one replica; ``most_head`` is the memory limit of a master."""

    blocks: int
    block_s: FloatArray
    head_s: FloatArray
    most: IntArray
    most_head: IntArray

    @classmethod
    def of(cls, tables: Tables, role: Role, q: int, devices: Sequence[int]) -> _Stages:
        index = np.asarray(devices)
        limits = (
            np.maximum(tables.most_blocks(role, q, len(devices), head)[index], 0)
            for head in (False, True)
        )
        return cls(tables.block_count, *_times(tables, role, q, devices), *limits)

    @property
    def longest_s(self) -> float:
        return float((self.blocks * self.block_s + self.head_s).max())

    def fitting(self, limit_s: float) -> tuple[IntArray, IntArray]:
        """Return the most blocks of each device within the limit, and the same as master."""
        most = _fitting(limit_s, self.block_s, 0.0, self.most)
        return most, _fitting(limit_s, self.block_s, self.head_s, self.most_head)

    def times_between(self, low_s: float, high_s: float) -> int:
        """Return how many times above ``low_s`` and up to ``high_s`` stages can have."""
        return sum(
            int((high - low).sum())
            for low, high in zip(self.fitting(low_s), self.fitting(high_s), strict=True)
        )

    def list_times(self, low_s: float, high_s: float) -> FloatArray:
        """Return these times, sorted."""
        times = []
        heads = (np.zeros_like(self.head_s), self.head_s)
        for low, high, head in zip(self.fitting(low_s), self.fitting(high_s), heads, strict=True):
            for k in np.flatnonzero(high > low):
                times.append(np.arange(low[k] + 1, high[k] + 1) * self.block_s[k] + head[k])
        return np.unique(np.concatenate(times))

    def within(self, limit_s: float) -> tuple[IntArray, int] | None:
        """Return counts and the master's position with no stage beyond the limit."""
        most, most_head = self.fitting(limit_s)
        loss = np.where(most_head >= 1, most - most_head, self.blocks + 1)
        m = int(loss.argmin())
        counts = most.copy()
        counts[m] = most_head[m]
        if counts.min() < 1 or counts.sum() < self.blocks or self.blocks < counts.size:
            return None
        surplus = int(counts.sum()) - self.blocks
        taken = np.minimum(np.cumsum(counts - 1), surplus)  # from the first devices, all but one
        return counts - np.diff(taken, prepend=0), m


def _fitting(
    limit_s: float, block_s: FloatArray, head_s: FloatArray | float, most: IntArray
) -> IntArray:
    """Return the most blocks with ``blocks * block_s + head_s <= limit_s`` in floats."""
    with np.errstate(over="ignore"):
        count = np.clip(np.floor((limit_s - head_s) / block_s), 0, most)
    count = np.where((count > 0) & (count * block_s + head_s > limit_s), count - 1, count)
    more = (count < most) & ((count + 1) * block_s + head_s <= limit_s)
    return np.where(more, count + 1, count).astype(np.int64)


def replica_rate(
    tables: Tables, role: Role, devices: Sequence[int], batch_rule: BatchRule = "best"
) -> tuple[float, int]:
    """Return requests/s of the replica, and its batch; (0, 0) where it cannot be.

    Parameters
    ----------
    batch_rule
        ``largest`` takes the largest batch that the memory and the token rate allow, as
        published; ``best`` the fastest one.
    """
    best, best_q = 0.0, 0
    for q in batches(tables, role, len(devices)):
        cut = best_cut(tables, role, q, devices)
        if cut is None:
            continue
        time_s = max(cut.time_s, best_order(tables, role, q, devices)[1])
        if role == "decode" and not tables.rate_allowed(len(devices), time_s):
            continue
        rate = rate_at(tables, role, q, time_s)
        if rate > best:
            best, best_q = rate, q
        if batch_rule == "largest":
            break
    return best, best_q


def batches(tables: Tables, role: Role, stages: int) -> range:
    """Return the batches that a replica of so many stages may have, the largest first."""
    if role == "prefill":
        return range(1, 0, -1)
    return range(tables.max_batch // stages, 0, -1)


def rate_at(tables: Tables, role: Role, q: int, time_s: float) -> float:
    """Return ``rho``, the requests/s of a replica whose slowest part takes ``time_s``."""
    if time_s == 0.0:
        return math.inf
    return 1.0 / time_s if role == "prefill" else q / (time_s * tables.output_tokens)


def to_replica(tables: Tables, role: Role, q: int, devices: Sequence[int]) -> Replica:
    """Return the best replica of these devices, which must exist."""
    order, _ = best_order(tables, role, q, sorted(devices))
    cut = best_cut(tables, role, q, order)
    if cut is None:
        raise ValueError("these devices do not make a replica")
    names = [device.name for device in tables.instance.devices]
    stops = np.cumsum(cut.counts).tolist()
    stages = tuple(
        Stage(names[device], stop - count, stop)
        for device, count, stop in zip(order, cut.counts, stops, strict=True)
    )
    return Replica(role=role, batch=q, master=names[cut.master], stages=stages)


def _times(
    tables: Tables, role: Role, q: int, devices: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """Return the seconds per block and of the head, by device."""
    index = np.asarray(devices)
    if role == "prefill":
        return tables.prefill_s[index], tables.prefill_head_s[index]
    return tables.decode_s[index, q - 1], tables.decode_head_s[index, q - 1]


def _most(
    tables: Tables, role: Role, q: int, devices: Sequence[int], stages: int, m: int
) -> IntArray:
    """Return the most blocks that each device has the memory for, where the m-th is master."""
    index = np.asarray(devices)
    most = np.array(tables.most_blocks(role, q, stages, False)[index])
    most[m] = tables.most_blocks(role, q, stages, True)[index[m]]
    return most
