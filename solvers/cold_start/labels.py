"""`cold-start`: states of the label-setting DPs, shared by `dp-collapsed`, `dssr` and the searches.

A plan is written as (type, start, stop) triples over types of interchangeable devices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from shardopt.models.cold_start.data import Solution
from shardopt.models.cold_start.tables import Tables

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
TypePlan = list[tuple[int, int, int]]

RELATIVE_MARGIN = 1e-9
"""States are dropped only when they exceed a limit by more than this share of the upper bound."""


@dataclass(frozen=True)
class TypeModel:
    """An instance with interchangeable devices merged into types, ready for the kernels.

    Attributes
    ----------
    arrays
        The tuple ``model`` of the kernels.
    available
        ``int[T]``, devices per type.
    """

    tables: Tables
    arrays: tuple[Any, ...]
    available: IntArray

    @property
    def type_count(self) -> int:
        """``T``."""
        return len(self.available)

    @property
    def reach(self) -> IntArray:
        """``int[T, L]``."""
        reach: IntArray = self.arrays[8]
        return reach

    def decode(self, stages: TypePlan) -> Solution:
        """Make a plan of devices: the members of a type are used in file order."""
        used = [0] * self.type_count
        triples = []
        for e, a, b in stages:
            triples.append((self.tables.types.members[e][used[e]], a, b))
            used[e] += 1
        return self.tables.decode(triples)

    def encode(self, solution: Solution) -> TypePlan:
        """Return the (type, start, stop) triples of a plan of devices."""
        index = self.tables.instance.device_index()
        type_of = self.tables.types.type_of
        return [(int(type_of[index[s.device]]), s.start, s.stop) for s in solution.stages]


def type_model(tables: Tables) -> TypeModel:
    """Merge interchangeable devices; rates within a type are those between two members."""
    members = tables.types.members
    first = np.array([group[0] for group in members], dtype=np.int64)
    second = np.array([group[min(1, len(group) - 1)] for group in members], dtype=np.int64)
    inverse_rate = tables.inverse_rate[np.ix_(first, first)].copy()
    np.fill_diagonal(inverse_rate, tables.inverse_rate[first, second])
    return TypeModel(
        tables=tables,
        arrays=_kernel_model(tables, first, inverse_rate),
        available=tables.types.count,
    )


def device_model(tables: Tables) -> tuple[Any, ...]:
    """Return the kernels' model with every device a type of its own, as published."""
    return _kernel_model(tables, np.arange(tables.device_count), tables.inverse_rate)


def _kernel_model(tables: Tables, devices: IntArray, inverse_rate: FloatArray) -> tuple[Any, ...]:
    return (
        tables.layerwise,
        tables.work,
        tables.weight,
        tables.activation,
        1.0 / tables.compute[devices],
        1.0 / tables.load[devices],
        np.ascontiguousarray(inverse_rate),
        float(tables.latency),
        np.ascontiguousarray(tables.reach[devices]),
    )


@dataclass(frozen=True)
class StateSpace:
    """Counts of the critical types, numbered in mixed radix.

    ``place[e]`` is the place value of type ``e``, 0 if it is not critical; ``size`` the number
    of states.
    """

    place: IntArray
    size: int


def state_space(available: IntArray, critical: Iterable[int]) -> StateSpace:
    """Number all vectors of counts of the critical types."""
    places = [0] * len(available)
    size = 1  # a Python integer: it may exceed 64 bits
    for e in sorted(critical):
        places[e] = size
        size *= int(available[e]) + 1
    if size > 2**62:
        places = [0] * len(available)  # never used: no table of that size will be made
    return StateSpace(np.array(places, dtype=np.int64), size)


def largest_run(model: TypeModel) -> IntArray:
    """Return ``int[T]``, the most blocks that one device of a type can hold anywhere."""
    lengths: IntArray = (model.reach - np.arange(model.tables.block_count)).max(axis=1)
    return lengths


def memory_allowance(memory_limit_bytes: float | None) -> float:
    """Return how much memory a table in this process may take.

    By default half of what is free: the rest of the process and its neighbours stay alive.
    """
    if memory_limit_bytes is not None:
        return memory_limit_bytes
    return 0.5 * float(psutil.virtual_memory().available)
