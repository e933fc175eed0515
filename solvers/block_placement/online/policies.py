"""Which path a session takes: plain functions of what can be known when it arrives.

Each takes the view, the session and a random stream, and returns a path or ``None``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from shardopt.models.block_placement.tables import FloatArray
from shardopt.solvers.block_placement.online.ledger import Ledger
from shardopt.solvers.block_placement.online.sessions import Kind, Path, Site
from shardopt.solvers.block_placement.paths import TIE_S, shortest_path
from shardopt.solvers.block_placement.petals_routing import FULL_SERVER_S, petals_links
from shardopt.solvers.online.events import SAME_TIME_S

MOST_KINDS = 4096
"""Lengths of sessions that are remembered; traces may have as many as sessions."""


class Session(NamedTuple):
    """What is known of a session when it arrives."""

    number: int
    client: int
    input_tokens: int
    output_tokens: int


@dataclass
class View:
    """What policies may look at; ``down`` are servers that cannot be reached now."""

    site: Site
    ledgers: list[Ledger]
    now_s: float = 0.0
    down: frozenset[int] = frozenset()
    _kinds: dict[tuple[int, int, int], Kind] = field(default_factory=dict)

    def kind(self, session: Session) -> Kind:
        """Return what is common to sessions like this one."""
        key = session[1:]
        if key not in self._kinds:
            if len(self._kinds) == MOST_KINDS:
                self._kinds.clear()
            self._kinds[key] = Kind(self.site, *key)
        return self._kinds[key]

    def wait(self, path: Path) -> float:
        """Return W before back-off: the longest of the waits at the servers of a path."""
        now_s, ledgers = self.now_s, self.ledgers
        longest = 0.0
        for j, slots in zip(path.servers, path.slots, strict=True):
            wait_s = ledgers[j].wait(now_s, slots)
            if wait_s > longest:
                longest = wait_s
        return longest

    def waits(self, kind: Kind) -> FloatArray:
        """Return the wait of each visit, and one 0 more, as in `Kind.visit_s`."""
        now_s, ledgers, down = self.now_s, self.ledgers, self.down
        visits = zip(self.site.visits.server.tolist(), kind.slots, strict=True)
        waits = [math.inf if j in down else ledgers[j].wait(now_s, slots) for j, slots in visits]
        return np.array([*waits, 0.0])


Policy = Callable[[View, Session, np.random.Generator], Path | None]


def ws_rr(view: View, session: Session, rng: np.random.Generator) -> Path | None:
    """Take the path with the least sum of service and of waits on all its servers (published).

    Where the path that is shortest without waits has none, it is the answer.
    """
    kind = view.kind(session)
    shortest = waitless_now(view, kind)
    if shortest is not None:
        return shortest
    return kind.shortest(kind.visit_s + view.waits(kind))


def optimized_rr(view: View, session: Session, rng: np.random.Generator) -> Path | None:
    """Take the path that ends first: only the longest of its waits counts.

    For each wait theta, shortest paths over links that wait no longer; the best theta + length.
    """
    kind = view.kind(session)
    shortest = waitless_now(view, kind)
    if shortest is not None or kind.waitless is None:
        return shortest
    waits = view.waits(kind)
    best, best_s = None, math.inf
    for theta in sorted({0.0, *waits[np.isfinite(waits)].tolist()}):
        if theta + kind.waitless.service_s >= best_s - TIE_S:
            break  # no path is shorter
        path = kind.shortest(np.where(waits <= theta + SAME_TIME_S, kind.visit_s, np.inf))
        if path is not None and theta + path.service_s < best_s - TIE_S:
            best, best_s = path, theta + path.service_s
    return best


def waitless_now(view: View, kind: Kind) -> Path | None:
    """Return the shortest path if nobody waits on it now."""
    path = kind.waitless
    if path is None or (view.down and not view.down.isdisjoint(path.servers)):
        return None
    return path if view.wait(path) <= SAME_TIME_S else None


def petals(view: View, session: Session, rng: np.random.Generator) -> Path | None:
    """Take the path that PETALS believes to be fastest; all that it knows of waits is 10 s."""
    kind, site = view.kind(session), view.site
    full = frozenset(
        j for j, ledger in enumerate(view.ledgers) if ledger.sessions(view.now_s) >= site.room[j]
    )
    return kind.remembered((full, view.down), lambda: petals_path(kind, full, view.down))


def petals_path(kind: Kind, full: frozenset[int], down: frozenset[int]) -> Path | None:
    """Return the path of least cost by PETALS' own links, 10 s more into a full server."""
    site = kind.site
    extra = np.zeros(len(site.slots))
    extra[list(full)] = FULL_SERVER_S
    extra[list(down)] = np.inf
    instance = site.instance
    out, hop, back = petals_links(instance, kind.client)
    decode = np.array([s.decode_s_per_block for s in instance.servers]) * site.believed
    first, between = (
        np.where(exists, trip + decode * blocks + extra, np.inf)
        for exists, trip, blocks in zip(kind.exists, (out, hop), site.blocks, strict=True)
    )
    servers = shortest_path(first, between, site.last + back)
    return None if servers is None else kind.path(servers)
