"""`cold-start`: generator presets (spec sections 8 and 9)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from shardopt.instances.presets import require_range
from shardopt.models.cold_start.data import Block, Device, Instance, Loading

MB, GB, MIB, GIB = 1e6, 1e9, 2.0**20, 2.0**30


@dataclass(frozen=True)
class Transformer:
    """The sizes of one transformer block with grouped-query attention and a gated MLP."""

    hidden: int
    head: int
    query_heads: int
    kv_heads: int
    feed_forward: int
    bytes_per_number: int = 2

    def flops(self, tokens: int) -> int:
        """Return the FLOP of one block on ``tokens`` tokens (arXiv 2508.11287)."""
        t, d, h, hq, hk = tokens, self.hidden, self.head, self.query_heads, self.kv_heads
        return 4 * t * h * (d * hq + d * hk + t * hq) + 6 * t * d * self.feed_forward

    def weight_bytes(self) -> int:
        """Return the bytes of one block's matrices: q and o, k and v, and three of the MLP."""
        attention = 2 * self.hidden * self.head * (self.query_heads + self.kv_heads)
        return self.bytes_per_number * (attention + 3 * self.hidden * self.feed_forward)

    def activation_bytes(self, tokens: int) -> int:
        """Return the bytes handed to the next block."""
        return self.bytes_per_number * tokens * self.hidden

    def block(self, tokens: int) -> Block:
        """Return one block at a request's number of tokens."""
        return Block(self.flops(tokens), self.weight_bytes(), self.activation_bytes(tokens))


QWEN3_14B = Transformer(5120, 128, 40, 8, 17408)
QWEN3_14B_BLOCKS = 40


def csgo_table1(
    *,
    tokens: int = 2048,
    variant: Literal["table", "figure"] = "table",
    loading: Loading = "whole-run",
    seed: int = 0,
) -> Instance:
    """Qwen3-14B on the four edge devices of arXiv 2508.11287, Table 1; nothing is random.

    ``variant="figure"`` uses a2 = 0.50, with which the published plots agree better.
    """
    require_range("tokens", tokens, 1, 1_000_000)
    a2 = 0.7 if variant == "table" else 0.5
    # peak TFLOP/s, a, b per token, load MiB/s, memory GiB, uplink dBm, distance m
    table = [
        (165, 0.4, 5.1e-4, 5000, 20, 20, 1),
        (70, a2, 8.7e-4, 4000, 10, 18, 3),
        (30, 0.8, 1.1e-3, 3000, 8, 15, 5),
        (20, 0.8, 1.8e-3, 2000, 8, 15, 7),
    ]
    devices = tuple(
        Device(
            f"device-{n}",
            peak * 1e12 * a * -math.expm1(-b * tokens),
            disk * MIB,
            memory * GIB,
            _radio_bytes_per_s(power, distance),
            _radio_bytes_per_s(25, distance),
        )
        for n, (peak, a, b, disk, memory, power, distance) in enumerate(table, start=1)
    )
    suffix = "" if variant == "table" else "-figure"
    suffix += "" if loading == "whole-run" else "-layerwise"
    return Instance(
        name=f"csgo-qwen3-14b-t{tokens}{suffix}",
        source="arXiv 2508.11287 Table 1" + (", a2 = 0.50" if variant == "figure" else ""),
        blocks=(QWEN3_14B.block(tokens),) * QWEN3_14B_BLOCKS,
        devices=devices,
        loading=loading,
    )


def _radio_bytes_per_s(power_dbm: float, distance_m: float) -> float:
    """Return the paper's radio rate: mu B log2(1 + P g / (N0 B)), g = beta0 d^-3."""
    mu, bandwidth_hz, noise_dbm_per_hz, beta0_db = 0.5, 160e6, -174.0, -47.2
    power = 10 ** (power_dbm / 10)  # mW, like the noise
    gain = 10 ** (beta0_db / 10) * distance_m**-3
    noise = 10 ** (noise_dbm_per_hz / 10) * bandwidth_hz
    return mu * bandwidth_hz * math.log2(1 + power * gain / noise) / 8


def random_edge(
    *,
    seed: int = 0,
    devices: int = 8,
    blocks: int = 40,
    tokens: int = 1024,
    spread: float = 0.0,
    slack: float = 1.6,
    loading: Loading = "whole-run",
) -> Instance:
    """Random edge devices for a Qwen3-14B-like model; memory is enough in total."""
    rng, name, model = _begin("random-edge", seed, devices, blocks, tokens, spread, slack, loading)
    drawn = _draw_devices(rng, devices)
    total = sum(b.weight_bytes for b in model)
    if sum(d.memory_bytes for d in drawn) < slack * total:
        drawn = _scale_memory(drawn, slack * total)
    return Instance(name, "shardopt preset random-edge", model, drawn, loading)


