"""`replica-clustering`: the best order of a replica's devices (ours, spec section 4).

A bottleneck Hamiltonian path: the slowest hop between consecutive devices is to be least.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shardopt.models.replica_clustering.data import Role
from shardopt.models.replica_clustering.tables import FloatArray, Tables

MOST_ORDERED = 20
"""Stages up to which the best order is found on unequal links; beyond, a good one."""


def best_order(
    tables: Tables, role: Role, q: int, devices: Sequence[int]
) -> tuple[tuple[int, ...], float]:
    """Return the devices in the order of the least slowest hop, and that hop (0 for one device).

    A bottleneck Hamiltonian path, exact up to `MOST_ORDERED` devices. On a uniform LAN every
    order is as good.
    """
    if len(devices) == 1:
        return tuple(devices), 0.0
    hop_s = tables.hop_s(role, q)[np.ix_(devices, devices)]
    if tables.uniform:
        return tuple(devices), float(hop_s[0, 1])
    path = _inserted(hop_s) if len(devices) > MOST_ORDERED else _bottleneck_path(hop_s)
    slowest = float(hop_s[path[:-1], path[1:]].max())
    return tuple(devices[k] for k in path), slowest


def _bottleneck_path(hop_s: FloatArray) -> list[int]:
    """Search the least limit that leaves a path through all, by bisection over the hops."""
    off_diagonal = ~np.eye(len(hop_s), dtype=bool)
    limits = np.unique(hop_s[off_diagonal])
    low, high = 0, len(limits) - 1
    paths = _Paths(len(hop_s))
    best = paths.through_all((hop_s <= limits[high]) & off_diagonal)
    while low < high:
        middle = (low + high) // 2
        path = paths.through_all((hop_s <= limits[middle]) & off_diagonal)
        if path is None:
            low = middle + 1
        else:
            best, high = path, middle
    assert best is not None  # without a limit every order is a path
    return best


class _Paths:
    """Hamiltonian paths in small graphs, by dynamic programming over sets of nodes as bits."""

    def __init__(self, count: int) -> None:
        self.count = count
        size = np.zeros(1 << count, dtype=np.int8)
        for j in range(count):
            size[1 << j : 2 << j] = size[: 1 << j] + 1
        order = np.argsort(size, kind="stable")
        ends = np.searchsorted(size[order], np.arange(count + 2))
        self.by_size = [order[a:b] for a, b in itertools.pairwise(ends)]

    def through_all(self, joined: NDArray[np.bool_]) -> list[int] | None:
        """Return the nodes of a path, or ``None``; ``joined[i, j]`` allows j after i."""
        last = np.zeros(1 << self.count, dtype=np.int64)  # the nodes that a path may end with
        last[1 << np.arange(self.count)] = 1 << np.arange(self.count)
        before = [int((joined[:, j] << np.arange(self.count)).sum()) for j in range(self.count)]
        for nodes in self.by_size[2:]:
            for j in range(self.count):
                ends = nodes[(nodes >> j) & 1 == 1]
                ends = ends[last[ends ^ (1 << j)] & before[j] != 0]
                last[ends] |= 1 << j
        left, path = (1 << self.count) - 1, []
        allowed = int(last[left])
        while allowed:
            j = allowed.bit_length() - 1
            path.append(j)
            left ^= 1 << j
            allowed = int(last[left]) & before[j]
        return path[::-1] if len(path) == self.count else None


def _inserted(hop_s: FloatArray) -> list[int]:
    """Insert one node after another where the slowest of its hops is least."""
    path = [0]
    for k in range(1, len(hop_s)):
        into = np.concatenate([[0.0], hop_s[path, k]])  # the hop to k where it is the n-th ...
        out = np.concatenate([hop_s[k, path], [0.0]])  # ... and that from k to the next
        path.insert(int(np.maximum(into, out).argmin()), k)
    return path
