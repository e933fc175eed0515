"""Policies: which node of a tier serves a request that has just reached it.

ARTS is published (arXiv 2511.14450) by idea and name; its formula, and the use of the others
here, are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np

from shardopt.solvers.online.events import SAME_TIME_S
from shardopt.solvers.online.machines import Job, Machine
from shardopt.solvers.partition_schedule.policy import Arts


class Arrived(NamedTuple):
    """A request that has reached a tier, and the FLOP that it asks for there."""

    number: int
    flops: float


@dataclass
class View:
    """What a policy may know of a tier.

    Attributes
    ----------
    eligible
        The nodes that have the memory for the tier's blocks and are not down, in file order.
    arts
        The believed speeds, learnt from the services that have ended.
    planned
        By request the node in a schedule that was made in advance, if there is one.
    """

    tier: int
    flops_per_token: float
    machines: list[Machine]
    eligible: list[int]
    arts: Arts
    planned: list[int] | None = None
    now_s: float = 0.0
    _under_way: list[tuple[float, int, int, Job]] = field(default_factory=list)
    _sequence: int = 0

    def outstanding_flops(self) -> list[float]:
        """Return by node what is queued there, and the rest of what is being served."""
        now_s = self.now_s
        return [machine.outstanding(now_s) for machine in self.machines]

    def begin(self, node: int, job: Job) -> None:
        """Note a service, to learn from when it has ended."""
        self._sequence += 1
        heappush(self._under_way, (job.end_s, self._sequence, node, job))

    def learn(self) -> None:
        """Learn from the services that have ended by now."""
        under_way, limit_s = self._under_way, self.now_s + SAME_TIME_S
        while under_way and under_way[0][0] <= limit_s:
            _, _, node, job = heappop(under_way)
            if not job.lost:
                self.arts.completed(node, job.work, job.service_s)


Policy = Callable[[View, Arrived, np.random.Generator], int | None]
"""Returns a node of the tier; ``None`` rejects the request."""


def arts(view: View, request: Arrived, rng: np.random.Generator) -> int:
    """Take the node that is believed to end it first."""
    return view.arts.choose(view.outstanding_flops(), request.flops, view.eligible)


def round_robin(view: View, request: Arrived, rng: np.random.Generator) -> int:
    """Deal requests out by their rank of arrival, as `gpipe` does."""
    return view.eligible[request.number % len(view.eligible)]


def least_work(view: View, request: Arrived, rng: np.random.Generator) -> int:
    """Take the node with the fewest FLOP to do, however fast it is."""
    return min(view.eligible, key=view.outstanding_flops().__getitem__)


def random_node(view: View, request: Arrived, rng: np.random.Generator) -> int:
    """Take any node."""
    return view.eligible[int(rng.integers(len(view.eligible)))]


def heft(view: View, request: Arrived, rng: np.random.Generator) -> int:
    """Take the node of the schedule that HEFT made of all requests in advance."""
    assert view.planned is not None
    return view.planned[request.number]
