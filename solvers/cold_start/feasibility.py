"""`cold-start`: whether any plan exists, by a DP over device subsets without times (ours)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shardopt.models.cold_start.data import Solution
from shardopt.solvers.budget import Budget
from shardopt.solvers.cold_start.labels import (
    IntArray,
    StateSpace,
    TypeModel,
    state_space,
)
from shardopt.solvers.jit import compiled

MAX_STATES = 1 << 24
"""Beyond this number of subsets the question is left to the other methods."""


@dataclass(frozen=True)
class Farthest:
    """``farthest`` blocks can be placed at most, from the first on; ``plan`` if that is all."""

    farthest: int
    plan: Solution | None


def farthest_plan(model: TypeModel, budget: Budget, memory_bytes: float) -> Farthest | None:
    """Return how far any order of all devices reaches; ``None`` if there are too many subsets.

    far(S) = max over e in S of reach_e(far(S without e)), far(empty) = 0; a plan exists exactly
    when far(all) = L. Exact because reach never falls (spec section 4.7, step 1).
    """
    space = state_space(model.available, range(model.type_count))
    if space.size > MAX_STATES or 8 * space.size > memory_bytes:
        return None
    far = np.zeros(space.size, dtype=np.int64)
    kernels = compiled("cold_start.kernels")[0]
    arguments = (model.reach, model.available, space.place, far, budget.stop)
    if budget.call(kernels.farthest, *arguments):
        return None
    end = int(far[-1])
    if end < model.tables.block_count:
        return Farthest(end, None)
    return Farthest(end, _plan(model, space, far))


def _plan(model: TypeModel, space: StateSpace, far: IntArray) -> Solution:
    """Walk back from all devices: which one was placed last?"""
    count = model.tables.block_count
    stages: list[tuple[int, int, int]] = []
    q = space.size - 1
    while far[q] > 0:
        used = (q // space.place) % (model.available + 1)
        for e in np.flatnonzero(used):
            before = int(q - space.place[e])
            start = int(far[before])
            stop = count if start == count else int(model.reach[e, start])
            if stop == far[q]:
                if stop > start:
                    stages.append((int(e), start, stop))
                q = before
                break
    return model.decode(stages[::-1])
