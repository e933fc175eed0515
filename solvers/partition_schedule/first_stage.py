"""`partition-schedule`: cuts chosen before anything is known of the requests (spec section 5).

Published (arXiv 2511.14450) is the idea of BSDP, "binary search with dynamic programming"; its
formulas are ours.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from shardopt.models.partition_schedule.tables import Cuts, Tables, even_cuts
from shardopt.solvers.budget import Budget
from shardopt.solvers.partition_schedule.stages import Stages, least_stage, make_stages

Capacity = Literal["mean", "sum", "max", "min"]
"""What stands for the speed of a tier."""
MemoryRule = Literal["any", "all"]
"""Whether a tier's run must fit some node, or all of them."""

NO_EQUAL_CUTS = "equal cuts fit no node of some tier, or there are fewer blocks than tiers"
TIE = 1e-12
"""Stages within this share of the least count as equal."""


def bsdp_cuts(
    tables: Tables, budget: Budget, capacity: Capacity = "mean", memory: MemoryRule = "any"
) -> Cuts | None:
    """Return the cuts of least max_j F_j / C_j, ties going to the lexicographically smallest.

    ``None`` if no cuts fit, or if the budget is exhausted.
    """
    stages = surrogate_stages(tables, capacity, memory)
    least = least_stage(stages, budget)
    if least is None or least == np.inf:
        return None
    return stages.sweep(least * (1.0 + TIE))[1]


def surrogate_stages(tables: Tables, capacity: Capacity, memory: MemoryRule) -> Stages:
    """Return the stages with one node in place of each tier."""
    size_of = max if memory == "any" else min
    return make_stages(
        tables,
        [
            [(int(size_of(sizes)), float(getattr(speed, capacity)()))]
            for speed, sizes in zip(tables.speed, tables.memory, strict=True)
        ],
        tokens=1.0,
    )


def equal_cuts(tables: Tables) -> Cuts | None:
    """Return the cuts of `even_cuts`; ``None`` if a run then fits no node of its tier."""
    cuts = even_cuts(tables.block_count, tables.tier_count)
    return cuts if cuts is not None and tables.fits(cuts) else None
