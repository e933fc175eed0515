"""`replica-clustering`: the dynamic programme over sets of devices (ours).

Only the best sum of rates per role matters: F(A) for every set A of devices, once per role, and
lambda = max over A of min(F_prefill(A), F_decode(all but A)) (spec section 5.2). Equal devices
are one type and sets are vectors of counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

from shardopt.models.replica_clustering.grouping import Group
from shardopt.models.replica_clustering.tables import FloatArray
from shardopt.solvers.budget import Budget
from shardopt.solvers.jit import compiled
from shardopt.solvers.replica_clustering.rates import RateModel, StateRates, state_count

BYTES_PER_STATE = 90.0
"""Rates, batches, sums and what is in use beside them while they are computed."""


@dataclass(frozen=True)
class Packed:
    """The best sums of rates of disjoint parts of every set.

    Attributes
    ----------
    best
        ``[state, role]``.
    useful
        ``[state, role]``: as one replica better than any packing of proper parts.
    """

    rated: StateRates
    best: FloatArray
    useful: NDArray[np.bool_]

    def split(self, base: tuple[float, float] = (0.0, 0.0), tie: float = 0.0) -> tuple[float, int]:
        """Return lambda and the set that prefills.

        Parameters
        ----------
        base
            Rates that are there already, by role.
        tie
            What a request/s more in the role that has more is worth.
        """
        prefill, decode = self.best[:, 0] + base[0], self.best[::-1, 1] + base[1]
        rate = np.minimum(prefill, decode)
        state = int((rate + tie * np.maximum(prefill, decode)).argmax())
        return float(rate[state]), state

    def parts(self, state: int) -> tuple[list[int], list[int]]:
        """Return the sets of the best plan in which ``state`` prefills and the rest decodes."""
        kernels = compiled("replica_clustering.packing_kernels")[0]
        rated, found = self.rated, []
        for role, mine in ((0, state), (1, len(self.best) - 1 - state)):
            scratch = np.empty(len(self.best), dtype=np.int64)
            chosen = np.empty(int(rated.available.sum()), dtype=np.int64)
            sets = (rated.available, rated.place)
            size = kernels.unpack(rated.rate, *sets, self.best, mine, role, scratch, chosen)
            found.append(chosen[:size].tolist())
        return found[0], found[1]

    def groups(self, state: int) -> list[Group]:
        """Return the replicas of that plan."""
        prefill, decode = self.parts(state)
        return [*self.rated.groups(prefill, 0), *self.rated.groups(decode, 1)]


def pack(rated: StateRates, budget: Budget) -> Packed | None:
    """Run the DP over sets; ``None`` when the run must end."""
    kernels = compiled("replica_clustering.packing_kernels")[0]
    best, useful = np.zeros(rated.rate.shape), np.zeros(rated.rate.shape, dtype=np.bool_)
    parts = np.empty(len(best), dtype=np.int64)
    arguments = (rated.rate, rated.available, rated.place, best, useful, parts, budget.stop)
    return None if budget.call(kernels.pack, *arguments) else Packed(rated, best, useful)


def affordable(model: RateModel, memory_limit_bytes: float | None) -> bool:
    """Return whether there is memory for tables over all sets, by default half of what is free."""
    paths = 0.0 if model.tables.uniform else 2.0 * model.type_count + 2.0
    needed = (BYTES_PER_STATE + paths) * state_count(model.available)
    if memory_limit_bytes is None:
        memory_limit_bytes = 0.5 * float(psutil.virtual_memory().available)
    return needed <= memory_limit_bytes
