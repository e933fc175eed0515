"""What a session takes on a placement: slots and seconds, by link and by path."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shardopt.models.block_placement.data import Instance
from shardopt.models.block_placement.tables import FloatArray, IntArray
from shardopt.solvers.block_placement.paths import blocks_run, ends, shortest_path
from shardopt.solvers.online.resources import SLACK

MOST_STATES = 4096


@dataclass(frozen=True)
class Visits:
    """Each number of blocks that a server may run for a session, with a number of its own.

    What a link costs depends on nothing but the server it leads to and the blocks run there.

    Attributes
    ----------
    server, blocks
        ``int[visit]``.
    first, between
        ``int[server]`` and ``int[server, server]``: the visit that each link leads to;
        ``len(server)`` where there is no link.
    """

    server: IntArray
    blocks: IntArray
    first: IntArray
    between: IntArray


@dataclass(frozen=True)
class Site:
    """A placement as sessions meet it.

    Attributes
    ----------
    runs
        ``int[server, 2]``, start and stop; equal where a server hosts nothing.
    slots, room
        ``int[server]``: blocks of sessions that fit, n_j, and the sessions that PETALS
        expects a server to take.
    believed
        ``float[server]``, by how much block times are believed to be what they are not.
    design_sessions
        For how many sessions it was planned, where that is a part of planning.
    """

    instance: Instance
    runs: IntArray
    slots: IntArray
    room: IntArray
    believed: FloatArray
    design_sessions: int | None = None
    _blocks: dict[tuple[int, ...], tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def blocks(self) -> tuple[IntArray, IntArray]:
        """Blocks run on each link: ``first[server]`` and ``between[server, server]``."""
        return blocks_run(self.runs)

    @cached_property
    def last(self) -> FloatArray:
        """Return 0 where a path may end, and infinity elsewhere, by server."""
        return np.where(ends(self.runs, self.instance.block_count), 0.0, np.inf)

    @cached_property
    def visits(self) -> Visits:
        """All visits that paths can make."""
        first, between = self.blocks
        links = np.vstack([first, between])
        server = np.broadcast_to(np.arange(len(first)), links.shape)
        pairs, number = np.unique(
            np.stack([server[links > 0], links[links > 0]]), axis=1, return_inverse=True
        )
        visit = np.full(links.shape, pairs.shape[1])
        visit[links > 0] = number.ravel()
        return Visits(pairs[0], pairs[1], visit[0], visit[1:])

    @cached_property
    def times(self) -> list[Times]:
        """What steps take, by client."""
        return [Times.of(self.instance, c) for c in range(len(self.instance.clients))]

    def blocks_on(self, servers: tuple[int, ...]) -> tuple[int, ...]:
        """Return the blocks that each server of a path runs."""
        if servers not in self._blocks:
            first, between = self.blocks
            later = (int(between[i, j]) for i, j in itertools.pairwise(servers))
            self._blocks[servers] = (int(first[servers[0]]), *later)
        return self._blocks[servers]


@dataclass(frozen=True)
class Times:
    """Seconds of one client's steps by server: of the prompt, and of each later token.

    Round trips and blocks of the prompt grow by their slopes with each token of the prompt
    beyond the instance's own.
    """

    own_tokens: int
    prompt_trip: FloatArray
    prompt_block: FloatArray
    trip_slope: float
    block_slope: FloatArray
    trip: FloatArray
    block: FloatArray

    @classmethod
    def of(cls, instance: Instance, client: int) -> Times:
        """Return the times of a client of an instance."""
        who, servers = instance.clients[client], instance.servers
        return cls(
            instance.input_tokens,
            np.array(who.prefill_rtt_s),
            np.array([server.prefill_s_per_block for server in servers]),
            who.prefill_rtt_slope_s_per_token,
            np.array([server.prefill_slope_s_per_token for server in servers]),
            np.array(who.decode_rtt_s),
            np.array([server.decode_s_per_block for server in servers]),
        )

    def prompt(self, input_tokens: int) -> tuple[FloatArray, FloatArray]:
        """Return round trip and block of a prompt; a short one takes no less than nothing."""
        more = input_tokens - self.own_tokens
        trip = self.prompt_trip + more * self.trip_slope
        return np.maximum(trip, 0.0), np.maximum(self.prompt_block + more * self.block_slope, 0.0)


@dataclass(frozen=True, eq=False)
class Path:
    """A path of one kind of session: servers, their slots, and believed seconds.

    ``prefill_s`` is the part up to the first token; ``service_s`` is all of S.
    """

    servers: tuple[int, ...]
    slots: tuple[float, ...]
    prefill_s: float
    service_s: float


class Kind:
    """Sessions of one client and one pair of lengths on a site; all of them are alike.

    Attributes
    ----------
    slots
        ``list[visit]``: slots that it takes.
    visit_s
        ``float[visit]``, the share of S as believed, infinite where the session does not fit
        at all; and one more infinity, for links that do not exist.
    """

    def __init__(self, site: Site, client: int, input_tokens: int, output_tokens: int) -> None:
        self.site = site
        self.client = client
        self.output_tokens = output_tokens
        self._times = site.times[client]
        self.prompt = self._times.prompt(input_tokens)
        self.share = slot_share(site.instance, input_tokens, output_tokens)
        visits = site.visits
        slots = self.share * visits.blocks
        trip, block = self.prompt
        trip = trip + (output_tokens - 1) * self._times.trip
        block = (block + (output_tokens - 1) * self._times.block) * site.believed
        seconds = trip[visits.server] + block[visits.server] * visits.blocks
        fits = slots <= site.slots[visits.server] + SLACK
        self.slots: list[float] = slots.tolist()
        self.visit_s: FloatArray = np.append(np.where(fits, seconds, np.inf), np.inf)
        self._paths: dict[tuple[int, ...], Path] = {}
        self._remembered: dict[Any, Path | None] = {}

    @cached_property
    def waitless(self) -> Path | None:
        """The shortest path where nobody waits; ``None`` if the session fits on none."""
        return self.shortest(self.visit_s)

    @cached_property
    def exists(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which links the session could take if nobody else were there."""
        fits = np.isfinite(self.visit_s)
        return fits[self.site.visits.first], fits[self.site.visits.between]

    def shortest(self, visit_s: FloatArray) -> Path | None:
        """Return the shortest path where visits cost so much."""
        visits = self.site.visits
        servers = shortest_path(visit_s[visits.first], visit_s[visits.between], self.site.last)
        return None if servers is None else self.path(servers)

    def path(self, servers: Sequence[int]) -> Path:
        """Return what a path takes."""
        key = tuple(servers)
        if key not in self._paths:
            slots = tuple(self.share * k for k in self.site.blocks_on(key))
            seconds = self.seconds(key, self.output_tokens, self.site.believed)
            self._paths[key] = Path(key, slots, *seconds)
        return self._paths[key]

    def remembered(self, state: Any, find: Callable[[], Path | None]) -> Path | None:
        """Return what ``find()`` did when the policy's view was last in this state."""
        if state not in self._remembered:
            if len(self._remembered) == MOST_STATES:
                self._remembered.clear()
            self._remembered[state] = find()
        return self._remembered[state]

    def seconds(
        self, servers: tuple[int, ...], output_tokens: int, factors: FloatArray
    ) -> tuple[float, float]:
        """Return prefill part and S where blocks take ``factors[server]`` times their time."""
        (prompt_trip, prompt_block), times = self.prompt, self._times
        prefill_s = token_s = 0.0
        for j, k in zip(servers, self.site.blocks_on(servers), strict=True):
            prefill_s += float(prompt_trip[j] + k * factors[j] * prompt_block[j])
            token_s += float(times.trip[j] + k * factors[j] * times.block[j])
        return prefill_s, prefill_s + (output_tokens - 1) * token_s


def slot_share(instance: Instance, input_tokens: int, output_tokens: int) -> float:
    """Return u, the slots of one block; an integer 1 for the instance's own lengths."""
    tokens = instance.input_tokens + instance.output_tokens
    own = input_tokens + output_tokens
    return 1 if own == tokens else own / tokens  # integers are counted exactly
