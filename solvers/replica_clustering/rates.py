"""`replica-clustering`: rates of replicas for all sets of some devices, or for a list of sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from shardopt.models.replica_clustering.data import Role
from shardopt.models.replica_clustering.grouping import Group, types_of
from shardopt.models.replica_clustering.inside import BatchRule
from shardopt.models.replica_clustering.tables import FloatArray, IntArray, Tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.jit import compiled

Set = tuple[IntArray, IntArray]
"""Some devices: their types, and how many there are of each."""
ROLES: tuple[Role, Role] = ("prefill", "decode")


@dataclass(frozen=True)
class RateModel:
    """An instance with equal devices merged into types, ready for the kernels.

    Attributes
    ----------
    roles
        The tuples ``ROLE`` of the kernels, for prefill and decode.
    available
        ``int[type]``, devices per type.
    """

    tables: Tables
    roles: tuple[Any, Any]
    available: IntArray

    @property
    def type_count(self) -> int:
        """The number of types."""
        return len(self.available)

    @cached_property
    def type_of(self) -> IntArray:
        """``int[device]``."""
        return np.array(types_of(self.tables))

    def set_of(self, devices: Iterable[int]) -> Set:
        """Return devices as a set by type."""
        return np.unique(self.type_of[list(devices)], return_counts=True)

    def hop_s(self, role: int, q: int) -> FloatArray:
        """Return ``float[type, type]``: the time of a hop."""
        latency, bytes_per_s, size = self.roles[role][4:7]
        hop: FloatArray = latency + size * q / bytes_per_s
        return hop


def rate_model(tables: Tables) -> RateModel:
    """Merge equal devices and lay out what the kernels look up."""
    members = tables.types.members
    first = np.array([group[0] for group in members])
    available = np.array([len(group) for group in members], dtype=np.int64)
    # Hops of a type with itself are those between its first two members.
    second = np.array([group[min(1, len(group) - 1)] for group in members])
    roles = tuple(_role_model(tables, role, first, second) for role in ROLES)
    return RateModel(tables, (roles[0], roles[1]), available)


def _role_model(tables: Tables, role: Role, first: IntArray, second: IntArray) -> tuple[Any, ...]:
    blocks = tables.block_count
    if role == "prefill":
        block_s, head_s = tables.prefill_s[None, first], tables.prefill_head_s[None, first]
        most_requests = min(blocks, tables.device_count)
        per_batch, least_rate, max_batch = 1.0, 0.0, 0
    else:
        block_s, head_s = tables.decode_s[first].T, tables.decode_head_s[first].T
        most_requests = max_batch = tables.max_batch
        per_batch, least_rate = 1.0 / tables.output_tokens, tables.min_tokens_per_s
    most = np.zeros((most_requests + 1, 2, len(first)), dtype=np.int64)
    for requests in range(1, most_requests + 1):
        for head in (0, 1):
            # The cache holds q S requests, however they are split into micro-batches.
            fits = tables.most_blocks(role, 1, requests, bool(head))[first]
            most[requests, head] = np.maximum(fits, 0)
    return (
        blocks,
        max_batch,
        np.ascontiguousarray(np.stack([block_s, 1.0 / block_s, head_s], axis=1)),
        most,
        _between_types(tables.latency_s, first, second),
        _between_types(tables.bytes_per_s, first, second),
        tables.hop_bytes(role, 1),
        per_batch,
        least_rate,
    )


def _between_types(values: FloatArray, first: IntArray, second: IntArray) -> FloatArray:
    """Return ``float[type, type]`` of a matrix between devices, its diagonal unused before."""
    between = values[np.ix_(first, first)]
    np.fill_diagonal(between, values[first, second])
    return np.ascontiguousarray(between)


@dataclass(frozen=True)
class StateRates:
    """Rates of all sets of some devices.

    ``available[n]`` devices of type ``kind[n]`` take part; the state of a set is
    ``sum of count[n] * place[n]``.

    Attributes
    ----------
    rate, batch
        ``[state, role]``; requests/s, and the batch that has this rate; 0 where there is none.
    """

    model: RateModel
    kind: IntArray
    available: IntArray
    place: IntArray
    rate: FloatArray
    batch: IntArray

    def counts(self, states: Sequence[int] | IntArray) -> IntArray:
        """Return ``int[n, type]``: how many devices of each type are in these sets."""
        numbers = np.asarray(states, dtype=np.int64)[:, None]
        counts = np.zeros((len(numbers), self.model.type_count), dtype=np.int64)
        counts[:, self.kind] = numbers // self.place % (self.available + 1)
        return counts

    def groups(self, states: Sequence[int], role: int) -> list[Group]:
        """Return replicas of one role, given as sets."""
        counts = self.counts(states).tolist()
        batches = self.batch[list(states), role].tolist()
        return [Group(ROLES[role], q, tuple(c)) for q, c in zip(batches, counts, strict=True)]


def state_count(available: IntArray) -> int:
    """Return the number of sets, which may be beyond 64 bits."""
    return math.prod(int(n) + 1 for n in available)


def pair_count(available: IntArray) -> float:
    """Return the number of pairs (set, part of it), perhaps infinite: the work of the DP."""
    return float(math.prod((n + 1.0) * (n + 2.0) / 2.0 for n in available.tolist()))


def rate_states(
    model: RateModel,
    budget: Budget,
    *,
    kind: IntArray | None = None,
    available: IntArray | None = None,
    batch_rule: BatchRule = "best",
) -> StateRates | None:
    """Rate all sets of ``available`` devices by type; ``None`` when the run must end."""
    if kind is None or available is None:
        kind, available = np.arange(model.type_count), model.available
    place = np.concatenate([[1], np.cumprod(available[:-1] + 1)]).astype(np.int64)
    size = state_count(available)
    rated = StateRates(
        model,
        kind,
        available,
        place,
        np.zeros((size, 2)),
        np.zeros((size, 2), dtype=np.int64),
    )
    for role in (0, 1):
        if not _rate_role(rated, role, batch_rule == "largest", budget):
            return None
    return rated


def _rate_role(rated: StateRates, role: int, largest: bool, budget: Budget) -> bool:
    """Fill in one role's column; whether it came to its end."""
    model, kernels = rated.model, compiled("replica_clustering.rate_kernels")[0]
    arrays, most_q = model.roles[role], len(model.roles[role][2])
    rate, batch = np.zeros(len(rated.rate)), np.zeros(len(rated.rate), dtype=np.int64)

    def fill(first_q: int, last_q: int, rank: Any, hop_s: FloatArray) -> bool:
        sets = (rated.kind, rated.available, rated.place)
        stop = budget.stop
        arguments = (arrays, largest, first_q, last_q, *sets, rank, hop_s, rate, batch, stop)
        return not budget.call(kernels.rate_states, *arguments)

    if model.tables.uniform:
        hop_s = np.array([0.0, *(model.hop_s(role, q)[0, 0] for q in range(1, most_q + 1))])
        ended = fill(most_q, 1, np.empty(0, dtype=np.uint16), hop_s)
    else:
        # Above half of the largest batch there is room for one stage alone, and so for no hop.
        alone = most_q // 2 + 1 if role == 1 else 2
        none = np.zeros(len(rate), dtype=np.uint16)
        ended = alone > most_q or fill(most_q, alone, none, np.zeros(1))
        for q in range(min(alone - 1, most_q), 0, -1):
            ended = ended and _with_hops(rated, role, q, budget, fill)
    rated.rate[:, role], rated.batch[:, role] = rate, batch
    return ended


