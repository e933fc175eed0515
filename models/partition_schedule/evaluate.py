"""`partition-schedule`: the one evaluator (spec section 1), from the instance's data alone.

Everything is float64; sums over blocks and over requests are exactly rounded.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shardopt.models.partition_schedule.data import Instance, Solution

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Timeline:
    """What a plan means in seconds since the first arrival ``origin_s``; rows are assignments.

    Attributes
    ----------
    runs
        The run [p_j, p_{j+1}) of each tier.
    arrival_s
        ``float[row]``, A_r - origin of the row's request.
    node
        ``int[row, tier]``, the node, counted over all tiers in the order of the file.
    start_s, service_s
        ``float[row, tier]``, start and s(r, j, k).
    transfer_s
        ``float[row, tier - 1]``, x(r, j).
    """

    runs: tuple[tuple[int, int], ...]
    origin_s: float
    arrival_s: FloatArray
    node: IntArray
    start_s: FloatArray
    service_s: FloatArray
    transfer_s: FloatArray

    @property
    def end_s(self) -> FloatArray:
        """``float[row, tier]``, the end of each service."""
        return self.start_s + self.service_s


def timeline(instance: Instance, solution: Solution) -> Timeline:
    """Return the times of a plan whose structure is valid; its times may break rules."""
    ends = (0, *(int(cut) for cut in solution.cuts), len(instance.blocks))
    runs = tuple(itertools.pairwise(ends))
    flops = np.array(
        [math.fsum(b.flops_per_token for b in instance.blocks[a:b]) for a, b in runs],
    )
    handed = [float(instance.blocks[cut - 1].activation_bytes_per_token) for cut in ends[1:-1]]
    latency = np.array([link.latency_s for link in instance.links])
    bandwidth = np.array([link.bytes_per_s for link in instance.links])

    nodes = [node for tier in instance.tiers for node in tier.nodes]
    place = {node.name: k for k, node in enumerate(nodes)}
    speed = np.array([node.flops_per_s for node in nodes])
    chosen = np.array([[place[name] for name in a.nodes] for a in solution.assignments])

    served = [instance.requests[a.request] for a in solution.assignments]
    tokens = np.array([[float(request.tokens)] for request in served])
    origin = min(request.arrival_s for request in instance.requests)
    return Timeline(
        runs=runs,
        origin_s=origin,
        arrival_s=np.array([request.arrival_s for request in served]) - origin,
        node=chosen,
        start_s=np.array([a.start_s for a in solution.assignments], dtype=np.float64) - origin,
        service_s=tokens * flops / speed[chosen],
        transfer_s=latency + tokens * np.array(handed) / bandwidth,
    )


def objective(instance: Instance, solution: Solution) -> float:
    """Return the instance's objective of a plan whose structure is valid, in seconds."""
    return objective_of(instance, timeline(instance, solution))


def objective_of(instance: Instance, times: Timeline) -> float:
    """Return the instance's objective of a plan's times."""
    if instance.objective == "bottleneck":
        return math.fsum([times.service_s.max(), *times.transfer_s[0]])
    completion = times.end_s[:, -1]
    if instance.objective == "makespan":
        return float(completion.max())
    # Scaled down, at no loss, so that the sum of a million starts of 1e308 is a number as well.
    latencies = (completion - times.arrival_s) * 2.0**-20
    return math.fsum(latencies) / len(latencies) * 2.0**20
