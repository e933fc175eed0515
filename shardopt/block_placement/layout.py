"""`block-placement`: what a picture of a plan shows, whether made of characters or of lines."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from shardopt.models.block_placement.data import MEMORY_TOLERANCE, Instance, Server, Solution
from shardopt.models.block_placement.evaluate import blocks_run, step_s, stops_of
from shardopt.units import printable


class Span(NamedTuple):
    """The blocks ``[start, stop)``."""

    start: int
    stop: int


class Step(NamedTuple):
    """A session runs the blocks ``[start, stop)`` on a server."""

    server: str
    start: int
    stop: int


@dataclass(frozen=True)
class Ride:
    """What the sessions of one route do, and what each of them pays for it."""

    client: str
    sessions: int
    steps: tuple[Step, ...]
    round_trips_s: float
    compute_s: float

    @property
    def time_s(self) -> float:
        """Return S, per token or per session."""
        return self.round_trips_s + self.compute_s


@dataclass(frozen=True)
class Row:
    """A line of the map: one server, or several together.

    Attributes
    ----------
    hosted, used
        Blocks that are hosted, and those of them that some session runs.
    sessions
        Sessions that visit at least one of the servers.
    weights, cache
        Shares of the memory of all the servers.
    exceeded
        Whether one of the servers needs more memory than it has.
    """

    name: str
    servers: tuple[str, ...]
    hosted: tuple[Span, ...]
    used: tuple[Span, ...]
    sessions: int
    memory_bytes: float
    weights: float
    cache: float
    exceeded: bool


@dataclass(frozen=True)
class _Load:
    """One server that hosts blocks; ``visitors`` are the numbers of routes."""

    server: Server
    hosted: Span
    entered: int
    visitors: frozenset[int]
    slots: int


def rides(instance: Instance, solution: Solution) -> list[Ride]:
    """Return the routes with their times: by client, in each the one with most sessions first."""
    clients, servers, stops = instance.client_index(), instance.server_index(), stops_of(solution)
    found = []
    for route in sorted(solution.routes, key=lambda r: (clients[r.client], -r.sessions)):
        c, blocks = clients[route.client], blocks_run(stops, route.path)
        visits = list(zip(route.path, blocks, strict=True))
        steps = tuple(Step(name, stops[name] - k, stops[name]) for name, k in visits)
        time_s = math.fsum(step_s(instance, c, servers[name], k) for name, k in visits)
        trips_s = math.fsum(step_s(instance, c, servers[name], 0) for name, _ in visits)
        found.append(Ride(route.client, route.sessions, steps, trips_s, time_s - trips_s))
    return found


def main_rides(found: list[Ride], most: int) -> list[Ride]:
    """Return the largest routes, in their order: one of each client before a second of any."""
    rank_in_client = itertools.chain.from_iterable(
        enumerate(group) for _, group in itertools.groupby(found, key=lambda ride: ride.client)
    )
    ranked = [(rank > 0, -ride.sessions, n) for n, (rank, ride) in enumerate(rank_in_client)]
    return [found[n] for n in sorted(n for _, _, n in sorted(ranked)[:most])]


def rows(instance: Instance, solution: Solution, most: int) -> list[Row]:
    """Return at most so many lines, from the first block to the last.

    Where the servers that host blocks are more, first servers with equal hardware and equal runs
    share a line, then all without a session, then those with the fewest sessions.
    """
    sessions = [route.sessions for route in solution.routes]
    groups = [[load] for load in _loads(instance, solution)]
    if len(groups) > most:
        groups = _joined(groups, _look)
    if len(groups) > most:
        groups = _joined(groups, lambda group: None if not _visitors(group) else id(group))
    if len(groups) > most:
        busiest = sorted(groups, key=lambda g: -sum(sessions[r] for r in _visitors(g)))
        kept = {id(group) for group in busiest[: most - 1]}
        groups = _joined(groups, lambda group: id(group) if id(group) in kept else None)
    return [_row(instance, group, sessions) for group in groups]


def by_server(lines: list[Row]) -> dict[str, int]:
    """Return the number of the line that shows a server."""
    return {server: n for n, row in enumerate(lines) for server in row.servers}


def host_nothing(instance: Instance, solution: Solution) -> list[str]:
    """Return the names of servers that are not placed, ready to be printed."""
    placed = {hosting.server for hosting in solution.placement}
    return [printable(s.name, 24) for s in instance.servers if s.name not in placed]


def _loads(instance: Instance, solution: Solution) -> list[_Load]:
    index, stops = instance.server_index(), stops_of(solution)
    entered, slots = dict(stops), dict.fromkeys(stops, 0)
    visitors: dict[str, set[int]] = {name: set() for name in stops}
    for r, route in enumerate(solution.routes):
        for name, k in zip(route.path, blocks_run(stops, route.path), strict=True):
            entered[name] = min(entered[name], stops[name] - k)
            visitors[name].add(r)
            slots[name] += k * route.sessions
    return [
        _Load(
            instance.servers[index[h.server]],
            Span(h.start, h.stop),
            entered[h.server],
            frozenset(visitors[h.server]),
            slots[h.server],
        )
        for h in sorted(solution.placement, key=lambda h: (h.start, h.stop, index[h.server]))
    ]


def _look(group: list[_Load]) -> Hashable:
    """Return what servers have in common that look alike, wherever they are."""
    server, hosted = group[0].server, group[0].hosted
    hardware = (server.memory_bytes, server.decode_s_per_block, server.prefill_s_per_block)
    return hosted, hardware, server.max_blocks, bool(group[0].visitors)


def _joined(groups: list[list[_Load]], key: Callable[[list[_Load]], Hashable]) -> list[list[_Load]]:
    """Join the groups of equal key; each stands where the first of them stood, ``None`` last."""
    joined: dict[Hashable, list[_Load]] = {}
    for group in groups:
        joined.setdefault(key(group), []).extend(group)
    last = joined.pop(None, None)
    return [*joined.values(), *([last] if last else [])]


def _visitors(group: list[_Load]) -> set[int]:
    return set[int]().union(*(load.visitors for load in group))


def _row(instance: Instance, group: list[_Load], sessions: list[int]) -> Row:
    have = [load.server.memory_bytes for load in group]
    weights = [instance.weight_bytes * (h.hosted.stop - h.hosted.start) for h in group]
    cache = [instance.cache_bytes_per_session * load.slots for load in group]
    limit = 1 + 2 * MEMORY_TOLERANCE  # in floats; the checker compares exactly
    return Row(
        name=_name(group),
        servers=tuple(load.server.name for load in group),
        hosted=_union(load.hosted for load in group),
        used=_union(Span(load.entered, load.hosted.stop) for load in group),
        sessions=sum(sessions[r] for r in _visitors(group)),
        memory_bytes=math.fsum(have),
        weights=math.fsum(weights) / math.fsum(have),
        cache=math.fsum(cache) / math.fsum(have),
        exceeded=any(w + c > m * limit for w, c, m in zip(weights, cache, have, strict=True)),
    )


def _name(group: list[_Load]) -> str:
    first = printable(group[0].server.name, 16)
    if len(group) == 1:
        return first
    if len({load.hosted for load in group}) == 1:
        return f"{first} +{len(group) - 1}"
    return f"{len(group)} {'others' if _visitors(group) else 'unvisited'}"


def _union(spans: Iterable[Span]) -> tuple[Span, ...]:
    union: list[Span] = []
    for span in sorted(spans):
        if span.start == span.stop:
            continue
        if union and span.start <= union[-1].stop:
            union[-1] = Span(union[-1].start, max(union[-1].stop, span.stop))
        else:
            union.append(span)
    return tuple(union)
