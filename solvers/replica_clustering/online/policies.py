"""Policies: which replica reads a prompt, and which one generates the answer.

Join-shortest-queue is published (arXiv 2606.03770); its estimates, and the others, are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from shardopt.solvers.online.events import SAME_TIME_S


class Server(Protocol):
    """What a policy may ask of a replica."""

    def wait_s(self, now_s: float) -> float:
        """Return how long a request that comes now is believed to wait."""

    def outstanding_tokens(self, now_s: float) -> float:
        """Return the tokens that it is believed to have still to work on."""


@dataclass
class View:
    """What a policy may know of the replicas of one role; ``eligible`` are those not down."""

    servers: list[Server]
    eligible: list[int]
    now_s: float = 0.0


Policy = Callable[[View, int, np.random.Generator], int | None]
"""Returns a replica for the request with this number; ``None`` rejects the request."""


def jsq(view: View, number: int, rng: np.random.Generator) -> int:
    """Join the shortest queue: the replica with the least estimated wait, ties in file order."""
    now_s, servers = view.now_s, view.servers
    best, least = -1, float("inf")
    for k in view.eligible:
        wait_s = servers[k].wait_s(now_s)
        if best < 0 or wait_s < least - SAME_TIME_S:
            best, least = k, wait_s
            if wait_s <= SAME_TIME_S:
                break
    return best


def least_work(view: View, number: int, rng: np.random.Generator) -> int:
    """Take the replica with the fewest tokens to work on, however fast it is."""
    return min(view.eligible, key=lambda k: view.servers[k].outstanding_tokens(view.now_s))


def round_robin(view: View, number: int, rng: np.random.Generator) -> int:
    """Deal requests out by their rank of arrival."""
    return view.eligible[number % len(view.eligible)]


def random_replica(view: View, number: int, rng: np.random.Generator) -> int:
    """Take any replica."""
    return view.eligible[int(rng.integers(len(view.eligible)))]
