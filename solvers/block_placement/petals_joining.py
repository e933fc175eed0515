"""How servers join a PETALS swarm: each takes the window of blocks with the least throughput."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from shardopt.models.block_placement.data import Instance, Petals
from shardopt.models.block_placement.tables import FloatArray, IntArray
from shardopt.solvers.block_placement.greedy_placement import lowest_window

LEAST_PREFILL_S = 1e-12
"""Keeps the default throughput of a server finite."""


def join(instance: Instance, size: IntArray, order: Sequence[int]) -> IntArray:
    """Return ``runs[server]``, start and stop, (0, 0) for servers that host nothing.

    Each server in turn takes the window whose summed throughputs, sorted ascending, are
    lexicographically smallest (tie: smallest start), and adds its own to these blocks.
    """
    own = throughput(instance, size)
    joined: list[list[float]] = [[] for _ in range(instance.block_count)]
    level = np.zeros(instance.block_count)
    runs = np.zeros((size.size, 2), dtype=np.int64)
    for j in order:
        if size[j] == 0:
            continue
        start = lowest_window(level, int(size[j]))
        runs[j] = start, start + size[j]
        for block in range(*runs[j]):
            joined[block].append(float(own[j]))
            level[block] = math.fsum(joined[block])  # the same for every order of joining
    return runs


def throughput(instance: Instance, size: IntArray) -> FloatArray:
    """Return min(forward_j / ((m_j + 1) / 2), network_j) in tokens per second."""
    petals = instance.petals or Petals()
    forward = petals.forward_tokens_per_s or [
        instance.input_tokens / max(server.prefill_s_per_block, LEAST_PREFILL_S)
        for server in instance.servers
    ]
    network = petals.network_tokens_per_s or [math.inf] * size.size
    return np.minimum(np.array(forward) / ((size + 1) / 2), network)
