"""Random tiny instances, small enough for full enumeration, that cover every corner of the page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from shardopt.models.block_placement.data import Client, Cost, Instance, Petals, Server

COSTS: tuple[Cost, ...] = ("decode", "session")


def tiny_instance(
    seed: int, *, max_servers: int = 4, max_blocks: int = 5, max_sessions: int = 6
) -> Instance:
    """Return one random instance with one to three clients.

    Each corner is drawn on its own: both costs, one server, one block, twins, servers that
    cannot host a block, limits on blocks, free steps, memory that a plan fills to the brim,
    from ample to too small for any plan.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, max_blocks + 1))
    number = int(rng.integers(1, max_servers + 1))
    weight, cache = float(rng.choice([1.0, 2.5, 4.0])), float(rng.choice([0.5, 1.0, 1.7]))
    sessions = _sessions(rng, max_sessions)
    tightness = float(rng.choice([0.9, 1.2, 1.6, 2.2, 4.0]))
    share = tightness * (weight + cache * sum(sessions)) * count / number
    servers = tuple(_server(rng, j, weight, share, count) for j in range(number))
    clients = tuple(
        Client(f"c{c}", demand, _rtt(rng, number), _rtt(rng, number))
        for c, demand in enumerate(sessions)
    )
    made = Instance(
        name=f"tiny-{seed}",
        source="tests",
        block_count=count,
        weight_bytes=weight,
        cache_bytes_per_session=cache,
        servers=servers,
        clients=clients,
        input_tokens=16,
        output_tokens=int(rng.choice([1, 4, 32])),
        cost=COSTS[int(rng.integers(2))],
    )
    if number > 1 and rng.random() < 0.4:
        made = with_twins(made, 0, number - 1)
    return made


def _sessions(rng: np.random.Generator, most: int) -> list[int]:
    """Return one to three clients' sessions, ``most`` in all at most."""
    clients = int(rng.integers(1, min(3, most) + 1))
    return [int(rng.integers(1, most // clients + 1)) for _ in range(clients)]


def _server(rng: np.random.Generator, j: int, weight: float, share: float, count: int) -> Server:
    """Return a server with about the given memory."""
    memory = share * float(rng.uniform(0.6, 1.6))
    if rng.random() < 0.5:
        memory = max(1.0, round(2 * memory) / 2)  # full to the last byte where w, c are halves
    if rng.random() < 0.08:
        memory = weight / 2
    limit = int(rng.integers(1, count + 2)) if rng.random() < 0.15 else None
    decode, prefill = (float(v) for v in np.round(rng.uniform(0.0, 0.05, 2), 4))
    return Server(f"s{j}", memory, decode if rng.random() < 0.9 else 0.0, prefill, limit)


def _rtt(rng: np.random.Generator, number: int) -> tuple[float, ...]:
    values = np.round(rng.uniform(0.0, 0.2, number), 3)
    return tuple(float(v) for v in values)


def with_twins(instance: Instance, j: int, like: int) -> Instance:
    """Return the instance with server ``j`` a copy of server ``like``, for all clients."""

    def copied(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(values[like] if n == j else value for n, value in enumerate(values))

    servers = list(instance.servers)
    servers[j] = replace(servers[like], name=servers[j].name)
    clients = tuple(
        replace(
            client,
            decode_rtt_s=copied(client.decode_rtt_s),
            prefill_rtt_s=copied(client.prefill_rtt_s),
        )
        for client in instance.clients
    )
    return replace(instance, servers=tuple(servers), clients=clients)


def with_petals(instance: Instance, seed: int) -> Instance:
    """Return the instance with some of what the PETALS baselines read."""
    rng = np.random.default_rng(seed)
    servers, clients = len(instance.servers), len(instance.clients)
    names = tuple(str(name) for name in rng.permutation([s.name for s in instance.servers]))
    full = {
        "forward_tokens_per_s": tuple(float(v) for v in rng.uniform(1, 9, servers)),
        "network_tokens_per_s": tuple(float(v) for v in rng.uniform(1, 9, servers)),
        "client_ping_s": tuple(_rtt(rng, servers) for _ in range(clients)),
        "server_ping_s": tuple(_rtt(rng, servers) for _ in range(servers)),
        "join_order": names,
        "pool_tokens": 64.0,
        "reserve_bytes": 0.0,
    }
    kept = {key: value for key, value in full.items() if rng.random() < 0.6}
    return replace(instance, petals=Petals(**kept))


def tiny_instances(**limits: int) -> st.SearchStrategy[Instance]:
    """Return a strategy of the same instances for property tests."""
    return st.builds(lambda seed: tiny_instance(seed, **limits), st.integers(0, 2**32 - 1))


def with_brim(instance: Instance, seed: int) -> Instance:
    """Return the instance with memories that a number of blocks and sessions all but fills.

    Some are within the tolerance of the checker, some just outside.
    """
    rng = np.random.default_rng(seed)
    servers = []
    for server in instance.servers:
        hosted = int(rng.integers(1, instance.block_count + 1))
        run = int(rng.integers(0, 3 * hosted + 1))
        full = hosted * instance.weight_bytes + run * instance.cache_bytes_per_session
        short = float(rng.choice([0.0, 0.9e-9, 1.1e-9, 1e-12, -1e-12]))
        servers.append(replace(server, memory_bytes=full * (1 - short)))
    return replace(instance, servers=tuple(servers))


def with_ratio(instance: Instance, factor: float) -> Instance:
    """Return the instance with the cache of a session so many times as large, and memory as it is.

    Factors far from 1 leave few digits to blocks or to sessions in sums of both.
    """
    return replace(instance, cache_bytes_per_session=factor * instance.cache_bytes_per_session)
