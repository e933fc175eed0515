"""`block-placement`: the data of an instance and the form of a plan (docs/block-placement.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from shardopt.models.result import Sense

PROBLEM = "block-placement"
SENSE: Sense = "min"
OBJECTIVE_NAME = "mean time per token or session"
OBJECTIVE_UNIT = "s"

Cost = Literal["decode", "session"]
MEMORY_TOLERANCE = 1e-9
"""Memory M_j means ``M_j (1 + MEMORY_TOLERANCE)`` in every floor and comparison."""


@dataclass(frozen=True)
class Server:
    """One server: memory M_j, seconds per block tau_j (per token) and tau'_j (whole prompt).

    ``max_blocks`` is ``None`` where the file gives no limit.
    """

    name: str
    memory_bytes: float
    decode_s_per_block: float
    prefill_s_per_block: float
    max_blocks: int | None = None
    prefill_slope_s_per_token: float = 0.0


@dataclass(frozen=True)
class Client:
    """One client with D_c concurrent sessions; round trips t_cj and t'_cj in server order."""

    name: str
    sessions: int
    decode_rtt_s: tuple[float, ...]
    prefill_rtt_s: tuple[float, ...]
    prefill_rtt_slope_s_per_token: float = 0.0


@dataclass(frozen=True)
class Petals:
    """What only the PETALS baselines read; ``None`` where the file leaves it out.

    ``client_ping_s[client][server]``, ``server_ping_s[server][server]``.
    """

    forward_tokens_per_s: tuple[float, ...] | None = None
    network_tokens_per_s: tuple[float, ...] | None = None
    client_ping_s: tuple[tuple[float, ...], ...] | None = None
    server_ping_s: tuple[tuple[float, ...], ...] | None = None
    join_order: tuple[str, ...] | None = None
    pool_tokens: float | None = None
    reserve_bytes: float | None = None


@dataclass(frozen=True)
class Instance:
    """A `block-placement` instance.

    ``weight_bytes`` is w, one hosted block; ``cache_bytes_per_session`` is c, one session on
    one block that it runs.
    """

    problem: ClassVar[str] = PROBLEM

    name: str
    source: str
    block_count: int
    weight_bytes: float
    cache_bytes_per_session: float
    servers: tuple[Server, ...]
    clients: tuple[Client, ...]
    input_tokens: int
    output_tokens: int
    cost: Cost
    petals: Petals | None = None

    @property
    def session_count(self) -> int:
        """R, the sessions of all clients."""
        return sum(client.sessions for client in self.clients)

    def server_index(self) -> dict[str, int]:
        """Return the position of each server by its name."""
        return {server.name: j for j, server in enumerate(self.servers)}

    def client_index(self) -> dict[str, int]:
        """Return the position of each client by its name."""
        return {client.name: c for c, client in enumerate(self.clients)}


@dataclass(frozen=True)
class Hosting:
    """Server ``server`` hosts the run of blocks ``[start, stop)``."""

    server: str
    start: int
    stop: int


@dataclass(frozen=True)
class Route:
    """``sessions`` sessions of ``client`` visit the servers of ``path`` in this order."""

    client: str
    path: tuple[str, ...]
    sessions: int


@dataclass(frozen=True)
class Solution:
    """A placement and the routes of all sessions. Servers not listed host nothing."""

    placement: tuple[Hosting, ...]
    routes: tuple[Route, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the ``solution`` object of a solution file."""
        return {
            "placement": [vars(hosting) for hosting in self.placement],
            "routes": [vars(route) | {"path": list(route.path)} for route in self.routes],
        }
