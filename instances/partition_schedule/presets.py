"""`partition-schedule`: generator presets (spec section 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from shardopt.instances.partition_schedule.devices import (
    TESTBED,
    TIER_NAMES,
    TIERS,
    links,
    node,
)
from shardopt.instances.partition_schedule.llms import LLAMA3_8B, PHI3_MEDIUM, Transformer
from shardopt.instances.presets import require_range
from shardopt.models.errors import InputError
from shardopt.models.partition_schedule.data import (
    Block,
    Instance,
    Link,
    Node,
    Objective,
    Request,
    Tier,
)

MEAN_TOKENS = 576
"""Of requests drawn uniformly from 128 to 1024 tokens."""

TESTBED_REQUESTS = tuple(
    Request(arrival, tokens)
    for arrival, tokens in (
        (0.0, 512),
        (0.05, 1024),
        (0.1, 256),
        (0.15, 512),
        (0.2, 128),
        (0.25, 768),
    )
)


def hyperion_llama3_8b(
    *,
    seed: int | None = None,
    tiers: int = 3,
    nodes: int = 2,
    requests: int = 6,
    load: float = 1.0,
    objective: Objective = "mean-latency",
) -> Instance:
    """Llama3-8B on a fixed testbed of three tiers; with a seed, on drawn devices.

    ``load`` is the work that arrives per second over what all nodes together do in a second.
    The objective ``bottleneck`` is about the first request alone.
    """
    name = "hyperion-llama3-8b"
    return _hyperion(name, LLAMA3_8B, seed, tiers, nodes, requests, load, objective)


def hyperion_phi3_medium(
    *,
    seed: int | None = None,
    tiers: int = 3,
    nodes: int = 2,
    requests: int = 6,
    load: float = 1.0,
    objective: Objective = "mean-latency",
) -> Instance:
    """Phi-3-medium on a fixed testbed of three tiers; with a seed, on drawn devices."""
    name = "hyperion-phi3-medium"
    return _hyperion(name, PHI3_MEDIUM, seed, tiers, nodes, requests, load, objective)


def stress(
    *,
    seed: int = 0,
    blocks: int = 32,
    tiers: int = 3,
    nodes: int = 2,
    requests: int = 8,
    spread: float = 1.0,
    objective: Objective = "mean-latency",
) -> Instance:
    """Equal blocks in abstract units, short of memory, many requests at a time: hard to prove.

    Requests arrive over ``requests / 2 * spread`` seconds.
    """
    rng = _begin(seed, blocks, tiers, nodes, requests)
    require_range("spread", spread, 0, 1e6)
    memory = max(1, int(1.8 * blocks / tiers))
    speeds = rng.uniform(2, 6, (tiers, nodes)).round(4).tolist()
    latencies = rng.uniform(0.1, 0.5, tiers - 1).round(4).tolist()
    tokens = rng.choice([1, 2, 4], requests).tolist()
    arrivals = (spread * rng.uniform(0, requests / 2, requests)).round(4)
    name = f"stress-n{blocks}-t{tiers}-k{nodes}-r{requests}-s{seed}"
    name += f"-spread{spread:g}" if spread != 1 else ""
    made = Instance(
        name=name,
        source="shardopt preset stress",
        blocks=(Block(0.5, 1, 0),) * blocks,
        tiers=tuple(
            _tier(f"t{j + 1}", [(speed, memory) for speed in row]) for j, row in enumerate(speeds)
        ),
        links=tuple(Link(latency, 1.0) for latency in latencies),
        requests=tuple(map(Request, sorted(arrivals.tolist()), tokens)),
        objective="mean-latency",
    )
    return _judged_by(made, objective)


def random(
    *,
    seed: int = 0,
    blocks: int = 12,
    tiers: int = 3,
    nodes: int = 3,
    requests: int = 8,
    objective: Objective = "mean-latency",
) -> Instance:
    """Everything varied: unequal blocks, ties, twin nodes, tight memory, bursts.

    ``nodes`` is the most that a tier has. Numbers lie on coarse grids, so that ties are frequent.
    """
    rng = _begin(seed, blocks, tiers, nodes, requests)
    kinds = [_random_block(rng) for _ in range(int(rng.integers(1, 5)))]
    drawn = tuple(kinds[int(k)] for k in rng.integers(len(kinds), size=blocks))
    made = Instance(
        name=f"random-n{blocks}-t{tiers}-k{nodes}-r{requests}-s{seed}",
        source="shardopt preset random",
        blocks=drawn,
        tiers=_random_tiers(rng, drawn, tiers, nodes),
        links=tuple(
            Link(float(rng.choice([0.0, 0.25, 0.5, 1.0])), float(rng.choice([0.5, 2.0, 8.0])))
            for _ in range(tiers - 1)
        ),
        requests=_random_requests(rng, requests),
        objective="mean-latency",
    )
    return _judged_by(made, objective)


PRESETS: dict[str, Callable[..., Any]] = {
    "hyperion-llama3-8b": hyperion_llama3_8b,
    "hyperion-phi3-medium": hyperion_phi3_medium,
    "stress": stress,
    "random": random,
}


def _begin(seed: int, blocks: int, tiers: int, nodes: int, requests: int) -> np.random.Generator:
    """Check the common parameters; return the generator."""
    require_range("seed", seed, 0, 2**63)
    require_range("blocks", blocks, 1, 10_000)
    require_range("tiers", tiers, 1, 100)
    require_range("nodes", nodes, 1, 10_000)
    require_range("tiers * nodes", tiers * nodes, 1, 10_000)
    require_range("requests", requests, 1, 1_000_000)
    return np.random.default_rng(seed)


def _judged_by(made: Instance, objective: Objective) -> Instance:
    """Return the instance with another objective; `bottleneck` keeps the first request only."""
    if objective == "mean-latency":
        return made
    requests = made.requests[:1] if objective == "bottleneck" else made.requests
    name = f"{made.name}-{objective}"
    return replace(made, name=name, requests=requests, objective=objective)


def _hyperion(
    name: str,
    model: Transformer,
    seed: int | None,
    tiers: int,
    nodes: int,
    requests: int,
    load: float,
    objective: Objective,
) -> Instance:
    """Make the fixed testbed, or with a seed one with drawn devices and requests."""
    if seed is None:
        for option, value, fixed in (
            ("tiers", tiers, 3),
            ("nodes", nodes, 2),
            ("requests", requests, 6),
            ("load", load, 1.0),
        ):
            if value != fixed:
                expected = f"{fixed:g}, or a seed: without one the testbed is fixed"
                raise InputError(f"{value}", expected, option)
        made = _on_testbed(name, model)
    else:
        made = _on_drawn_devices(name, model, seed, tiers, nodes, requests, load)
    return _judged_by(made, objective)


def _on_testbed(name: str, model: Transformer) -> Instance:
    return Instance(
        name=name,
        source=f"shardopt preset {name}: model of arXiv 2511.14450, all else ours",
        blocks=model.blocks(),
        tiers=tuple(
            Tier(tier, tuple(node(tier, k, device) for k, device in enumerate(devices, start=1)))
            for tier, devices in TESTBED.items()
        ),
        links=links(len(TESTBED)),
        requests=TESTBED_REQUESTS,
        objective="mean-latency",
    )


def _on_drawn_devices(
    name: str,
    model: Transformer,
    seed: int,
    tiers: int,
    nodes: int,
    requests: int,
    load: float,
) -> Instance:
    """Draw the devices of each tier, and a Poisson stream of requests.

    Devices, gaps and tokens have generators of their own: another load only stretches the
    arrivals, and more requests only continue the stream.
    """
    _begin(seed, model.layers, tiers, nodes, requests)
    require_range("tiers", tiers, min(TIER_NAMES), max(TIER_NAMES))
    require_range("load", load, 1e-6, 1e6)
    for_devices, for_gaps, for_tokens = np.random.default_rng(seed).spawn(3)
    drawn = tuple(
        Tier(
            tier,
            tuple(
                node(tier, k, str(device))
                for k, device in enumerate(for_devices.choice(TIERS[tier], nodes), start=1)
            ),
        )
        for tier in TIER_NAMES[tiers]
    )
    work = MEAN_TOKENS * sum(block.flops_per_token for block in model.blocks())
    rate = load * sum(k.flops_per_s for tier in drawn for k in tier.nodes) / work
    arrivals = np.cumsum(for_gaps.exponential(size=requests)) / rate
    tokens = for_tokens.integers(128, 1024, size=requests, endpoint=True)
    return Instance(
        name=f"{name}-t{tiers}-k{nodes}-r{requests}-load{load:g}-s{seed}",
        source=f"shardopt preset {name}: model of arXiv 2511.14450, all else ours",
        blocks=model.blocks(),
        tiers=drawn,
        links=links(tiers),
        requests=tuple(map(Request, arrivals.round(6).tolist(), tokens.tolist())),
        objective="mean-latency",
    )


def _tier(name: str, nodes: list[tuple[float, int]]) -> Tier:
    return Tier(
        name, tuple(Node(f"{name}-{k}", *values) for k, values in enumerate(nodes, start=1))
    )


def _random_block(rng: np.random.Generator) -> Block:
    return Block(
        flops_per_token=float(rng.integers(1, 7)) / 2,
        weight_bytes=int(rng.integers(0, 6)),
        activation_bytes_per_token=int(rng.choice([0, 1, 1, 4])),
    )


def _random_tiers(
    rng: np.random.Generator, blocks: tuple[Block, ...], tiers: int, most_nodes: int
) -> tuple[Tier, ...]:
    """Draw nodes; one in three is the twin of the node before it.

    Its memory is 0.6 to 3 times an equal share of the weights, so that some cuts fit nowhere.
    """
    share = sum(block.weight_bytes for block in blocks) / tiers
    made = []
    for j in range(tiers):
        nodes: list[tuple[float, int]] = []
        for _ in range(int(rng.integers(1, most_nodes + 1))):
            if nodes and rng.random() < 1 / 3:
                nodes.append(nodes[-1])
            else:
                memory = max(1, round(share * float(rng.choice([0.6, 1.0, 1.5, 3.0]))))
                nodes.append((float(rng.integers(2, 13)) / 2, memory))
        made.append(_tier(f"t{j + 1}", nodes))
    return tuple(made)


def _random_requests(rng: np.random.Generator, count: int) -> tuple[Request, ...]:
    """Draw requests, half of which arrive together with the one before."""
    requests, now = [], 0.0
    for _ in range(count):
        if rng.random() < 0.5:
            now += float(rng.integers(1, 9)) / 4
        requests.append(Request(now, int(rng.choice([1, 1, 2, 3, 5]))))
    return tuple(requests)
