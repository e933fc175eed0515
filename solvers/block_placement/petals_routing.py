"""How PETALS routes: session by session, on the path that is shortest by its own costs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from shardopt.models.block_placement.data import Instance, Petals, Route
from shardopt.models.block_placement.tables import FloatArray, IntArray
from shardopt.solvers.block_placement.paths import blocks_run, ends, shortest_path

SERIALIZATION_S = 0.018
UNKNOWN_LINK_S = 0.15
FULL_SERVER_S = 10.0


@dataclass
class Swarm:
    """The servers as PETALS sees them; ``free`` slots and ``sessions`` change as it routes.

    Arrays are by server; ``first`` and ``between`` are the blocks run on each link.
    """

    instance: Instance
    first: IntArray
    between: IntArray
    last: FloatArray
    decode_s_per_block: FloatArray
    free: IntArray
    room: IntArray
    sessions: IntArray

    def path(self, client: int) -> list[int] | None:
        """Return the path of the client's next session; ``None`` if there is none."""
        out, hop, back = petals_links(self.instance, client)
        penalty = np.where(self.room - self.sessions <= 0, FULL_SERVER_S, 0.0)
        start = self._link_s(self.first, out) + penalty
        between = self._link_s(self.between, hop) + penalty
        return shortest_path(start, between, self.last + back)

    def take(self, path: list[int], wanted: int) -> int:
        """Send sessions along a path until it may no longer be the best; return how many.

        Nothing that concerns the choice changes before a server on the path is full, or has
        too few slots for its link; so up to then one session is like the next.
        """
        blocks = [int(self.first[path[0]])]
        blocks += [int(self.between[i, j]) for i, j in itertools.pairwise(path)]
        count = wanted
        for j, k in zip(path, blocks, strict=True):
            count = min(count, int(self.free[j]) // k)
            if self.room[j] > self.sessions[j]:
                count = min(count, int(self.room[j] - self.sessions[j]))
        self.free[path] -= count * np.array(blocks)
        self.sessions[path] += count
        return count

    def _link_s(self, blocks: IntArray, hop_s: FloatArray) -> FloatArray:
        """Return hop + tau_j k; infinite where there is no link, or too few slots for it."""
        exists = (blocks > 0) & (blocks <= self.free)
        cost: FloatArray = np.where(exists, hop_s + self.decode_s_per_block * blocks, np.inf)
        return cost


def route_one_by_one(
    instance: Instance, runs: IntArray, slots: IntArray, room: IntArray
) -> tuple[Route, ...] | None:
    """Route all sessions, clients in file order; ``None`` if one finds no path."""
    swarm = _swarm(instance, runs, slots, room)
    routes: dict[tuple[str, tuple[str, ...]], int] = {}
    for c, client in enumerate(instance.clients):
        left = client.sessions
        while left:
            path = swarm.path(c)
            if path is None:
                return None
            count = swarm.take(path, left)
            names = tuple(instance.servers[j].name for j in path)
            routes[client.name, names] = routes.get((client.name, names), 0) + count
            left -= count
    return tuple(Route(client, path, count) for (client, path), count in routes.items())


def petals_links(instance: Instance, client: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what links cost beside the blocks: from the client, between servers, and back.

    ``out[server]``, ``hop[sender, receiver]`` and ``back[server]``.
    """
    ping = _client_ping(instance)[client]
    return ping / 2 + SERIALIZATION_S, _hop_s(instance), ping / 2


def _swarm(instance: Instance, runs: IntArray, slots: IntArray, room: IntArray) -> Swarm:
    first, between = blocks_run(runs)
    return Swarm(
        instance=instance,
        first=first,
        between=between,
        last=np.where(ends(runs, instance.block_count), 0.0, np.inf),
        decode_s_per_block=np.array([server.decode_s_per_block for server in instance.servers]),
        free=slots.copy(),
        room=room,
        sessions=np.zeros_like(slots),
    )


def _hop_s(instance: Instance) -> FloatArray:
    """Return what a link from server to server costs beside the blocks; rows send."""
    servers = len(instance.servers)
    ping = (instance.petals or Petals()).server_ping_s
    if ping is None:
        return np.full((servers, servers), UNKNOWN_LINK_S)
    return np.array(ping) / 2 + SERIALIZATION_S


def _client_ping(instance: Instance) -> FloatArray:
    given = (instance.petals or Petals()).client_ping_s
    return np.array([c.decode_rtt_s for c in instance.clients] if given is None else given)
