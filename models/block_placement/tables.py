"""`block-placement`: what formulations and solvers look up in an instance, computed once.

The checker and the evaluator do not use this module.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shardopt.models.block_placement.data import MEMORY_TOLERANCE, Instance

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_SLOTS = 2**53
"""More slots are not counted: no plan uses as many, and floats hold no larger integers."""


@dataclass(frozen=True)
class Tables:
    """Arrays of one instance with L blocks, J servers and C clients.

    Floors are exact: they agree with the checker to the last byte.

    Attributes
    ----------
    memory
        ``float[J]``, M_j with its tolerance, in bytes.
    U
        ``int[J]``, U_j: most blocks that j hosts in some optimal plan, the largest
        ``m <= min(max_blocks, L)`` with ``m (w + c) <= M_j``; 0 where j hosts nothing.
        Feasible plans may host more, with blocks that no session runs.
    slots
        ``int[J, L + 1]``, n_j(m): ``slots[j, m]`` blocks of sessions fit on j beside m hosted
        blocks, ``floor((M_j - w m) / c)``; 0 where m blocks do not fit themselves. Memory
        alone: m may be above ``max_blocks``. A plan fits when sum k <= n_j(m).
    fixed, per_block
        ``float[C, J]`` in seconds: the step of a session of client c that runs k blocks on j
        costs ``h_c(j, k) = fixed[c, j] + per_block[c, j] * k``, for both values of `cost`.
    sessions
        ``int[C]``, D_c.
    limit
        ``int[C, J]``: sessions of a client that visit a server at most. D_c, unless plans that
        cost more than a known one are left out (`bounds.within`).
    """

    instance: Instance
    memory: FloatArray
    U: IntArray
    slots: IntArray
    fixed: FloatArray
    per_block: FloatArray
    sessions: IntArray
    limit: IntArray

    @property
    def block_count(self) -> int:
        """L."""
        return self.instance.block_count

    @property
    def server_count(self) -> int:
        """J."""
        return len(self.U)

    @property
    def client_count(self) -> int:
        """C."""
        return len(self.sessions)

    @property
    def session_count(self) -> int:
        """R."""
        return self.instance.session_count

    @property
    def names(self) -> tuple[str, ...]:
        """The servers' names, in order."""
        return tuple(server.name for server in self.instance.servers)

    @cached_property
    def types(self) -> ServerTypes:
        """Which servers are interchangeable."""
        return server_types(self)


@dataclass(frozen=True)
class ServerTypes:
    """Interchangeable servers share a type.

    ``type_of[server]`` numbers the types in the order of their first server; ``members[type]``
    lists the servers of a type, in order.
    """

    type_of: IntArray
    members: tuple[tuple[int, ...], ...]

    @property
    def count(self) -> IntArray:
        """Return the number of servers of each type."""
        return np.array([len(m) for m in self.members], dtype=np.int64)

    @property
    def twins(self) -> list[tuple[int, int]]:
        """Return the pairs of neighbours within each type, for rows that break symmetry."""
        return [pair for m in self.members for pair in itertools.pairwise(m)]


def make_tables(instance: Instance) -> Tables:
    """Compute the tables of an instance."""
    memory = [server.memory_bytes * (1 + MEMORY_TOLERANCE) for server in instance.servers]
    fixed, per_block = _step_cost(instance)
    sessions = np.array([client.sessions for client in instance.clients], dtype=np.int64)
    return Tables(
        instance=instance,
        memory=np.array(memory),
        U=_most_blocks(instance, memory),
        slots=_slots(instance, memory),
        fixed=fixed,
        per_block=per_block,
        sessions=sessions,
        limit=np.repeat(sessions[:, None], len(instance.servers), axis=1),
    )


def server_types(tables: Tables) -> ServerTypes:
    """Group the servers that can be swapped in any plan without changing anything.

    They agree in U_j, in the slots beside up to U_j blocks, and in what a step costs every
    client. Servers that are equal in all but their name do, and some others.
    """
    members: dict[bytes, list[int]] = {}
    for j, most in enumerate(tables.U):
        look = (tables.slots[j, : most + 1], tables.fixed[:, j], tables.per_block[:, j])
        members.setdefault(b"".join(a.tobytes() for a in look), []).append(j)
    type_of = np.empty(tables.server_count, dtype=np.int64)
    for number, group in enumerate(members.values()):
        type_of[group] = number
    return ServerTypes(type_of, tuple(tuple(group) for group in members.values()))


def _step_cost(instance: Instance) -> tuple[FloatArray, FloatArray]:
    """Return h_c(j, 0) and h_c(j, 1) - h_c(j, 0), each ``float[C, J]``."""
    fixed = np.array([client.decode_rtt_s for client in instance.clients], dtype=np.float64)
    block = np.array([s.decode_s_per_block for s in instance.servers], dtype=np.float64)
    if instance.cost == "session":
        later = instance.output_tokens - 1
        fixed = np.array([c.prefill_rtt_s for c in instance.clients]) + later * fixed
        block = np.array([s.prefill_s_per_block for s in instance.servers]) + later * block
    return fixed, np.broadcast_to(block, fixed.shape).copy()


def _most_blocks(instance: Instance, memory: list[float]) -> IntArray:
    each = Fraction(instance.weight_bytes) + Fraction(instance.cache_bytes_per_session)
    count = instance.block_count
    return np.array(
        [
            min(Fraction(limit) // each, server.max_blocks or count, count)
            for limit, server in zip(memory, instance.servers, strict=True)
        ],
        dtype=np.int64,
    )


def _slots(instance: Instance, memory: list[float]) -> IntArray:
    """Return n_j(m), computed once for each size of memory that occurs."""
    rows = {limit: _slots_of(instance, limit) for limit in set(memory)}
    return np.array([rows[limit] for limit in memory], dtype=np.int64)


def _slots_of(instance: Instance, limit: float) -> IntArray:
    """Return ``floor((limit - w m) / c)`` by m, in floats where their error cannot matter."""
    w, c = instance.weight_bytes, instance.cache_bytes_per_session
    hosted = np.arange(instance.block_count + 1)
    with np.errstate(over="ignore"):  # an infinite ratio is clipped like any large one
        ratio = (limit - w * hosted) / c
    row: IntArray = np.clip(np.floor(ratio), 0, MOST_SLOTS).astype(np.int64)
    counted = (ratio > -1) & (ratio < MOST_SLOTS)
    error = 2.0**-50 * (limit + w * hosted[counted]) / c
    close = np.abs(ratio[counted] - np.rint(ratio[counted])) <= error
    for m in hosted[counted][close]:
        exact = (Fraction(limit) - Fraction(w) * int(m)) / Fraction(c)
        row[m] = max(0, int(exact // 1))
    return row
