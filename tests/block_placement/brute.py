"""Full enumeration: the reference that every exact method is compared with.

Nothing is shared with the solvers and formulations: costs and free memory come from the
instance's data, and the value returned is the evaluator's.

Enumerated are the stops of all servers and all splits of the sessions over the paths that these
stops allow. A run need not start before the first block that some session runs on it: starting
there takes the least memory and changes no cost. `test_brute.py` compares with all starts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from shardopt.models.block_placement.check import check
from shardopt.models.block_placement.data import (
    MEMORY_TOLERANCE,
    Hosting,
    Instance,
    Route,
    Solution,
)
from shardopt.models.block_placement.evaluate import objective

Visits = tuple[tuple[int, int, int], ...]
"""A path: (server, block at which it is entered, blocks run) in order."""


@dataclass(frozen=True)
class Optimum:
    """The least mean cost and a plan that has it; both ``None`` if no plan exists."""

    value: float | None
    solution: Solution | None


@dataclass
class Search:
    """An enumeration under way; ``options[client]`` are (cost, path), the cheapest first."""

    instance: Instance
    free: list[list[int]]
    options: list[list[tuple[float, Visits]]]
    best: float
    plan: list[tuple[int, int, Visits]] | None = None

    def split(
        self, client: int, n: int, left: int, cost: float, chosen: list[tuple[int, int, Visits]]
    ) -> None:
        """Try all ways to send ``left`` sessions of a client over its options from ``n`` on."""
        if left == 0:
            client, n = client + 1, 0
            if client == len(self.options):
                self.best, self.plan = cost, list(chosen)
                return
            left = self.instance.clients[client].sessions
        if n == len(self.options[client]):
            return
        step, path = self.options[client][n]
        later = range(client + 1, len(self.options))
        rest = sum(self.instance.clients[c].sessions * self.options[c][0][0] for c in later)
        if cost + left * step + rest >= self.best:
            return
        for count in range(left, 0, -1):
            chosen.append((client, count, path))
            if self.fits(chosen):
                self.split(client, n + 1, left - count, cost + count * step, chosen)
            chosen.pop()
        self.split(client, n + 1, left, cost, chosen)

    def fits(self, chosen: list[tuple[int, int, Visits]]) -> bool:
        """Whether every server on the last path has room for all sessions so far."""
        for server, _, _ in chosen[-1][2]:
            entry, stop, used = math.inf, 0, 0
            for _, count, path in chosen:
                for j, at, k in path:
                    if j == server:
                        entry, stop, used = min(entry, at), at + k, used + count * k
            size = stop - int(entry)
            most = self.instance.servers[server].max_blocks
            if used > self.free[server][size] or (most is not None and size > most):
                return False
        return True


@lru_cache(maxsize=2000)
def brute_force(instance: Instance) -> Optimum:
    """Try all placements with all splits of all sessions over all paths."""
    free = _free(instance)
    cases = []
    for stops in itertools.product(range(instance.block_count + 1), repeat=len(instance.servers)):
        paths = list(_paths(stops, instance.block_count))
        if paths:
            options = [
                sorted((_cost(instance, c, path), path) for path in paths)
                for c in range(len(instance.clients))
            ]
            least = sum(
                client.sessions * option[0][0]
                for client, option in zip(instance.clients, options, strict=True)
            )
            cases.append((least, options))
    best, plan = math.inf, None
    for least, options in sorted(cases, key=lambda case: case[0]):
        if least >= best:
            break
        search = Search(instance, free, options, best)
        search.split(0, 0, instance.clients[0].sessions, 0.0, [])
        if search.plan is not None:
            best, plan = search.best, search.plan
    if plan is None:
        return Optimum(None, None)
    solution = _solution(instance, plan)
    assert check(instance, solution).feasible
    return Optimum(objective(instance, solution), solution)


def _free(instance: Instance) -> list[list[int]]:
    """Return ``free[server][m]``: blocks of sessions that fit beside m blocks, maybe negative."""
    w, c = Fraction(instance.weight_bytes), Fraction(instance.cache_bytes_per_session)
    limits = [Fraction(s.memory_bytes * (1 + MEMORY_TOLERANCE)) for s in instance.servers]
    sizes = range(instance.block_count + 1)
    return [[math.floor((limit - w * m) / c) for m in sizes] for limit in limits]


def _paths(stops: tuple[int, ...], count: int) -> Iterator[Visits]:
    """Yield all sequences of servers with rising stops, the last at ``count``; 0: not there."""

    def extend(at: int) -> Iterator[Visits]:
        if at == count:
            yield ()
        for j, stop in enumerate(stops):
            if stop > at:
                for rest in extend(stop):
                    yield ((j, at, stop - at), *rest)

    return extend(0)


def _cost(instance: Instance, c: int, path: Visits) -> float:
    client, total = instance.clients[c], 0.0
    for j, _, k in path:
        server = instance.servers[j]
        decode = client.decode_rtt_s[j] + k * server.decode_s_per_block
        if instance.cost == "session":
            decode *= instance.output_tokens - 1
            decode += client.prefill_rtt_s[j] + k * server.prefill_s_per_block
        total += decode
    return total


def _solution(instance: Instance, chosen: list[tuple[int, int, Visits]]) -> Solution:
    runs: dict[int, tuple[int, int]] = {}
    for _, _, path in chosen:
        for j, at, k in path:
            runs[j] = min(at, runs.get(j, (at, 0))[0]), at + k
    names = [server.name for server in instance.servers]
    return Solution(
        tuple(Hosting(names[j], *runs[j]) for j in sorted(runs)),
        tuple(
            Route(instance.clients[c].name, tuple(names[j] for j, _, _ in path), count)
            for c, count, path in chosen
        ),
    )


def all_plans(instance: Instance) -> Iterator[Solution]:
    """Yield every feasible plan, all starts included, that the checker accepts. Slow."""
    count = instance.block_count
    runs = [(0, 0), *itertools.combinations(range(count + 1), 2)]
    names = [server.name for server in instance.servers]
    for placed in itertools.product(runs, repeat=len(names)):
        placement = tuple(
            Hosting(name, *run) for name, run in zip(names, placed, strict=True) if run != (0, 0)
        )
        paths = list(_paths(tuple(stop for _, stop in placed), count))
        for counts in itertools.product(
            *(_splits(client.sessions, len(paths)) for client in instance.clients)
        ):
            routes = tuple(
                Route(client.name, tuple(names[j] for j, _, _ in path), sessions)
                for client, split in zip(instance.clients, counts, strict=True)
                for sessions, path in zip(split, paths, strict=True)
                if sessions
            )
            solution = Solution(placement, routes)
            if check(instance, solution).feasible:
                yield solution


def _splits(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Yield all tuples of ``parts`` integers >= 0 with this sum."""
    if parts == 0:
        return
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _splits(total - first, parts - 1):
            yield (first, *rest)
