"""`block-placement`: generator presets (the page's "Generators")."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from shardopt.instances.block_placement import bloom
from shardopt.instances.block_placement.bloom import GB
from shardopt.instances.block_placement.options import (
    Request,
    make_request,
    named,
    require_common,
    shares,
    tags,
)
from shardopt.instances.block_placement.testbeds import bloom_clustered, scattered
from shardopt.instances.presets import require_range
from shardopt.models.block_placement.data import Client, Cost, Instance, Server


def random_loose(
    *,
    seed: int = 0,
    servers: int = 12,
    blocks: int = 32,
    clients: int = 1,
    sessions: int = 30,
    slack: float = 4.0,
    input_tokens: int = 512,
    output_tokens: int = 128,
    cost: Cost = "decode",
) -> Instance:
    """Random servers whose memory in total is ``slack`` times what one chain of all takes."""
    request = make_request(input_tokens, output_tokens, cost)
    return _random("random-loose", seed, servers, 1, blocks, clients, sessions, slack, 4.0, request)


def random_tight(
    *,
    seed: int = 0,
    servers: int = 12,
    blocks: int = 32,
    clients: int = 1,
    sessions: int = 30,
    slack: float = 1.3,
    input_tokens: int = 512,
    output_tokens: int = 128,
    cost: Cost = "decode",
) -> Instance:
    """As `random-loose` with little memory; some have no plan."""
    request = make_request(input_tokens, output_tokens, cost)
    return _random("random-tight", seed, servers, 1, blocks, clients, sessions, slack, 1.3, request)


def multi_client(
    *,
    seed: int = 0,
    servers: int = 12,
    blocks: int = 32,
    clients: int = 3,
    sessions: int = 30,
    slack: float = 1.8,
    input_tokens: int = 512,
    output_tokens: int = 128,
    cost: Cost = "decode",
) -> Instance:
    """Random servers and several clients, each far from others."""
    request = make_request(input_tokens, output_tokens, cost)
    return _random("multi-client", seed, servers, 1, blocks, clients, sessions, slack, 1.8, request)


def typed(
    *,
    seed: int = 0,
    types: int = 4,
    per_type: int = 3,
    blocks: int = 40,
    clients: int = 1,
    sessions: int = 30,
    slack: float = 1.8,
    input_tokens: int = 512,
    output_tokens: int = 128,
    cost: Cost = "decode",
) -> Instance:
    """Several interchangeable servers of each of a few types."""
    request = make_request(input_tokens, output_tokens, cost)
    return _random("typed", seed, types, per_type, blocks, clients, sessions, slack, 1.8, request)


def witness(
    *,
    blocks: int = 2,
    rtt_s: float = 1.0,
    decode_s_per_block: float = 0.1,
    seed: int = 0,
) -> Instance:
    """The published witness that `cg-bp` is unboundedly worse than optimal; nothing is random.

    L^2 equal servers for L^2 sessions. Each has room for the whole model and one session, cost
    t + L tau; `cg-bp` reserves for all sessions, hosts one block on each, and pays L (t + tau).
    """
    require_range("blocks", blocks, 1, 30)
    require_range("rtt_s", rtt_s, 0, 1e9)
    require_range("decode_s_per_block", decode_s_per_block, 0, 1e9)
    require_range("seed", seed, 0, 2**63)
    count, weight = blocks**2, 0.6 * GB * blocks
    return Instance(
        name=f"witness-{blocks}"
        + tags(
            (f"-t{rtt_s:g}", rtt_s, 1.0), (f"-tau{decode_s_per_block:g}", decode_s_per_block, 0.1)
        ),
        source=f"{bloom.PAPER}: witness of the unbounded ratio; numbers ours",
        block_count=blocks,
        weight_bytes=weight,
        cache_bytes_per_session=weight / blocks,
        servers=tuple(
            Server(f"n{j}", (blocks + 1) * weight, decode_s_per_block, decode_s_per_block)
            for j in range(count)
        ),
        clients=(Client("u", count, (rtt_s,) * count, (rtt_s,) * count),),
        input_tokens=8,
        output_tokens=8,
        cost="decode",
    )


PRESETS: dict[str, Callable[..., Any]] = {
    "bloom-clustered-9": bloom_clustered,
    "bloom-abvt-9": scattered("abvt", 9, 79.13, 8.2),
    "bloom-bellcanada-26": scattered("bellcanada", 26, 84.973, 10.2),
    "bloom-gtsce-26": scattered("gtsce", 26, 84.973, 10.2),
    "bloom-gtsce-60": scattered("gtsce", 60, 84.973, 10.2),
    "random-tight": random_tight,
    "random-loose": random_loose,
    "multi-client": multi_client,
    "typed": typed,
    "witness": witness,
}


def _random(
    preset: str,
    seed: int,
    types: int,
    per_type: int,
    blocks: int,
    clients: int,
    sessions: int,
    slack: float,
    default_slack: float,
    request: Request,
) -> Instance:
    """Draw ``types`` servers, each ``per_type`` times, and scale their memory to the slack."""
    require_common(seed, sessions, clients)
    require_range("servers" if per_type == 1 else "types", types, 1, 1000)
    require_range("per_type", per_type, 1, 1000)
    require_range("blocks", blocks, 1, 10_000)
    require_range("slack", slack, 1e-3, 1e6)
    rng = np.random.default_rng(seed)
    weight = round(bloom.WEIGHT_BYTES, 1)
    drawn = rng.choice([8.0, 10.0, 16.0, 24.0, 40.0, 80.0], types)
    chain = blocks * (weight + bloom.cache_bytes(request) * sessions)
    memory = np.maximum(1.0, np.round(drawn * (slack * chain / (drawn.sum() * per_type))))
    decode = _log_uniform(rng, 0.003, 0.020, types)
    prefill = decode * rng.uniform(10, 13, types)
    ping = np.repeat(_log_uniform(rng, 0.002, 0.200, (clients, types)), per_type, axis=1)
    copies = [(y, copy) for y in range(types) for copy in range(per_type)]
    size = f"j{types}" if per_type == 1 else f"y{types}x{per_type}"
    return Instance(
        name=named(
            f"{preset}-{size}-l{blocks}-c{clients}-r{sessions}-s{seed}",
            request,
            (f"-slack{slack:g}", slack, default_slack),
            tokens=(512, 128),
        ),
        source=f"shardopt preset {preset}",
        block_count=blocks,
        weight_bytes=weight,
        cache_bytes_per_session=bloom.cache_bytes(request),
        servers=tuple(
            Server(
                f"s{y + 1}" if per_type == 1 else f"s{y + 1}-{copy + 1}",
                float(memory[y]),
                round(float(decode[y]), 7),
                round(float(prefill[y]), 7),
            )
            for y, copy in copies
        ),
        clients=tuple(
            bloom.client(f"c{c + 1}", share, np.round(ping[c], 6), request)
            for c, share in enumerate(shares(sessions, clients))
        ),
        input_tokens=request.input_tokens,
        output_tokens=request.output_tokens,
        cost=request.cost,
    )


def _log_uniform(
    rng: np.random.Generator, low: float, high: float, shape: int | tuple[int, int]
) -> Any:
    return np.exp(rng.uniform(math.log(low), math.log(high), shape))
