"""`partition-schedule`: an instance as the arrays of the compiled kernels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from shardopt.models.partition_schedule.data import Solution
from shardopt.models.partition_schedule.tables import Cuts, FloatArray, IntArray, Tables
from shardopt.solvers.jit import compiled


@dataclass(frozen=True)
class Frame:
    """What the kernels need beside the cuts.

    Attributes
    ----------
    arrays
        The tuple ``FRAME`` of the kernels.
    requests
        The request of each row: rows are sorted by (tokens, arrival).
    nodes
        The node of each place, numbered within its tier: places are sorted by falling speed.
    origin_sum
        What to take off a sum of completions to make it a sum of latencies; 0 for `makespan`.
    share
        What a sum (for `makespan` the greatest) is multiplied with to make the objective.
    """

    tables: Tables
    arrays: tuple[Any, ...]
    requests: IntArray
    nodes: IntArray
    origin_sum: float
    share: float

    @property
    def lone(self) -> FloatArray:
        """``lone[tier, cut]``: least seconds per token, alone, of all blocks from the cut on."""
        lone: FloatArray = self.arrays[11]
        return lone

    def objective(self, total: float) -> float:
        """Return the objective of a sum (the greatest) of completions."""
        return (total - self.origin_sum) * self.share

    def total(self, objective: float) -> float:
        """Return the sum (the greatest) of completions that has this objective."""
        return objective / self.share + self.origin_sum

    def rounding(self, objective: float) -> float:
        """Return how far bounds may be off by rounding, as a sum (the greatest) of completions.

        No completion counts that is later than the last arrival plus all latencies together;
        a time is the end of a chain of at most 3 R T roundings.
        """
        requests, tiers = self.tables.request_count, self.tables.tier_count
        horizon = float(self.tables.arrival_s.max()) + objective / self.share
        terms = 1 if self.share == 1.0 else requests
        return 2.0**-53 * (3.0 * requests * tiers + terms) * terms * horizon

    def pipe(self, cuts: Cuts) -> tuple[Any, ...]:
        """Return the tiers under these cuts, the tuple ``PIPE`` of the kernels."""
        kernels, _ = compiled("partition_schedule.schedule_kernels.pipe")
        pipe: tuple[Any, ...] = kernels.make_pipe(
            self.arrays, np.array(cuts, dtype=np.int64), len(cuts)
        )
        return pipe

    def plan(self, cuts: Cuts, rows: IntArray) -> Solution:
        """Return the schedule in which rows are dispatched in this order."""
        node, start = self._unplanned()
        states, _ = compiled("partition_schedule.schedule_kernels.states")
        states.replay(self.pipe(cuts), self.arrays[2], rows, node, start)
        return self._solution(cuts, node, start)

    def online_plan(self, cuts: Cuts) -> Solution:
        """Return the schedule of online dispatching."""
        node, start = self._unplanned()
        order, ready = np.empty(len(node), dtype=np.int64), np.empty(len(node))
        free = np.empty(len(self.nodes))
        arrival = self.arrays[2]
        online, _ = compiled("partition_schedule.schedule_kernels.online")
        online.dispatch_online(self.pipe(cuts), arrival, order, ready, free, node, start)
        return self._solution(cuts, node, start)

    def served_plan(self, cuts: Cuts, order: IntArray, choice: IntArray) -> Solution:
        """Return the schedule of the kernel `serve`."""
        node, start = self._unplanned()
        orders, _ = compiled("partition_schedule.schedule_kernels.orders")
        pipe = self.pipe(cuts)
        ready, free, queue = np.empty(len(node)), np.empty(len(pipe[7])), order.copy()
        orders.serve(pipe, self.arrays[2], order, choice, ready, free, queue, node, start)
        return self._solution(cuts, node, start)

    def _unplanned(self) -> tuple[IntArray, FloatArray]:
        shape = (len(self.requests), self.tables.tier_count)
        return np.empty(shape, dtype=np.int64), np.empty(shape)

    def _solution(self, cuts: Cuts, place: IntArray, start: FloatArray) -> Solution:
        """Translate rows and places (among the eligible ones) into requests and nodes."""
        tables = self.tables
        first = np.cumsum([0, *(len(speed) for speed in tables.speed)])
        node, seen = np.empty_like(place), 0
        for j, (a, b) in enumerate(tables.runs(cuts)):
            by_speed = self.nodes[first[j] : first[j + 1]]
            listed = by_speed[tables.eligible(j, a, b)[by_speed]]
            node[self.requests, j] = listed[place[:, j] - seen]
            seen += len(listed)
        starts = np.empty_like(start)
        starts[self.requests] = start
        return tables.to_solution(cuts, node, starts)


def make_frame(tables: Tables) -> Frame:
    """Sort requests and nodes, and say how far the memory of each node reaches."""
    kernels, _ = compiled("partition_schedule.schedule_kernels.lone")
    makespan = tables.instance.objective == "makespan"
    requests = np.lexsort((tables.arrival_s, tables.tokens)).astype(np.int64)
    arrival = np.ascontiguousarray(tables.arrival_s[requests], dtype=np.float64)
    tokens = np.ascontiguousarray(tables.tokens[requests], dtype=np.float64)
    nodes = np.concatenate([np.argsort(-speed, kind="stable") for speed in tables.speed])
    first = np.cumsum([0, *(len(speed) for speed in tables.speed)])
    speed = np.concatenate([-np.sort(-speed) for speed in tables.speed])
    memory = [
        int(tables.memory[j][k])
        for j in range(tables.tier_count)
        for k in nodes[first[j] : first[j + 1]]
    ]
    sizes = sorted(set(memory))
    memory_class = np.array([sizes.index(size) for size in memory], dtype=np.int64)
    reach = np.stack([tables.reach(size) for size in sizes]).astype(np.int32)
    rest_speed = np.zeros((tables.tier_count, len(speed)))
    for j in range(tables.tier_count):
        rest_speed[j, : len(speed) - first[j]] = -np.sort(-speed[first[j] :])
    before, activation = tables.flops_before, tables.activation
    lone = np.full((tables.tier_count + 1, tables.block_count + 1), np.inf)
    kernels.lone_times(
        before, activation, tables.bandwidth, speed, memory_class, first, reach, lone
    )
    return Frame(
        tables=tables,
        arrays=(
            makespan,
            tokens,
            arrival,
            before,
            activation,
            tables.latency,
            tables.bandwidth,
            speed,
            memory_class,
            first,
            reach,
            lone,
            rest_speed,
            rounded_off(tables),
        ),
        requests=requests,
        nodes=nodes.astype(np.int64),
        origin_sum=0.0 if makespan else float(arrival.sum()),
        share=1.0 if makespan else 1.0 / tables.request_count,
    )


def rounded_off(tables: Tables) -> FloatArray:
    """Return what rounding took off ``flops_before``, for exact differences of two of them."""
    pairs = zip(tables.exact_flops_before, tables.flops_before.tolist(), strict=True)
    return np.array([float(exact - Fraction(rounded)) for exact, rounded in pairs])
