"""Random tiny instances for the heuristics' tests."""

from __future__ import annotations

import numpy as np

from shardopt.models.block_placement.data import Client, Instance, Server


def draw(seed: int, *, clients: int | None = None, blocks: int | None = None) -> Instance:
    """Return a random instance: twins, empty servers, limits, both costs, loose and tight."""
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 7)) if blocks is None else blocks
    cache = float(random.choice([0.05, 0.2, 0.5]))
    tightness = random.choice([0.4, 1.0, 2.0])
    servers: list[Server] = []
    rtt: list[float] = []  # twins share their round trip to the first client, too
    for j in range(int(random.integers(1, 7))):
        if servers and random.random() < 0.4:
            twin = servers[-1]
            servers.append(Server(f"n{j}", *list(vars(twin).values())[1:]))
            rtt.append(rtt[-1])
            continue
        memory = float(random.uniform(0.5, tightness * count + 2.0))
        most = int(random.integers(1, count + 2)) if random.random() < 0.2 else None
        decode, prefill = (round(float(x), 3) for x in random.uniform(0.001, 0.1, 2))
        servers.append(Server(f"n{j}", memory, decode, prefill, most))
        rtt.append(round(float(random.uniform(0.01, 0.3)), 3))
    number = int(random.integers(1, 4)) if clients is None else clients
    others = [tuple(random.integers(10, 300, len(servers)) / 1000) for _ in range(number)]
    return Instance(
        name=f"draw-{seed}",
        source="tests",
        block_count=count,
        weight_bytes=1.0,
        cache_bytes_per_session=cache,
        servers=tuple(servers),
        clients=tuple(
            Client(f"u{c}", int(random.integers(1, 4)), tuple(rtt) if c == 0 else own, own)
            for c, own in enumerate(others)
        ),
        input_tokens=16,
        output_tokens=32,
        cost="decode" if random.random() < 0.6 else "session",
    )
