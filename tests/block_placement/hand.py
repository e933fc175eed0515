"""Instances of `block-placement` small enough to be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

from shardopt.models.block_placement.data import Client, Cost, Instance, Server


def make(
    blocks: int,
    servers: Sequence[tuple[float, float, float]],
    clients: Sequence[tuple[int, tuple[float, ...]]],
    *,
    cost: Cost = "decode",
    weight: float = 1.0,
    cache: float = 1.0,
    max_blocks: int | None = None,
) -> Instance:
    """Make an instance of (memory, decode, prefill) and (sessions, round trips).

    Prefill round trips are twice those of decode; answers have 3 tokens.
    """
    return Instance(
        name="hand-made",
        source="tests",
        block_count=blocks,
        weight_bytes=weight,
        cache_bytes_per_session=cache,
        servers=tuple(Server(f"s{j}", *server, max_blocks) for j, server in enumerate(servers)),
        clients=tuple(
            Client(f"c{c}", sessions, rtt, tuple(2 * t for t in rtt))
            for c, (sessions, rtt) in enumerate(clients)
        ),
        input_tokens=16,
        output_tokens=3,
        cost=cost,
    )


def one_server(cost: Cost = "decode") -> Instance:
    """4 blocks, 2 sessions, 12 bytes needed: 0.3 + 4 * 0.1 a token, 0.6 + 4 * 0.2 the prompt."""
    return make(4, [(12.0, 0.1, 0.2)], [(2, (0.3,))], cost=cost)


def witness() -> Instance:
    """One whole model and one session fit on each of 4 servers: 1.2 s, `cg-bp` finds 2.2."""
    return make(2, [(3.0, 0.1, 0.1)] * 4, [(4, (1.0,) * 4)], cache=0.5)


def more_sessions_than_fit() -> Instance:
    """Room for 2 of 3 sessions, although every block could be hosted."""
    return make(2, [(3.0, 0.1, 0.1)] * 2, [(3, (0.1, 0.1))])
