"""Shortest chains of servers, with the page's rule for ties."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shardopt.models.block_placement.tables import FloatArray, IntArray, Tables

TIE_S = 1e-9
"""Paths within this many seconds of the best are ties."""


def shortest_path(first: FloatArray, between: FloatArray, last: FloatArray) -> list[int] | None:
    """Return the servers of a shortest path, ``None`` if there is none.

    Ties go to fewer servers, then to the lexicographically smaller list of servers.

    Parameters
    ----------
    first
        ``float[server]``, cost of starting there; infinite where a path cannot start.
    between
        ``float[server, server]``, cost of going on; infinite where there is no link. Links
        must not form a cycle.
    last
        ``float[server]``, cost of ending there.
    """
    to_end = [last]  # to_end[n][server]: least cost from there with n more servers
    while np.isfinite(to_end[-1]).any():
        to_end.append((between + to_end[-1]).min(axis=1))
    totals = [float((first + tail).min()) for tail in to_end]
    limit = min(totals) + TIE_S
    if not np.isfinite(limit):
        return None
    more = next(n for n, total in enumerate(totals) if total <= limit)
    path: list[int] = []
    spent, step = 0.0, first
    for tail in reversed(to_end[: more + 1]):
        total = spent + step + tail
        server = int(np.argmax(total <= max(limit, total.min())))  # the first that is a tie
        path.append(server)
        spent, step = spent + step[server], between[server]
    return path


def blocks_run(runs: IntArray) -> tuple[IntArray, IntArray]:
    """Return the blocks that each server runs on each link, 0 where there is no link.

    Parameters
    ----------
    runs
        ``int[server, 2]``, start and stop of each server; equal where it hosts nothing.

    Returns
    -------
    ``first[server]``, for sessions that start there, and ``between[server, server]``, for
    sessions that come from another one: the rest of a run that is entered at its stop.
    """
    start, stop = runs[:, 0], runs[:, 1]
    first = np.where((start == 0) & (stop > 0), stop, 0)
    come_from, hosts = stop[:, None], (stop > start)
    linked = (start <= come_from) & (come_from < stop) & hosts & hosts[:, None]
    return first, np.where(linked, stop - come_from, 0)


def cost_of(blocks: IntArray, fixed: FloatArray, per_block: FloatArray) -> FloatArray:
    """Return ``fixed + per_block * blocks`` by receiving server, infinite where blocks is 0."""
    cost: FloatArray = np.where(blocks > 0, fixed + per_block * blocks, np.inf)
    return cost


def ends(runs: IntArray, block_count: int) -> NDArray[np.bool_]:
    """Return which servers a path may end on."""
    ending: NDArray[np.bool_] = (runs[:, 1] == block_count) & (runs[:, 0] < block_count)
    return ending


def unlimited_paths(tables: Tables, runs: IntArray) -> list[list[int]] | None:
    """Return each client's shortest path where memory is no limit; ``None`` if one has none."""
    first, between = blocks_run(runs)
    last = np.where(ends(runs, tables.block_count), 0.0, np.inf)
    paths = []
    for fixed, per_block in zip(tables.fixed, tables.per_block, strict=True):
        path = shortest_path(
            cost_of(first, fixed, per_block), cost_of(between, fixed, per_block), last
        )
        if path is None:
            return None
        paths.append(path)
    return paths
