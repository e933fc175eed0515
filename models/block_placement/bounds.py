"""`block-placement`: bounds that need no model (the page's "Cheap bounds", ours)."""

from __future__ import annotations

import math

import numpy as np

from shardopt.models.block_placement.tables import FloatArray, Tables


def too_few_blocks(tables: Tables) -> bool:
    """Whether the servers cannot host all blocks, sum U_j < L: then there is no plan."""
    return int(tables.U.sum()) < tables.block_count


def chain_bound(tables: Tables) -> float | None:
    """Return sum_c D_c K_c / R, a lower bound; ``None`` where there is no plan.

    K_c is client c's cheapest chain. Every path in a plan is a choice of blocks per server that
    a chain may make, so no session costs less than its client's.
    """
    cheapest = chain_costs(tables)
    if not np.isfinite(cheapest).all():
        return None
    total = math.fsum(tables.sessions * cheapest)
    return total / tables.session_count


def chain_costs(tables: Tables) -> FloatArray:
    """Return ``K[client]``: min sum of h_c(j, k_j) over k_j in 0..U_j with sum k_j = L.

    A knapsack over servers, ``cost[client, blocks]`` being the cheapest way to run so many
    blocks on the servers so far. Infinite where the servers cannot host L blocks.
    """
    cost = np.full((tables.client_count, tables.block_count + 1), np.inf)
    cost[:, 0] = 0.0
    blocks = np.arange(tables.block_count + 1)
    for j in np.flatnonzero(tables.U):
        # fixed + slope k + cost[l - k] = fixed + slope l + (cost - slope blocks)[l - k]
        slope = tables.per_block[:, j, None] * blocks
        before = _least_of_last(cost - slope, int(tables.U[j]))
        np.minimum(cost, tables.fixed[:, j, None] + slope + before, out=cost)
    return cost[:, -1].copy()


def _least_of_last(values: FloatArray, most: int) -> FloatArray:
    """Return ``min(values[l - most : l])`` for each l of the last axis; infinite for l = 0.

    Windows are doubled: the least of the last 2 p is the least of two that hold p each.
    """
    least = _later(values, 1)
    width = 1
    while width < most:
        step = min(width, most - width)
        least = np.minimum(least, _later(least, step))
        width += step
    return least


def _later(values: FloatArray, steps: int) -> FloatArray:
    """Return ``values[l - steps]`` for each l of the last axis; infinite where l < steps."""
    moved = np.full_like(values, np.inf)
    moved[:, steps:] = values[:, :-steps]
    return moved
