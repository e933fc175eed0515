"""`replica-clustering`: sets of devices by what they are worth, as `columns/price` asks.

A mode is a role with a micro-batch and a number of stages. On unequal links hops are left out:
values are then over-estimates, and what follows from them is valid, if weaker.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from shardopt.models.replica_clustering.tables import FloatArray, IntArray
from shardopt.solvers.jit import compiled
from shardopt.solvers.replica_clustering.rates import RateModel

STEP = 1.05
"""Limits on T between which sets are listed are so far apart."""


@dataclass(frozen=True)
class Mode:
    """One mode.

    Attributes
    ----------
    per_batch
        The rate of a replica times its slowest part's time.
    speed, most
        As in the kernels' ``ROLE``, for this mode.
    times
        All that the slowest stage can take within the token rate, rising; of those below ``hop``
        only the last.
    """

    role: int
    q: int
    stages: int
    per_batch: float
    speed: FloatArray
    most: IntArray
    times: FloatArray
    hop: float

    @property
    def fastest(self) -> float:
        """Return what T is at least."""
        return max(float(self.times[0]), self.hop)


@dataclass(frozen=True)
class Prices:
    """What requests/s are worth, by role, and what devices cost, by type."""

    weight: FloatArray
    cost: FloatArray

    def values(self, role: IntArray, rate: FloatArray, count: IntArray) -> FloatArray:
        """Return worth less cost of sets, given by role, rate and ``count[set, type]``."""
        return self.weight[role] * rate - count @ self.cost


def modes(model: RateModel) -> Iterator[Mode]:
    """Yield all modes in which some T is allowed."""
    tables = model.tables
    longest = min(tables.block_count, tables.device_count)
    for role, arrays in enumerate(model.roles):
        blocks, max_batch, speeds, most = arrays[:4]
        for q in range(1, max(1, max_batch) + 1):
            times = _all_times(speeds[q - 1], blocks)
            hop = float(model.hop_s(role, q)[0, 0]) if tables.uniform else 0.0
            for stages in range(1, min(longest, max_batch // q if role else longest) + 1):
                floor = hop if stages > 1 else 0.0
                first = max(0, int(np.searchsorted(times, floor, side="right")) - 1)
                slowest = np.maximum(times[first:], floor)
                last = first + len(slowest)
                if role == 1:
                    last = first + int(tables.rate_allowed(stages, slowest).sum())
                if last > first:
                    yield Mode(
                        role,
                        q,
                        stages,
                        q * float(arrays[7]),
                        speeds[q - 1],
                        most[q * stages],
                        times[first:last],
                        floor,
                    )


def _all_times(speed: FloatArray, blocks: int) -> FloatArray:
    """Return all times that a stage can have, rising."""
    count = np.arange(1, blocks + 1)[:, None]
    return np.unique(np.concatenate([count * speed[0], count * speed[0] + speed[2]]))


class Pricing:
    """All modes of an instance, and the kernels that look for sets in them."""

    def __init__(self, model: RateModel) -> None:
        self.modes = list(modes(model))
        self._types = model.type_count
        self._blocks = model.tables.block_count
        self._kind = np.repeat(np.arange(model.type_count), model.available)
        self._same = np.cumsum(model.available)[self._kind]
        self._kernels: Any = compiled("replica_clustering.pricing_kernels")[0]
        self._scratch = np.empty(0)

    def best(self, mode: Mode, prices: Prices, above: float) -> tuple[float, IntArray | None]:
        """Return the largest value of a set in a mode, and its counts by type.

        ``above`` and ``None`` where no value is larger.
        """
        items = np.empty(mode.stages, dtype=np.int64)
        value = self._kernels.price(
            self._sets(mode, prices),
            prices.weight[mode.role] * mode.per_batch,
            mode.times,
            mode.hop,
            mode.stages,
            above,
            self._table(mode),
            items,
        )
        return float(value), self._counts(items[None, :])[0] if value > above else None

    def listed(
        self, mode: Mode, prices: Prices, above: float, most: int
    ) -> Iterator[IntArray | None]:
        """Yield the counts by type of all sets in a mode whose value is above a limit, and more.

        Between two limits on T at a time; ``None`` in place of more than ``most`` sets.
        """
        gain = prices.weight[mode.role] * mode.per_batch
        before, limit = 0.0, mode.fastest
        while before < mode.times[-1] and (before == 0.0 or gain / before > above):
            found = np.empty((most, mode.stages), dtype=np.int64)
            # T is at least the hop, however fast the stages are.
            budget = gain / max(before, mode.fastest) - above
            size = self._kernels.enumerate_sets(
                self._sets(mode, prices),
                before,
                limit,
                budget,
                mode.stages,
                self._table(mode),
                found,
            )
            yield None if size < 0 else self._counts(found[:size])
            before, limit = limit, min(STEP * limit, max(float(mode.times[-1]), mode.hop))

    def _sets(self, mode: Mode, prices: Prices) -> tuple[Any, ...]:
        return mode.speed, mode.most, self._kind, self._same, prices.cost[self._kind]

    def _table(self, mode: Mode) -> FloatArray:
        """Return scratch for the kernels."""
        shape = (len(self._kind) + 1, 2, mode.stages + 1, self._blocks + 1)
        if self._scratch.size < math.prod(shape):
            self._scratch = np.empty(math.prod(shape))
        return self._scratch[: math.prod(shape)].reshape(shape)

    def _counts(self, items: IntArray) -> IntArray:
        """Return ``int[set, type]`` of ``items[set, stage]``."""
        counts = np.zeros((len(items), self._types), dtype=np.int64)
        np.add.at(counts, (np.arange(len(items))[:, None], self._kind[items]), 1)
        return counts
