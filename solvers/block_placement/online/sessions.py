"""What a session takes on a placement: slots and seconds, by link and by path."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from shardopt.models.block_placement.data import Instance
from shardopt.models.block_placement.tables import FloatArray, IntArray
from shardopt.solvers.block_placement.paths import blocks_run, cost_of, ends, shortest_path
from shardopt.solvers.online.resources import SLACK

MOST_STATES = 4096


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

    @cached_property
    def blocks(self) -> tuple[IntArray, IntArray]:
        """Blocks run on each link: ``first[server]`` and ``between[server, server]``."""
        return blocks_run(self.runs)

    @cached_property
    def last(self) -> FloatArray:
        """Return 0 where a path may end, and infinity elsewhere, by server."""
        return np.where(ends(self.runs, self.instance.block_count), 0.0, np.inf)


@dataclass(frozen=True, eq=False)
class Path:
    """A path of one kind of session: servers, their slots, and believed seconds.

    ``prefill_s`` is the part up to the first token; ``service_s`` is all of S.
    """

    servers: tuple[int, ...]
    blocks: tuple[int, ...]
    slots: tuple[float, ...]
    prefill_s: float
    service_s: float


@dataclass
class Kind:
    """Sessions of one client and one pair of lengths on a site; all of them are alike.

    Attributes
    ----------
    share
        Slots of one block: 1 for the instance's own lengths.
    first_s, between_s
        Share of S of each link, as believed; infinite where the session does not fit at all.
    looks
        (server, slots) pairs whose waits matter, without repetition.
    first_look, between_look
        Number of each link's pair; ``len(looks)`` where there is no link.
    """

    site: Site
    client: int
    input_tokens: int
    output_tokens: int
    share: float = field(init=False)
    first_s: FloatArray = field(init=False)
    between_s: FloatArray = field(init=False)
    looks: list[tuple[int, float]] = field(init=False)
    first_look: IntArray = field(init=False)
    between_look: IntArray = field(init=False)
    _paths: dict[tuple[int, ...], Path] = field(init=False, default_factory=dict)
    _remembered: dict[Any, Path | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.share = slot_share(self.site.instance, self.input_tokens, self.output_tokens)
        first, between = (self._fitting(blocks) for blocks in self.site.blocks)
        prefill, decode = step_times(self.site, self.client, self.input_tokens)
        fixed, block = (
            p + (self.output_tokens - 1) * d for p, d in zip(prefill, decode, strict=True)
        )
        self.first_s = cost_of(first, fixed, block)
        self.between_s = cost_of(between, fixed, block)
        self._number_looks(first, between)

    @cached_property
    def waitless(self) -> Path | None:
        """The shortest path where nobody waits; ``None`` if the session fits on none."""
        servers = shortest_path(self.first_s, self.between_s, self.site.last)
        return None if servers is None else self.path(servers)

    def path(self, servers: Sequence[int]) -> Path:
        """Return what a path takes."""
        key = tuple(servers)
        if key not in self._paths:
            self._paths[key] = self._measured(key)
        return self._paths[key]

    def remembered(self, state: Any, find: Callable[[], Path | None]) -> Path | None:
        """Return what ``find()`` did when the policy's view was last in this state."""
        if state not in self._remembered:
            if len(self._remembered) == MOST_STATES:
                self._remembered.clear()
            self._remembered[state] = find()
        return self._remembered[state]

    def seconds(self, path: Path, output_tokens: int, factors: FloatArray) -> tuple[float, float]:
        """Return prefill part and S where blocks take ``factors[server]`` times their time."""
        prefill, decode = step_times(self.site, self.client, self.input_tokens, factors)
        servers, blocks = np.array(path.servers), np.array(path.blocks)
        before = float((prefill[0][servers] + blocks * prefill[1][servers]).sum())
        token = float((decode[0][servers] + blocks * decode[1][servers]).sum())
        return before, before + (output_tokens - 1) * token

    def _measured(self, servers: tuple[int, ...]) -> Path:
        first, between = self.site.blocks
        blocks = (
            int(first[servers[0]]),
            *(int(between[i, j]) for i, j in itertools.pairwise(servers)),
        )
        slots = tuple(self.share * k for k in blocks)
        path = Path(servers, blocks, slots, 0.0, 0.0)
        return Path(
            servers, blocks, slots, *self.seconds(path, self.output_tokens, self.site.believed)
        )

    def _fitting(self, blocks: IntArray) -> IntArray:
        """Return the blocks of each link, 0 where the session would not fit on an idle server."""
        return np.where(self.share * blocks <= self.site.slots + SLACK, blocks, 0)

    def _number_looks(self, first: IntArray, between: IntArray) -> None:
        server = np.arange(len(first))
        pairs = {
            (int(j), int(k))
            for blocks in (first, between)
            for j, k in zip(
                np.broadcast_to(server, blocks.shape)[blocks > 0], blocks[blocks > 0], strict=True
            )
        }
        numbers = {pair: n for n, pair in enumerate(sorted(pairs))}
        self.looks = [(j, self.share * k) for j, k in numbers]

        def numbered(blocks: IntArray) -> IntArray:
            look = np.full(blocks.shape, len(numbers), dtype=np.int64)
            for place in np.argwhere(blocks > 0):
                look[tuple(place)] = numbers[int(place[-1]), int(blocks[tuple(place)])]
            return look

        self.first_look, self.between_look = numbered(first), numbered(between)


def slot_share(instance: Instance, input_tokens: int, output_tokens: int) -> float:
    """Return u, and an integer 1 for the instance's own lengths, so that slots count exactly."""
    tokens = instance.input_tokens + instance.output_tokens
    own = input_tokens + output_tokens
    return 1 if own == tokens else own / tokens


def step_times(
    site: Site, client: int, input_tokens: int, factors: FloatArray | None = None
) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
    """Return (round trip, per block) of the prompt and of each token, by server.

    A round trip or block of the prompt grows with each token beyond the instance's own.
    """
    instance = site.instance
    if factors is None:
        factors = site.believed
    who, servers = instance.clients[client], instance.servers
    more = input_tokens - instance.input_tokens
    trip = np.array(who.prefill_rtt_s) + more * who.prefill_rtt_slope_s_per_token
    block = np.array([s.prefill_s_per_block + more * s.prefill_slope_s_per_token for s in servers])
    decode = np.array([s.decode_s_per_block for s in servers])
    prefill = np.maximum(trip, 0.0), np.maximum(block, 0.0) * factors
    return prefill, (np.array(who.decode_rtt_s), decode * factors)
