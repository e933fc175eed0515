"""`chain` (ours): the best plan in which all sessions of one client share one path."""

from __future__ import annotations

import itertools

import numpy as np

from shardopt.models.block_placement.data import Hosting, Instance, Route, Solution
from shardopt.models.block_placement.tables import IntArray, Tables, make_tables
from shardopt.models.result import Result
from shardopt.solvers.block_placement.greedy_placement import block_counts, nothing_found
from shardopt.solvers.block_placement.paths import TIE_S
from shardopt.solvers.budget import Budget, interruptible
from shardopt.solvers.finish import finish


def chain(instance: Instance, *, time_limit: float | None = 60.0) -> Result:
    """Choose k_j blocks per server, sum k_j = L, at least cost: a knapsack over servers.

    With several clients it finds nothing.
    """
    budget = Budget(time_limit)
    with interruptible(budget):
        tables = make_tables(instance)
        sizes = None if len(instance.clients) > 1 else chain_sizes(tables, budget)
    if sizes is None:
        return nothing_found(tables, "chain", budget)
    return finish(instance, "chain", budget, [_plan(instance, sizes)])


def chain_sizes(tables: Tables, budget: Budget) -> dict[int, int] | None:
    """Return the blocks of each server that is used; ``None`` if none do, or time is up.

    ``cost[l]`` and ``hops[l]`` are of the best choice among the servers so far that hosts l
    blocks in all, ties going to fewer servers; ``taken[server][l]`` is its k for that server.
    """
    most = block_counts(tables, tables.instance.session_count)
    count = tables.block_count
    cost = np.full(count + 1, np.inf)
    hops = np.zeros(count + 1, dtype=np.int64)
    cost[0] = 0.0
    taken: list[IntArray] = []
    for j, limit in enumerate(most):
        if budget.exhausted():
            return None
        new_cost, new_hops = cost.copy(), hops.copy()
        took = np.zeros(count + 1, dtype=np.int64)
        for k in range(1, int(limit) + 1):
            other = cost[:-k] + (tables.fixed[0, j] + tables.per_block[0, j] * k)
            better = other < new_cost[k:] - TIE_S
            better |= (other <= new_cost[k:] + TIE_S) & (hops[:-k] + 1 < new_hops[k:])
            new_cost[k:] = np.where(better, other, new_cost[k:])
            new_hops[k:] = np.where(better, hops[:-k] + 1, new_hops[k:])
            took[k:] = np.where(better, k, took[k:])
        cost, hops = new_cost, new_hops
        taken.append(took)
    if not np.isfinite(cost[count]):
        return None
    sizes: dict[int, int] = {}
    left = count
    for j in reversed(range(len(taken))):
        k = int(taken[j][left])
        if k:
            sizes[j] = k
            left -= k
    return dict(sorted(sizes.items()))


def _plan(instance: Instance, sizes: dict[int, int]) -> Solution:
    stops = list(itertools.accumulate(sizes.values()))
    names = tuple(instance.servers[j].name for j in sizes)
    placement = tuple(
        Hosting(name, stop - size, stop)
        for name, size, stop in zip(names, sizes.values(), stops, strict=True)
    )
    client = instance.clients[0]
    return Solution(placement, (Route(client.name, names, client.sessions),))
