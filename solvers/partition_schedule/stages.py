"""`partition-schedule`: how long each tier takes for a run, and cuts that balance the tiers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shardopt.models.partition_schedule.tables import Cuts, Tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.jit import compiled
from shardopt.solvers.partition_schedule.frame import rounded_off

Step = tuple[int, float]
"""Memory and speed of a node, or of what stands for a tier."""
UNLIMITED = sys.float_info.max
"""As a limit: infinite stages, which do not fit, stay out."""


@dataclass(frozen=True)
class Stages:
    """Stage times of every run on every tier; ``arrays`` is the kernels' tuple ``STAGES``."""

    tier_count: int
    block_count: int
    arrays: tuple[Any, ...]

    def sweep(self, limit: float) -> tuple[float, Cuts]:
        """Return the largest stage (infinite: none) of the lexicographically smallest cuts.

        All stages are at most ``limit``.
        """
        kernels, _ = compiled("partition_schedule.cut_kernels")
        cuts = np.zeros(self.tier_count - 1, dtype=np.int64)
        after = np.zeros((self.tier_count, self.block_count + 1), dtype=np.int32)
        largest = kernels.first_cuts_below(self.arrays, limit, after, cuts)
        return largest, tuple(cuts.tolist())


def make_stages(tables: Tables, tiers: Sequence[Sequence[Step]], tokens: float) -> Stages:
    """Return the stages of tiers given by the memory and speed of their nodes."""
    stairs = [_staircase(steps) for steps in tiers]
    flat = [step for steps in stairs for step in steps]
    reach = {size: tables.reach(size) for size, _ in flat}
    arrays = (
        tokens,
        tables.flops_before,
        rounded_off(tables),
        np.array([speed for _, speed in flat]),
        np.cumsum([0, *map(len, stairs)]).astype(np.int64),
        np.stack([reach[size] for size, _ in flat]).astype(np.int32),
    )
    return Stages(tables.tier_count, tables.block_count, arrays)


def _staircase(steps: Sequence[Step]) -> list[Step]:
    """Keep the nodes that are faster than all with at least their memory, smallest memory first."""
    kept: list[Step] = []
    for size, speed in sorted(steps, reverse=True):
        if not kept or speed > kept[-1][1]:
            kept.append((size, speed))
    return kept[::-1]


def least_stage(stages: Stages, budget: Budget) -> float | None:
    """Return the least possible largest stage, infinite if no cuts fit; ``None``: out of time.

    Bisection, ended by an attained value with nothing strictly below it (spec section 4.3).
    """
    if stages.block_count < stages.tier_count:
        return np.inf
    low, (best, _) = 0.0, stages.sweep(UNLIMITED)
    while best < np.inf:
        if budget.exhausted():
            return None
        value, _ = stages.sweep(np.nextafter(best, 0.0))
        if value == np.inf:
            break
        best = value
        middle = low + 0.5 * (best - low)
        value, _ = stages.sweep(middle)
        low, best = (middle, best) if value == np.inf else (low, value)
    return best