def _with_hops(
    rated: StateRates, role: int, q: int, budget: Budget, fill: Callable[..., bool]
) -> bool:
    """Find the slowest hop of every set's best order, then the rates with batch q."""
    kernels = compiled("replica_clustering.rate_kernels")[0]
    hop_s = rated.model.hop_s(role, q)[np.ix_(rated.kind, rated.kind)]
    values, rank = np.unique(hop_s, return_inverse=True)
    rank = (rank.reshape(hop_s.shape) + 1).astype(np.uint16)
    most = rated.model.roles[role][0]
    if role == 1:
        most = min(most, rated.model.tables.max_batch // q)
    size = len(rated.rate)
    ending = np.empty((size, len(rated.kind)), dtype=np.uint16)
    least = np.zeros(size, dtype=np.uint16)
    arguments = (rank, rated.available, rated.place, most, ending, least, budget.stop)
    if budget.call(kernels.path_ranks, *arguments):
        return False
    return fill(q, q, least, np.concatenate([[0.0], values]))


def rate_sets(
    model: RateModel, sets: Sequence[Set], batch_rule: BatchRule
) -> tuple[FloatArray, IntArray]:
    """Return rate and batch, both ``[set, role]``."""
    kernels = compiled("replica_clustering.rate_kernels")[0]
    first = np.cumsum([0, *(len(types) for types, _ in sets)])
    types = np.concatenate([np.empty(0, dtype=np.int64), *(t for t, _ in sets)])
    count = np.concatenate([np.empty(0, dtype=np.int64), *(n for _, n in sets)])
    rate, batch = np.zeros((2, len(sets))), np.zeros((2, len(sets)), dtype=np.int64)
    for role in (0, 1):
        kernels.rate_sets(
            model.roles[role], model.tables.uniform, batch_rule == "largest",
            first, types, count, rate[role], batch[role],
        )  # fmt: skip
    return np.ascontiguousarray(rate.T), np.ascontiguousarray(batch.T)
