"""Full enumeration: the reference that every exact method is compared with.

Nothing is shared with the solvers and formulations: times come from the instance's data, and
the value returned is the evaluator's.

Every vector of cuts is tried, and for each every schedule in which no service could start
earlier without changing who serves whom in which order. Such schedules are made by
dispatching services in the order of their starts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.data import Assignment, Instance, Solution

Cuts = tuple[int, ...]
Step = tuple[int, int, float]
"""Request, node within its tier, start."""


@dataclass(frozen=True)
class Optimum:
    """The least objective and a plan that has it; both ``None`` if no plan exists."""

    value: float | None
    solution: Solution | None


@lru_cache(maxsize=2000)
def brute_force(instance: Instance) -> Optimum:
    """Return the best over all vectors of cuts."""
    found = [best_for_cuts(instance, cuts) for cuts in all_cuts(instance)]
    plans = [one for one in found if one.value is not None]
    return min(plans, key=lambda one: one.value) if plans else Optimum(None, None)


def all_cuts(instance: Instance) -> list[Cuts]:
    """Return every vector of cuts, whether its runs fit or not."""
    count, tiers = len(instance.blocks), len(instance.tiers)
    return list(itertools.combinations(range(1, count), tiers - 1))


@lru_cache(maxsize=5000)
def best_for_cuts(instance: Instance, cuts: Cuts) -> Optimum:
    """Return the best schedule with these cuts."""
    pipe = _Pipe(instance, cuts)
    if not all(pipe.eligible):
        return Optimum(None, None)
    steps = _best_nodes(pipe) if instance.objective == "bottleneck" else _Search(pipe).steps()
    solution = _solution(instance, cuts, steps)
    report = check(instance, solution)
    assert report.feasible, report.violations
    return Optimum(report.objective, solution)


class _Pipe:
    """Durations under fixed cuts: ``service[r][j][k]``, ``transfer[r][j]``."""

    def __init__(self, instance: Instance, cuts: Cuts) -> None:
        self.instance = instance
        self.tiers = range(len(instance.tiers))
        runs = list(itertools.pairwise((0, *cuts, len(instance.blocks))))
        flops = [sum(b.flops_per_token for b in instance.blocks[a:b]) for a, b in runs]
        weight = [sum(b.weight_bytes for b in instance.blocks[a:b]) for a, b in runs]
        self.eligible = [
            [k for k, node in enumerate(tier.nodes) if weight[j] <= node.memory_bytes]
            for j, tier in enumerate(instance.tiers)
        ]
        self.service = [
            [
                [request.tokens * flops[j] / node.flops_per_s for node in tier.nodes]
                for j, tier in enumerate(instance.tiers)
            ]
            for request in instance.requests
        ]
        self.transfer = [
            [
                link.latency_s
                + request.tokens
                * instance.blocks[cut - 1].activation_bytes_per_token
                / link.bytes_per_s
                for link, cut in zip(instance.links, cuts, strict=True)
            ]
            + [0.0]
            for request in instance.requests
        ]


def _best_nodes(pipe: _Pipe) -> list[Step]:
    """Try every node of every tier for the only request; transfers are the same for all."""
    service, transfer = pipe.service[0], pipe.transfer[0]

    def bottleneck(nodes: tuple[int, ...]) -> float:
        return max(service[j][k] for j, k in enumerate(nodes))

    nodes = min(itertools.product(*pipe.eligible), key=bottleneck)
    now, steps = pipe.instance.requests[0].arrival_s, []
    for j, k in enumerate(nodes):
        steps.append((0, k, now))
        now += service[j][k] + transfer[j]
    return steps


class _Search:
    """The best way to go on from a state, remembered by state.

    A state is the next tier and the ready time of each request, the free time of each node, and
    the last start: services are dispatched in the order of their starts.
    """

    def __init__(self, pipe: _Pipe) -> None:
        self.pipe = pipe
        self.tiers = len(pipe.tiers)
        self.together = max if pipe.instance.objective == "makespan" else _sum
        self.cost_after = lru_cache(maxsize=None)(self._cost_after)

    def steps(self) -> list[Step]:
        """Return the services of a best schedule in the order of their starts."""
        requests = self.pipe.instance.requests
        state = (
            (0,) * len(requests),
            tuple(request.arrival_s for request in requests),
            tuple(tuple(0.0 for _ in tier.nodes) for tier in self.pipe.instance.tiers),
            0.0,
        )
        steps = []
        while any(stage < self.tiers for stage in state[0]):
            cost = self.cost_after(*state)
            state, step = next(
                (child, step)
                for child, step, paid in self._children(*state)
                if self.together(paid, self.cost_after(*child)) == cost
            )
            steps.append(step)
        self.cost_after.cache_clear()
        return steps

    def _cost_after(self, *state) -> float:
        """Return the sum (the greatest) of the completions that are still to come."""
        costs = [
            self.together(paid, self.cost_after(*child))
            for child, _, paid in self._children(*state)
        ]
        if costs:
            return min(costs)
        done = all(stage == self.tiers for stage in state[0])
        return 0.0 if done else float("inf")

    def _children(self, stage, ready, free, last) -> Iterator[tuple[tuple, Step, float]]:
        """Yield every service that can come next, and the completion it brings."""
        for r, j in enumerate(stage):
            if j == self.tiers:
                continue
            for k in self.pipe.eligible[j]:
                start = max(ready[r], free[j][k])
                if start < last:
                    continue
                end = start + self.pipe.service[r][j][k]
                leaves = end + self.pipe.transfer[r][j]
                child = (
                    _with(stage, r, j + 1),
                    _with(ready, r, leaves if j + 1 < self.tiers else 0.0),
                    _with(free, j, _with(free[j], k, end)),
                    start,
                )
                yield child, (r, k, start), end if j + 1 == self.tiers else 0.0


def _sum(one: float, other: float) -> float:
    return one + other


def _with(values: tuple, at: int, value) -> tuple:
    return (*values[:at], value, *values[at + 1 :])


def _solution(instance: Instance, cuts: Cuts, steps: list[Step]) -> Solution:
    names: list[list[str]] = [[] for _ in instance.requests]
    starts: list[list[float]] = [[] for _ in instance.requests]
    for r, k, start in steps:
        names[r].append(instance.tiers[len(names[r])].nodes[k].name)
        starts[r].append(start)
    return Solution(
        cuts,
        tuple(
            Assignment(r, tuple(names[r]), tuple(starts[r])) for r in range(len(instance.requests))
        ),
    )
