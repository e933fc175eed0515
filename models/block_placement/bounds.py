"""`block-placement`: bounds that need no model (the page's "Cheap bounds", ours)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from shardopt.models.block_placement.tables import FloatArray, IntArray, Tables

TOLERANCE = 1e-9
"""Relative: what is dearer than a plan by less may be its equal."""

MOST_PAIRS = 5e8
"""Servers x clients x blocks^2, what chains through every server take; seconds at most."""


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
    cost = _nothing(tables)
    for more in _chains(tables, np.flatnonzero(tables.U)):
        cost = more
    return cost[:, -1].copy()


def chain_costs_through(tables: Tables) -> FloatArray:
    """Return ``K[client, server]``: as `chain_costs`, of the chains that visit the server."""
    hosts = np.flatnonzero(tables.U)
    before = list(_chains(tables, hosts))
    after = list(_chains(tables, hosts[::-1]))[::-1]
    through = np.full((tables.client_count, tables.server_count), np.inf)
    for n, j in enumerate(hosts):
        others = _together(before[n], after[n + 1])
        alone = _with_server(tables, int(j), _nothing(tables))
        through[:, j] = (alone + others[:, ::-1]).min(axis=1)
    return through


def within(tables: Tables, objective: float) -> Tables:
    """Return tables that leave out plans which cost more than ``objective``, by what chains tell.

    A session that visits a server has no better chain than the cheapest through it. That limits
    how many do.
    """
    pairs = float(tables.server_count) * tables.client_count * tables.block_count**2
    if pairs > MOST_PAIRS:
        return tables
    cheapest = chain_costs(tables)
    dearer = chain_costs_through(tables) - cheapest[:, None]
    spare = objective * tables.session_count * (1 + TOLERANCE) - tables.sessions @ cheapest
    everybody = np.repeat(tables.sessions[:, None], tables.server_count, axis=1)
    few = dearer * everybody > spare
    some = np.floor(max(spare, 0.0) / np.where(few, dearer, 1.0))
    return replace(tables, limit=np.where(few, some, everybody).astype(np.int64))


def _chains(tables: Tables, servers: IntArray) -> Iterator[FloatArray]:
    """Yield ``cost[client, blocks]`` of the cheapest chains on no server, the first, two, ..."""
    cost = _nothing(tables)
    yield cost
    for j in servers:
        cost = np.minimum(cost, _with_server(tables, int(j), cost))
        yield cost


def _nothing(tables: Tables) -> FloatArray:
    cost = np.full((tables.client_count, tables.block_count + 1), np.inf)
    cost[:, 0] = 0.0
    return cost


def _with_server(tables: Tables, j: int, cost: FloatArray) -> FloatArray:
    """Return the cost of the chains that visit server j after those of ``cost``."""
    # fixed + slope k + cost[l - k] = fixed + slope l + (cost - slope blocks)[l - k]
    slope = tables.per_block[:, j, None] * np.arange(tables.block_count + 1)
    before = _least_of_last(cost - slope, int(tables.U[j]))
    return tables.fixed[:, j, None] + slope + before


def _together(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return ``cost[client, blocks]`` of the cheapest pair that runs so many blocks in all."""
    counts = range(one.shape[1])
    pairs = [(one[:, : n + 1] + other[:, n::-1]).min(axis=1) for n in counts]
    return np.stack(pairs, axis=1)


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
