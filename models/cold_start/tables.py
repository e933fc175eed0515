"""`cold-start`: what formulations and solvers look up in an instance, computed once.

The checker and the evaluator do not use this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

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
    weights = [b.weight_bytes for b in blocks]
    if instance.links_bytes_per_s is not None:
        rate = np.array(instance.links_bytes_per_s, dtype=np.float64)
    else:
        up = np.array([d.uplink_bytes_per_s for d in devices], dtype=np.float64)
        down = np.array([d.downlink_bytes_per_s for d in devices], dtype=np.float64)
        rate = np.minimum(up[:, None], down[None, :])
    np.fill_diagonal(rate, np.inf)
    return Tables(
        instance=instance,
        work=_prefix([b.flops for b in blocks]),
        weight=_prefix(weights),
        activation=np.array([b.activation_bytes for b in blocks], dtype=np.float64),
        compute=np.array([d.flops_per_s for d in devices]),
        load=np.array([d.load_bytes_per_s for d in devices]),
        inverse_rate=1.0 / rate,
        latency=instance.link_latency_s,
        reach=_reach(instance),
    )


def _prefix(values: list[float]) -> FloatArray:
    """Return prefix sums, each rounded once."""
    sums, total = [0.0], Fraction(0)
    for value in values:
        total += Fraction(value)
        sums.append(float(total))
    return np.array(sums)


def _reach(instance: Instance) -> IntArray:
    """Return ``reach[k, a]`` with the checker's very predicate, in exact arithmetic.

    Need(a, b) is rounded once, as the checker does; prefix sums in float64 could disagree
    with it where a run fits to the last byte.
    """
    count = len(instance.blocks)
    prefix = [Fraction(0)]
    for block in instance.blocks:
        prefix.append(prefix[-1] + Fraction(block.weight_bytes))
    by_memory: dict[float, IntArray] = {}
    for device in instance.devices:
        if device.memory_bytes not in by_memory:
            by_memory[device.memory_bytes] = _reach_of(instance, device.memory_bytes, prefix)
    rows = [by_memory[device.memory_bytes] for device in instance.devices]
    return np.array(rows, dtype=np.int64).reshape(len(rows), count)


def _reach_of(instance: Instance, memory: float, prefix: list[Fraction]) -> IntArray:
    """Two pointers: the stop only moves right; a deque holds the largest activation inside."""
    activation = [block.activation_bytes for block in instance.blocks]
    count = len(activation)
    limit = memory * (1 + MEMORY_TOLERANCE)
    reach = np.empty(count, dtype=np.int64)
    largest: list[int] = []  # indices with falling activations; ``head`` is its first live entry
    head = stop = 0
    for a in range(count):
        stop = max(stop, a)
        while head < len(largest) and largest[head] < a:
            head += 1
        while stop < count:
            top = activation[stop]
            if head < len(largest):
                top = max(top, activation[largest[head]])
            if float(Fraction(top) + prefix[stop + 1] - prefix[a]) > limit:
                break
            while len(largest) > head and activation[largest[-1]] <= activation[stop]:
                largest.pop()
            largest.append(stop)
            stop += 1
        reach[a] = stop
    return reach


def device_types(instance: Instance) -> DeviceTypes:
    """Group the devices that can be swapped without changing anything (spec section 4.6).

    Their five numbers are equal and, with links, swapping them leaves the matrix unchanged.
    Being swappable is an equivalence, so one representative per type is enough to compare with.
    """
    links = None
    if instance.links_bytes_per_s is not None:
        links = np.array(instance.links_bytes_per_s, dtype=np.float64)
        np.fill_diagonal(links, 0.0)
    members: list[list[int]] = []
    for k, device in enumerate(instance.devices):
        for group in members:
            other = instance.devices[group[0]]
            same = (
                device.flops_per_s == other.flops_per_s
                and device.load_bytes_per_s == other.load_bytes_per_s
                and device.memory_bytes == other.memory_bytes
                and (
                    _swappable(links, group[0], k)
                    if links is not None
                    else device.uplink_bytes_per_s == other.uplink_bytes_per_s
                    and device.downlink_bytes_per_s == other.downlink_bytes_per_s
                )
            )
            if same:
                group.append(k)
                break
        else:
            members.append([k])
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
