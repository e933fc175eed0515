"""`partition-schedule`: what formulations and solvers look up in an instance, computed once.

The checker and the evaluator do not use this module.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from shardopt.models.partition_schedule.data import Assignment, Instance, Solution

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Cuts = tuple[int, ...]

MOST_INT64_BYTES = 2**62 - 1
"""Bytes up to here are kept as int64, so that two of them can be added; more as Python integers
(dtype object)."""


@dataclass(frozen=True)
class Tables:
    """Arrays of one instance with N blocks, T tiers, K_j nodes on tier j and R requests.

    Times are relative to ``origin_s``, the first arrival. Cuts are the tuple p_1 .. p_{T-1},
    and a run of blocks [a, b) is given by its two ends.

    Attributes
    ----------
    arrival_s, tokens
        ``float[R]``, A_r - origin and n_r.
    flops_before
        ``float[N + 1]``, prefix sums of f_i, each exactly rounded. Differences of two suffer
        where blocks differ by many orders of magnitude; ``flops`` does not.
    weights_before
        ``int[N + 1]``, exact prefix sums of w_i.
    activation
        ``float[N]``, a_i.
    speed, memory
        Per tier ``float[K_j]``, C_jk, and ``int[K_j]``, M_jk. A memory above all weights
        together counts as just that, so that it is int64 whenever the weights are.
    latency, bandwidth
        ``float[T - 1]``, of the link from tier j to j + 1.
    exact_flops_before
        The same as ``flops_before`` without rounding.
    """

    instance: Instance
    origin_s: float
    arrival_s: FloatArray
    tokens: FloatArray
    flops_before: FloatArray
    weights_before: IntArray
    activation: FloatArray
    speed: tuple[FloatArray, ...]
    memory: tuple[IntArray, ...]
    latency: FloatArray
    bandwidth: FloatArray
    nodes: tuple[tuple[str, ...], ...]
    exact_flops_before: tuple[Fraction, ...]

    @property
    def block_count(self) -> int:
        """N."""
        return len(self.activation)

    @property
    def tier_count(self) -> int:
        """T."""
        return len(self.speed)

    @property
    def request_count(self) -> int:
        """R."""
        return len(self.tokens)

    def runs(self, cuts: Cuts) -> list[tuple[int, int]]:
        """Return the run [a, b) of each tier."""
        return list(itertools.pairwise((0, *cuts, self.block_count)))

    def flops(self, a: int, b: int) -> float:
        """Return F(a, b), exactly rounded: the same float as the evaluator's."""
        return float(self.exact_flops_before[b] - self.exact_flops_before[a])

    def weight(self, a: int, b: int) -> int:
        """Return W(a, b)."""
        return int(self.weights_before[b]) - int(self.weights_before[a])

    def eligible(self, j: int, a: int, b: int) -> BoolArray:
        """Return ``bool[K_j]``: which nodes of tier j have the memory for the run."""
        fits: BoolArray = np.asarray(self.memory[j] >= self.weight(a, b), dtype=np.bool_)
        return fits

    def reach(self, memory: int) -> IntArray:
        """Return ``int[N + 1]``: for each first block a the farthest b with W(a, b) <= memory."""
        farthest = np.searchsorted(self.weights_before, self.weights_before + memory, side="right")
        return farthest.astype(np.int64) - 1

    def fits(self, cuts: Cuts) -> bool:
        """Say whether every tier has a node that its run fits on."""
        return all(self.eligible(j, a, b).any() for j, (a, b) in enumerate(self.runs(cuts)))

    def service_s(self, j: int, a: int, b: int) -> FloatArray:
        """Return ``float[R, K_j]``: s(r, j, k) where tier j has the run, inf if not eligible."""
        work = self.tokens * self.flops(a, b)
        service: FloatArray = work[:, None] / self.speed[j]
        service[:, ~self.eligible(j, a, b)] = np.inf
        return service

    def transfer_s(self, j: int, cut: int) -> FloatArray:
        """Return ``float[R]``: x(r, j), from tier j to j + 1 with the cut between them."""
        handed = self.tokens * self.activation[cut - 1]
        transfer: FloatArray = self.latency[j] + handed / self.bandwidth[j]
        return transfer

    def to_solution(self, cuts: Cuts, node: IntArray, start: FloatArray) -> Solution:
        """Return the plan of ``node[r, tier]``, counted within the tier, and ``start[r, tier]``."""
        columns = zip(self.nodes, node.T.tolist(), strict=True)
        served_by = zip(*([names[k] for k in column] for names, column in columns), strict=True)
        starts = map(tuple, (start + self.origin_s).tolist())
        return Solution(
            tuple(int(cut) for cut in cuts),
            tuple(map(Assignment, range(self.request_count), served_by, starts)),
        )


def even_cuts(block_count: int, tier_count: int) -> Cuts | None:
    """Return the cuts that give each tier N // T blocks and the first N mod T one more.

    ``None`` with fewer blocks than tiers.
    """
    share, rest = divmod(block_count, tier_count)
    if share == 0:
        return None
    return tuple(j * share + min(j, rest) for j in range(1, tier_count))


def make_tables(instance: Instance) -> Tables:
    """Compute the tables of an instance."""
    arrival = np.array([request.arrival_s for request in instance.requests], dtype=np.float64)
    blocks, tiers, links = instance.blocks, instance.tiers, instance.links
    work = list(
        itertools.accumulate((Fraction(b.flops_per_token) for b in blocks), initial=Fraction(0))
    )
    weights = list(itertools.accumulate((b.weight_bytes for b in blocks), initial=0))
    bytes_type = np.int64 if weights[-1] <= MOST_INT64_BYTES else np.object_
    return Tables(
        instance=instance,
        origin_s=float(arrival.min()),
        arrival_s=arrival - arrival.min(),
        tokens=np.array([float(request.tokens) for request in instance.requests]),
        flops_before=np.array([float(total) for total in work]),
        weights_before=np.array(weights, dtype=bytes_type),
        activation=np.array([float(block.activation_bytes_per_token) for block in blocks]),
        speed=tuple(
            np.array([node.flops_per_s for node in tier.nodes], np.float64) for tier in tiers
        ),
        memory=tuple(
            np.array([min(node.memory_bytes, weights[-1]) for node in tier.nodes], bytes_type)
            for tier in tiers
        ),
        latency=np.array([link.latency_s for link in links], dtype=np.float64),
        bandwidth=np.array([link.bytes_per_s for link in links], dtype=np.float64),
        nodes=tuple(tuple(node.name for node in tier.nodes) for tier in tiers),
        exact_flops_before=tuple(work),
    )
