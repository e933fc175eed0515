"""BLOOM-176B on A100s and MIG slices: what the authors of arXiv 2512.21884 measured.

All constants are those of their simulator. GB is 1e9 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shardopt.instances.block_placement.options import Request
from shardopt.models.block_placement.data import Client, Instance, Petals, Server

GB = 1e9
BLOCKS = 70
WIDTH = 14336
PARAMETERS_PER_BLOCK = 2466437120
WEIGHT_BYTES = PARAMETERS_PER_BLOCK * 4.25 / 8 * 1.01
"""As PETALS estimates it: NF4 takes 4.25 bits per parameter, and 1% more for safety."""
PAPER = "arXiv 2512.21884"

Overheads = Literal["scattered", "clustered"]
ROUND_TRIP_OVERHEADS_S = {"scattered": (0.100, 0.067), "clustered": (0.050, 0.055)}
"""What every round trip takes beside the ping: decode, and prefill besides its tokens."""
PREFILL_ROUND_TRIP_S_PER_TOKEN = 0.7049e-3


@dataclass(frozen=True)
class Kind:
    """A kind of server: seconds per block, PETALS' two throughputs, most blocks it may host."""

    decode_s: float
    prefill_s: float
    prefill_s_per_token: float
    forward_tokens_per_s: float
    network_tokens_per_s: float
    max_blocks: int | None


A100 = Kind(0.0032197, 0.03299, 0.0743e-3, 20829.38146541331, 3020.3700586885343, None)
MIG = Kind(0.0162488, 0.2063547, 0.1041e-3, 2757.7243405599083, 3138.1039624670034, 4)
"""A slice of an A100; the authors' testbed held it to 4 blocks."""


def cache_bytes(request: Request) -> float:
    """Return the bytes of one session on one block: keys and values, 2 bytes a number."""
    return 4.0 * WIDTH * (request.input_tokens + request.output_tokens)


def server(name: str, kind: Kind, memory_gb: float, request: Request) -> Server:
    """Return one server."""
    return Server(
        name,
        memory_bytes=_rounded(memory_gb * GB, 0),
        decode_s_per_block=kind.decode_s,
        prefill_s_per_block=_rounded(
            kind.prefill_s_per_token * request.input_tokens + kind.prefill_s
        ),
        max_blocks=kind.max_blocks,
    )


def client(
    name: str,
    sessions: int,
    ping_s: NDArray[np.float64],
    request: Request,
    overheads: Overheads = "scattered",
) -> Client:
    """Return one client; its round trips are pings and overheads."""
    decode_s, prefill_s = ROUND_TRIP_OVERHEADS_S[overheads]
    prefill_s += PREFILL_ROUND_TRIP_S_PER_TOKEN * request.input_tokens
    return Client(
        name,
        sessions,
        decode_rtt_s=tuple(_rounded(ping + decode_s) for ping in ping_s),
        prefill_rtt_s=tuple(_rounded(ping + prefill_s) for ping in ping_s),
    )


def bloom_instance(
    name: str,
    source: str,
    kinds: list[Kind],
    servers: list[Server],
    clients: list[Client],
    client_ping_s: NDArray[np.float64],
    server_ping_s: NDArray[np.float64],
    request: Request,
) -> Instance:
    """Return an instance with what the PETALS baselines read."""
    petals = Petals(
        forward_tokens_per_s=tuple(kind.forward_tokens_per_s for kind in kinds),
        network_tokens_per_s=tuple(kind.network_tokens_per_s for kind in kinds),
        client_ping_s=tuple(tuple(map(_rounded, row)) for row in client_ping_s),
        server_ping_s=tuple(tuple(map(_rounded, row)) for row in server_ping_s),
    )
    return Instance(
        name=name,
        source=source,
        block_count=BLOCKS,
        weight_bytes=_rounded(WEIGHT_BYTES, 1),
        cache_bytes_per_session=cache_bytes(request),
        servers=tuple(servers),
        clients=tuple(clients),
        input_tokens=request.input_tokens,
        output_tokens=request.output_tokens,
        cost=request.cost,
        petals=petals,
    )


def _rounded(value: float, digits: int = 9) -> float:
    """Drop what only the binary representation of decimal constants adds (below 1 ns)."""
    return round(float(value), digits)
