"""`replica-clustering`: generator presets (spec sections 9 and 10)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from shardopt.instances.presets import require_range
from shardopt.instances.replica_clustering.devices import (
    BLOCKS,
    GB,
    LAN,
    MB,
    TESTBED,
    gpt_oss_20b,
    roofline,
)
from shardopt.instances.replica_clustering.schema import MAX_BATCH, MAX_BLOCKS, MAX_DEVICES
from shardopt.models.replica_clustering.data import Device, Instance, Links, Workload

PAPER = "arXiv 2606.03770"
MEAN_TOKENS = {"extended": (576.0, 588.0), "custom": (2284.0, 1004.0)}
"""Input and output tokens of the published workloads."""
USABLE = 0.9
"""Share of a random device's memory that weights and cache may take."""
MEMORIES_GB = (6, 8, 12, 16, 24, 32)
RANDOM_MAX_BATCH = 16


def e2llm_testbed(
    *,
    workload: Literal["extended", "custom"] = "extended",
    min_tokens_per_s: float = 15.0,
    max_batch: int = 16,
    period: float = 0.5,
    seed: int = 0,
) -> Instance:
    """gpt-oss-20b on the seven devices of arXiv 2606.03770, speeds ours; nothing is random."""
    require_range("min_tokens_per_s", min_tokens_per_s, 0, 1e9)
    require_range("max_batch", max_batch, 1, MAX_BATCH)
    require_range("period", period, 1e-9, 1e9)
    require_range("seed", seed, 0, 2**63)
    asked = Workload(
        *MEAN_TOKENS[workload],
        arrival_period_s=period,
        min_tokens_per_s=min_tokens_per_s,
        max_batch=max_batch,
    )
    name = f"e2llm-testbed-{workload}"
    name += f"-rate{min_tokens_per_s:g}" if min_tokens_per_s != 15.0 else ""
    name += f"-batch{max_batch}" if max_batch != 16 else ""
    name += f"-period{period:g}" if period != 0.5 else ""
    return Instance(
        name=name,
        source=f"{PAPER} Table II; speeds by a roofline of ours",
        model=gpt_oss_20b(),
        devices=tuple(
            roofline(device, bandwidth * GB, peak * 1e12, memory * GB, asked)
            for device, bandwidth, peak, memory in TESTBED
        ),
        link=LAN,
        links=None,
        workload=asked,
    )


def random_edge(
    *, seed: int = 0, devices: int = 8, memory: float = 1.0, blocks: int = BLOCKS
) -> Instance:
    """Random devices on a uniform LAN; ``memory`` scales what each of them has."""
    return _random("random-edge", seed, devices, devices, memory, blocks)[0]


def typed(
    *,
    seed: int = 0,
    types: int = 4,
    devices: int = 12,
    memory: float = 1.0,
    blocks: int = BLOCKS,
) -> Instance:
    """As `random-edge`, but device k is a copy of draw k mod ``types``."""
    require_range("types", types, 1, MAX_DEVICES)
    made, _ = _random("typed", seed, types, devices, memory, blocks)
    return replace(made, name=f"{made.name}-y{types}")


def links(
    *, seed: int = 0, devices: int = 6, memory: float = 1.0, blocks: int = BLOCKS
) -> Instance:
    """As `random-edge`, but every pair of devices has a bandwidth and a latency of its own."""
    made, rng = _random("links", seed, devices, devices, memory, blocks)
    return replace(
        made,
        link=None,
        links=Links(
            bytes_per_s=_matrix(rng, devices, 5 * MB, 120 * MB),
            latency_s=_matrix(rng, devices, 0.0002, 0.005),
        ),
    )


PRESETS: dict[str, Callable[..., Any]] = {
    "e2llm-testbed": e2llm_testbed,
    "random-edge": random_edge,
    "typed": typed,
    "links": links,
}


def _random(
    preset: str, seed: int, draws: int, devices: int, memory: float, blocks: int
) -> tuple[Instance, np.random.Generator]:
    """Return an instance with copies of ``draws`` random devices, and the generator after it."""
    require_range("seed", seed, 0, 2**63)
    require_range("devices", devices, 1, MAX_DEVICES)
    require_range("memory", memory, 1e-3, 1e3)
    require_range("blocks", blocks, 1, MAX_BLOCKS)
    rng = np.random.default_rng(seed)
    asked = Workload(
        input_tokens=float(rng.integers(200, 2500, endpoint=True)),
        output_tokens=float(rng.integers(200, 1200, endpoint=True)),
        arrival_period_s=1.0,
        min_tokens_per_s=float(rng.choice([3, 5, 7])),
        max_batch=RANDOM_MAX_BATCH,
    )
    drawn = [_draw_device(rng, memory, asked) for _ in range(draws)]
    name = f"{preset}-m{devices}-s{seed}"
    name += f"-memory{memory:g}" if memory != 1.0 else ""
    name += f"-l{blocks}" if blocks != BLOCKS else ""
    made = Instance(
        name=name,
        source=f"shardopt preset {preset}",
        model=gpt_oss_20b(blocks),
        devices=tuple(replace(drawn[k % draws], name=f"d{k + 1}") for k in range(devices)),
        link=LAN,
        links=None,
        workload=asked,
    )
    return made, rng


def _draw_device(rng: np.random.Generator, memory: float, asked: Workload) -> Device:
    bandwidth = _log_uniform(rng, 50 * GB, 700 * GB)
    peak = bandwidth * _log_uniform(rng, 16, 100)
    memory_bytes = round(memory * USABLE * float(rng.choice(MEMORIES_GB)) * GB)
    return roofline("drawn", bandwidth, peak, float(memory_bytes), asked)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _matrix(
    rng: np.random.Generator, size: int, low: float, high: float
) -> tuple[tuple[float, ...], ...]:
    """Return numbers for every ordered pair, log-uniform, with zeros on the diagonal."""
    return tuple(
        tuple(0.0 if i == j else _log_uniform(rng, low, high) for j in range(size))
        for i in range(size)
    )
