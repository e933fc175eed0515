"""`partition-schedule`: a good plan before the search, by annealing over cuts and orders (ours).

A plan is an order of requests at the first tier, first come first served at the others, and
nodes: chosen one by one, or those that end a request first. That leaves out plans in which a
request overtakes another in a later queue, but a move costs a microsecond.
"""

from __future__ import annotations

import numpy as np

from shardopt.models.partition_schedule.data import Solution
from shardopt.models.partition_schedule.tables import Cuts
from shardopt.solvers.budget import Budget
from shardopt.solvers.jit import compiled
from shardopt.solvers.partition_schedule.frame import Frame

LOOKS = 20_000_000
"""How often a node may be considered for a request in all: less than a second."""
TRIALS = 300
"""Plans tried, per pair of requests; few requests need no more."""
MOST_REQUESTS = 1000
"""Beyond so many requests too few moves are affordable to be worth it."""


def annealed(frame: Frame, cuts: Cuts, budget: Budget) -> tuple[Cuts, Solution] | None:
    """Return improved cuts and a plan under them; ``None`` where there are too many requests."""
    requests, tiers = frame.tables.request_count, frame.tables.tier_count
    if requests > MOST_REQUESTS:
        return None
    kernels, _ = compiled("partition_schedule.schedule_kernels.orders")
    trials = min(TRIALS * requests**2, LOOKS // (requests * len(frame.nodes)))
    moved = np.array(cuts, dtype=np.int64)
    order = np.argsort(frame.arrays[2], kind="stable")
    choice = np.full((requests, tiers), -1, dtype=np.int64)
    draws = np.random.default_rng(0).random((trials, 5))
    budget.call(kernels.anneal, frame.arrays, moved, order, choice, draws, budget.stop)
    found = tuple(moved.tolist())
    return found, frame.served_plan(found, order, choice)
