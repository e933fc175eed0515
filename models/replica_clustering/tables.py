"""`replica-clustering`: what formulations and solvers look up in an instance, computed once.

The checker and the evaluator do not use this module; its predicates are theirs, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shardopt.models.replica_clustering.data import TOLERANCE, Device, Instance, Role

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Tables:
    """Arrays of one instance with N blocks, M devices and batches up to B.

    Attributes
    ----------
    memory
        ``float[M]``, m_i in bytes, without its tolerance.
    prefill_s, prefill_head_s
        ``float[M]``: seconds per prompt, of each block and of the head.
    decode_s, decode_head_s
        ``float[M, B]``: seconds per token of each of q requests, in column q - 1.
    uniform
        Whether all hops are the same.
    latency_s, bytes_per_s
        ``float[M, M]``, row = sender; read-only, the diagonal unused.
    """

    instance: Instance
    memory: FloatArray
    prefill_s: FloatArray
    prefill_head_s: FloatArray
    decode_s: FloatArray
    decode_head_s: FloatArray
    uniform: bool
    latency_s: FloatArray
    bytes_per_s: FloatArray

    @property
    def device_count(self) -> int:
        """M."""
        return len(self.memory)

    @property
    def block_count(self) -> int:
        """N."""
        return self.instance.model.blocks

    @property
    def max_batch(self) -> int:
        """B."""
        return self.instance.workload.max_batch

    @property
    def output_tokens(self) -> float:
        """U."""
        return self.instance.workload.output_tokens

    @property
    def min_tokens_per_s(self) -> float:
        """R."""
        return self.instance.workload.min_tokens_per_s

    @cached_property
    def types(self) -> DeviceTypes:
        """Which devices are interchangeable."""
        return device_types(self)

    def hop_bytes(self, role: Role, q: int) -> float:
        """Return what goes from one stage to the next."""
        tokens = self.instance.workload.input_tokens if role == "prefill" else q
        return self.instance.model.activation_bytes_per_token * tokens

    def hop_s(self, role: Role, q: int) -> FloatArray:
        """Return ``float[M, M]``: hops from row to column; read-only where they are uniform."""
        size = self.hop_bytes(role, q)
        if self.uniform:  # nothing of size M x M is computed
            return np.broadcast_to(
                self.latency_s[0, 0] + size / self.bytes_per_s[0, 0], self._square
            )
        hop: FloatArray = self.latency_s + size / self.bytes_per_s
        return hop

    @property
    def _square(self) -> tuple[int, int]:
        return self.device_count, self.device_count

    def cache_tokens(self, role: Role, q: int, stages: int) -> float:
        """Return n L, the tokens of all requests in a replica: each block keeps them all."""
        workload = self.instance.workload
        tokens = workload.input_tokens
        if role == "decode":
            tokens += workload.output_tokens
        return q * stages * tokens

    def most_blocks(self, role: Role, q: int, stages: int, head: bool) -> IntArray:
        """Return ``int[M]``: the most blocks, up to N, that each device has the memory for.

        ``head`` is for masters; -1 where the head alone is too much. Counts of 0 and less are no
        stage.
        """
        model = self.instance.model
        cache = model.cache_bytes_per_token_per_block * self.cache_tokens(role, q, stages)
        per_block = model.block_weight_bytes + cache
        head_bytes = model.head_weight_bytes if head else 0.0
        room = self.memory * (1 + TOLERANCE)

        def fits(count: IntArray) -> NDArray[np.bool_]:
            within: NDArray[np.bool_] = count * per_block + head_bytes <= room
            return within

        quotient = np.floor((room - head_bytes) / per_block)
        count = np.clip(quotient, -1, self.block_count).astype(np.int64)
        # The predicate decides, and where numbers are rounded it may say something else.
        right = (count < 0) | fits(count)
        right &= (count == self.block_count) | ~fits(count + 1)
        return count if right.all() else self._bisected(fits)

    def _bisected(self, fits: Callable[[IntArray], NDArray[np.bool_]]) -> IntArray:
        """Return the largest counts up to N that fit, -1 where none does."""
        low = np.full(self.device_count, -1, dtype=np.int64)
        high = np.full(self.device_count, self.block_count, dtype=np.int64)
        while (low < high).any():
            middle = (low + high + 1) // 2
            low, high = (
                np.where(fits(middle), middle, low),
                np.where(fits(middle), high, middle - 1),
            )
        return low

    def rate_allowed(self, stages: int, time_s: Any) -> Any:
        """Return whether the token rate holds if the slowest part takes ``time_s`` (an array)."""
        return stages * time_s * self.min_tokens_per_s <= 1 + TOLERANCE


@dataclass(frozen=True)
class DeviceTypes:
    """Interchangeable devices share a type: ``members[type]`` lists them, in order.

    Types are in the order of their first device.
    """

    members: tuple[tuple[int, ...], ...]

    @property
    def count(self) -> IntArray:
        """Return the number of devices of each type."""
        return np.array([len(group) for group in self.members], dtype=np.int64)


def make_tables(instance: Instance) -> Tables:
    """Compute the tables of an instance."""
    devices, workload = instance.devices, instance.workload
    batches = workload.max_batch
    latency_s, bytes_per_s = _links(instance)
    return Tables(
        instance=instance,
        memory=_floats([d.memory_bytes for d in devices]),
        prefill_s=workload.input_tokens
        * _floats([d.prefill_s_per_token_per_block for d in devices]),
        prefill_head_s=workload.input_tokens
        * _floats([d.head_prefill_s_per_token for d in devices]),
        decode_s=_floats([d.decode_s_per_block[:batches] for d in devices]),
        decode_head_s=_floats([d.head_decode_s[:batches] for d in devices]),
        uniform=instance.link is not None,
        latency_s=latency_s,
        bytes_per_s=bytes_per_s,
    )


def device_types(tables: Tables) -> DeviceTypes:
    """Group the devices that are equal in everything but their name.

    With unequal links, swapping two of a type must also leave both matrices unchanged. Where
    a may be swapped with b, and b with c, so may a with c: comparing with one member is enough.
    """
    alike: dict[tuple[Any, ...], list[list[int]]] = {}
    for i, device in enumerate(tables.instance.devices):
        key = _look(device, tables.max_batch)
        if not tables.uniform:
            key += (_links_of(tables.latency_s, i), _links_of(tables.bytes_per_s, i))
        groups = alike.setdefault(key, [])
        for group in groups:
            if tables.uniform or _may_swap(tables, group[0], i):
                group.append(i)
                break
        else:
            groups.append([i])
    return DeviceTypes(tuple(sorted(tuple(g) for groups in alike.values() for g in groups)))


def _look(device: Device, batches: int) -> tuple[Any, ...]:
    return (
        device.memory_bytes,
        device.prefill_s_per_token_per_block,
        device.decode_s_per_block[:batches],
        device.head_prefill_s_per_token,
        device.head_decode_s[:batches],
    )


def _links_of(values: FloatArray, i: int) -> bytes:
    """Return what two devices have in common if they may be swapped."""
    return np.concatenate([np.sort(values[i]), np.sort(values[:, i])]).tobytes()


def _may_swap(tables: Tables, i: int, j: int) -> bool:
    order = np.arange(tables.device_count)
    order[[i, j]] = j, i
    return all(
        np.array_equal(values[i], values[j, order])
        and np.array_equal(values[:, i], values[order, j])
        for values in (tables.latency_s, tables.bytes_per_s)
    )


def _links(instance: Instance) -> tuple[FloatArray, FloatArray]:
    """Return latencies and bandwidths, both ``float[M, M]``; the uniform ones take no memory."""
    if instance.link is not None:
        size = len(instance.devices), len(instance.devices)
        link = instance.link
        return np.broadcast_to(link.latency_s, size), np.broadcast_to(link.bytes_per_s, size)
    assert instance.links is not None  # exactly one of both is there
    latency_s, bytes_per_s = _floats(instance.links.latency_s), _floats(instance.links.bytes_per_s)
    np.fill_diagonal(latency_s, 0.0)
    np.fill_diagonal(bytes_per_s, np.inf)
    return latency_s, bytes_per_s


def _floats(values: Any) -> FloatArray:
    return np.array(values, dtype=np.float64)
