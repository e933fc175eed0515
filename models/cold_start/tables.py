"""`cold-start`: what formulations and solvers look up in an instance, computed once.

The checker and the evaluator do not use this module.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shardopt.models.cold_start.data import MEMORY_TOLERANCE, Instance, Solution, plan

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Tables:
    """Arrays of one instance with ``L`` blocks and ``K`` devices.

    Attributes
    ----------
    work
        ``float[L + 1]``, prefix sums of the blocks' FLOP: a run's work is ``work[b] - work[a]``.
    weight
        ``float[L + 1]``, prefix sums of the blocks' weight bytes.
    activation
        ``float[L]``, bytes that block ``i`` hands to block ``i + 1``.
    compute, load
        ``float[K]``, FLOP/s and bytes/s.
    inverse_rate
        ``float[sender, receiver]``, seconds per byte; 0 on the diagonal.
    latency
        Seconds added to each transfer.
    reach
        ``int[K, L]``: ``[a, b)`` fits on ``k`` exactly when ``a < b <= reach[k, a]``;
        ``reach[k, a] = a`` if nothing fits. Nondecreasing in ``a``.
    """

    instance: Instance
    work: FloatArray
    weight: FloatArray
    activation: FloatArray
    compute: FloatArray
    load: FloatArray
    inverse_rate: FloatArray
    latency: float
    reach: IntArray

    @property
    def block_count(self) -> int:
        """``L``."""
        return len(self.activation)

    @property
    def device_count(self) -> int:
        """``K``."""
        return len(self.compute)

    @property
    def layerwise(self) -> bool:
        """Whether the instance loads layer by layer."""
        return self.instance.loading == "layerwise"

    def load_s(self, k: int, a: int, b: int) -> float:
        """Return ``Load_k(a, b)`` in seconds."""
        return float((self.weight[b] - self.weight[a]) / self.load[k])

    def comp_s(self, k: int, a: int, b: int) -> float:
        """Return ``Comp_k(a, b)`` in seconds."""
        return float((self.work[b] - self.work[a]) / self.compute[k])

    def transfer_s(self, d: int, k: int, a: int) -> float:
        """Return ``X_dk(a)`` in seconds, for ``a >= 1``."""
        return float(self.latency + self.activation[a - 1] * self.inverse_rate[d, k])

    def own_s(self, k: int, a: int, b: int) -> float:
        """Return ``G_k(a, b)``: the finish of a layerwise run that waits for nobody."""
        ahead = self.weight[a + 1 : b + 1] / self.load[k] - self.work[a:b] / self.compute[k]
        return float(ahead.max() - self.weight[a] / self.load[k] + self.work[b] / self.compute[k])

    @cached_property
    def types(self) -> DeviceTypes:
        """Which devices are interchangeable."""
        return device_types(self.instance)

    def decode(self, stages: list[tuple[int, int, int]]) -> Solution:
        """Make a solution of (device index, start, stop) triples."""
        return plan(self.instance, stages)


@dataclass(frozen=True)
class DeviceTypes:
    """Interchangeable devices share a type.

    ``type_of[device]`` numbers the types in the order of their first device; ``members[type]``
    lists the devices of a type; ``count[type]`` their number.
    """

    type_of: IntArray
    members: tuple[tuple[int, ...], ...]

    @property
    def count(self) -> IntArray:
        """Return the number of devices of each type."""
        return np.array([len(m) for m in self.members], dtype=np.int64)


def make_tables(instance: Instance) -> Tables:
    """Compute the tables of an instance."""
    blocks, devices = instance.blocks, instance.devices
    if instance.links_bytes_per_s is not None:
        rate = np.array(instance.links_bytes_per_s, dtype=np.float64)
    else:
        up = np.array([d.uplink_bytes_per_s for d in devices], dtype=np.float64)
        down = np.array([d.downlink_bytes_per_s for d in devices], dtype=np.float64)
        rate = np.minimum(up[:, None], down[None, :])
    np.fill_diagonal(rate, np.inf)
    return Tables(
        instance=instance,
        work=_prefix([float(b.flops) for b in blocks]),
        weight=_prefix([float(b.weight_bytes) for b in blocks]),
        activation=np.array([b.activation_bytes for b in blocks], dtype=np.float64),
        compute=np.array([d.flops_per_s for d in devices]),
        load=np.array([d.load_bytes_per_s for d in devices]),
        inverse_rate=1.0 / rate,
        latency=instance.link_latency_s,
        reach=_reach(instance),
    )


def _prefix(values: list[float]) -> FloatArray:
    """Return prefix sums, each rounded once."""
    scaled, unit = _as_integers(values)
    sums = [0, *accumulate(scaled)]
    return np.array([total / unit for total in sums])


def _as_integers(values: list[float]) -> tuple[list[int], int]:
    """Return the values times a common power of two that makes them all whole, and that power."""
    unit = max((value.as_integer_ratio()[1] for value in set(values)), default=1)
    return [int(Fraction(value) * unit) if unit > 1 else int(value) for value in values], unit


def _reach(instance: Instance) -> IntArray:
    """Return ``reach[k, a]`` with the checker's very predicate, in exact arithmetic.

    Need(a, b) is rounded once, as the checker does; prefix sums in float64 could disagree
    with it where a run fits to the last byte.
    """
    count = len(instance.blocks)
    sizes = [block.weight_bytes for block in instance.blocks]
    sizes += [block.activation_bytes for block in instance.blocks]
    scaled, unit = _as_integers([float(size) for size in sizes])
    weight = [0, *accumulate(scaled[:count])]
    activation = scaled[count:]
    rows: dict[float, IntArray] = {}
    for memory in {device.memory_bytes for device in instance.devices}:
        limit = memory * (1 + MEMORY_TOLERANCE)
        if unit == 1 and weight[-1] + max(activation) < 2**53:
            rows[memory] = _reach_whole(weight, activation, limit)
        else:
            rows[memory] = _reach_exact(weight, activation, limit, unit)
    return np.array([rows[device.memory_bytes] for device in instance.devices], dtype=np.int64)


def _reach_whole(weight: list[int], activation: list[int], limit: float) -> IntArray:
    """Return ``reach[a]`` for whole numbers of bytes below 2^53, where float64 is exact.

    With the least and the largest activation of all, searching the prefix sums brackets the
    answer; where both agree, mostly everywhere, nothing is left to do.
    """
    prefix = np.array(weight, dtype=np.int64)
    room = int(min(limit, 2.0**53))
    start, count = prefix[:-1], len(activation)
    low = np.searchsorted(prefix, start + (room - max(activation)), side="right") - 1
    high = np.searchsorted(prefix, start + (room - min(activation)), side="right") - 1
    own = np.arange(count)
    low, high = np.maximum(low, own), np.maximum(high, own)
    for a in np.flatnonzero(low < high):
        # Need(a, b) never falls with b.
        top = max(activation[a : low[a]], default=0)
        while low[a] < high[a]:
            top = max(top, activation[low[a]])
            if top + weight[low[a] + 1] - weight[a] > room:
                break
            low[a] += 1
    return np.asarray(low, dtype=np.int64)


def _reach_exact(weight: list[int], activation: list[int], limit: float, unit: int) -> IntArray:
    """Return ``reach[a]`` for any sizes: two pointers, a deque with the largest activation."""
    count = len(activation)
    reach = np.empty(count, dtype=np.int64)
    largest: deque[int] = deque()  # positions inside the run, activations falling
    stop = 0
    for a in range(count):
        stop = max(stop, a)
        while largest and largest[0] < a:
            largest.popleft()
        while stop < count:
            top = max(activation[stop], activation[largest[0]] if largest else 0)
            if (top + weight[stop + 1] - weight[a]) / unit > limit:
                break
            while largest and activation[largest[-1]] <= activation[stop]:
                largest.pop()
            largest.append(stop)
            stop += 1
        reach[a] = stop
    return reach


def device_types(instance: Instance) -> DeviceTypes:
    """Group the devices that can be swapped without changing anything (spec section 4.6).

    Their five numbers are equal or, with links, the first three, and swapping them leaves the
    matrix unchanged. Being swappable is an equivalence, so one representative per type is
    enough to compare with.
    """
    links = None
    if instance.links_bytes_per_s is not None:
        links = np.array(instance.links_bytes_per_s, dtype=np.float64)
        np.fill_diagonal(links, 0.0)
    groups: dict[Any, list[list[int]]] = {}  # a key that swappable devices share -> types
    members: list[list[int]] = []
    for k, device in enumerate(instance.devices):
        key: tuple[Any, ...] = (device.flops_per_s, device.load_bytes_per_s, device.memory_bytes)
        if links is None:
            key += (device.uplink_bytes_per_s, device.downlink_bytes_per_s)
        else:
            key += (np.sort(links[k]).tobytes(), np.sort(links[:, k]).tobytes())
        same_key = groups.setdefault(key, [])
        group = next((g for g in same_key if links is None or _swappable(links, g[0], k)), None)
        if group is None:
            group = []
            same_key.append(group)
            members.append(group)
        group.append(k)
    type_of = np.empty(len(instance.devices), dtype=np.int64)
    for number, group in enumerate(members):
        type_of[group] = number
    return DeviceTypes(type_of, tuple(tuple(group) for group in members))


def _swappable(links: FloatArray, i: int, j: int) -> bool:
    order = np.arange(len(links))
    order[[i, j]] = j, i
    # Only the rows and columns of i and j can differ.
    rows = np.array_equal(links[[i, j]][:, order], links[[j, i]])
    columns = np.array_equal(links[:, [i, j]][order], links[:, [j, i]])
    return bool(rows and columns and links[i, j] == links[j, i])