def tight(
    *,
    seed: int = 0,
    devices: int = 16,
    blocks: int = 80,
    tokens: int = 1024,
    spread: float = 0.0,
    slack: float = 1.15,
    loading: Loading = "whole-run",
) -> Instance:
    """As `random-edge`, but the memory is scaled down to the slack; some have no plan."""
    rng, name, model = _begin("tight", seed, devices, blocks, tokens, spread, slack, loading)
    drawn = _draw_devices(rng, devices)
    total = slack * sum(b.weight_bytes for b in model)
    return Instance(name, "shardopt preset tight", model, _scale_memory(drawn, total), loading)


def typed(
    *,
    seed: int = 0,
    types: int = 4,
    per_type: int = 3,
    blocks: int = 40,
    tokens: int = 1024,
    spread: float = 0.0,
    slack: float = 1.6,
    loading: Loading = "whole-run",
) -> Instance:
    """Several interchangeable devices of each of a few types."""
    require_range("types", types, 1, 1000)
    require_range("per_type", per_type, 1, 1000)
    require_range("types * per_type", types * per_type, 1, 1000)
    rng, name, model = _begin(
        "typed", seed, types * per_type, blocks, tokens, spread, slack, loading
    )
    drawn = tuple(
        replace(device, name=f"{device.name}-{copy}")
        for device in _draw_devices(rng, types)
        for copy in range(1, per_type + 1)
    )
    total = slack * sum(b.weight_bytes for b in model)
    return Instance(
        f"{name}-y{types}",
        "shardopt preset typed",
        model,
        _scale_memory(drawn, total),
        loading,
    )


def homogeneous(
    *,
    seed: int = 0,
    devices: int = 8,
    blocks: int = 40,
    tokens: int = 1024,
    spread: float = 0.0,
    slack: float = 1.6,
    loading: Loading = "whole-run",
) -> Instance:
    """Copies of one device."""
    made = typed(
        seed=seed,
        types=1,
        per_type=devices,
        blocks=blocks,
        tokens=tokens,
        spread=spread,
        slack=slack,
        loading=loading,
    )
    name = made.name.replace("typed", "homogeneous").removesuffix("-y1")
    return replace(made, name=name, source="shardopt preset homogeneous")


PRESETS: dict[str, Callable[..., Any]] = {
    "csgo-table1": csgo_table1,
    "random-edge": random_edge,
    "homogeneous": homogeneous,
    "typed": typed,
    "tight": tight,
}


def _begin(
    preset: str,
    seed: int,
    devices: int,
    blocks: int,
    tokens: int,
    spread: float,
    slack: float,
    loading: Loading,
) -> tuple[np.random.Generator, str, tuple[Block, ...]]:
    """Check the common parameters; return the generator, the instance's name and the blocks."""
    require_range("seed", seed, 0, 2**63)
    require_range("devices", devices, 1, 1000)
    require_range("blocks", blocks, 1, 10_000)
    require_range("tokens", tokens, 1, 1_000_000)
    require_range("spread", spread, 0, 1)
    require_range("slack", slack, 1e-3, 1e6)
    rng = np.random.default_rng(seed)
    name = f"{preset}-k{devices}-l{blocks}-t{tokens}-s{seed}"
    name += f"-spread{spread:g}" if spread else ""
    name += f"-slack{slack:g}" if slack != (1.15 if preset == "tight" else 1.6) else ""
    name += "" if loading == "whole-run" else "-layerwise"
    return rng, name, _draw_blocks(rng, blocks, tokens, spread)


def _draw_blocks(
    rng: np.random.Generator, count: int, tokens: int, spread: float
) -> tuple[Block, ...]:
    """Return blocks of Qwen3-14B, each of the three sizes times its own U(1 - s, 1 + s)."""
    block = QWEN3_14B.block(tokens)
    if not spread:
        return (block,) * count
    factors = rng.uniform(1 - spread, 1 + spread, size=(count, 3))
    sizes = np.array([block.flops, block.weight_bytes, block.activation_bytes])
    return tuple(Block(*(float(round(v)) for v in row)) for row in factors * sizes)


def _draw_devices(rng: np.random.Generator, count: int) -> tuple[Device, ...]:
    """Log-uniform rates: 2..60 TFLOP/s, 0.5..6 GB/s from disk, 20..400 MB/s up and down."""

    def log_uniform(low: float, high: float) -> float:
        return float(round(math.exp(rng.uniform(math.log(low), math.log(high)))))

    return tuple(
        Device(
            f"device-{n}",
            log_uniform(2e12, 60e12),
            log_uniform(0.5 * GB, 6 * GB),
            float(rng.choice([4, 6, 8, 12, 16, 24])) * GB,
            log_uniform(20 * MB, 400 * MB),
            log_uniform(20 * MB, 400 * MB),
        )
        for n in range(1, count + 1)
    )


def _scale_memory(devices: tuple[Device, ...], total_bytes: float) -> tuple[Device, ...]:
    factor = total_bytes / sum(d.memory_bytes for d in devices)
    return tuple(
        replace(d, memory_bytes=float(max(1, round(d.memory_bytes * factor)))) for d in devices
    )
