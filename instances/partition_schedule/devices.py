"""Devices, and which of them stand in which tier, behind which links (spec section 8).

Speeds are the makers' nominal dense FP16 figures; that of agx-orin-64 is a quarter of its quoted
sparse INT8 figure. What a device reaches of them, the tiers and the links are our choice.
"""

from __future__ import annotations

from shardopt.models.partition_schedule.data import Link, Node

REACHED = 0.4
"""Share of the nominal speed that blocks of a transformer run at."""
USABLE = 0.8
"""Share of the memory that weights may take."""

DEVICES: dict[str, tuple[float, int]] = {  # TFLOP/s, GB
    "orin-nano-8": (10, 8),
    "orin-nx-16": (25, 16),
    "agx-orin-32": (50, 32),
    "agx-orin-64": (68.75, 64),
    "rtx-3060": (25.6, 12),
    "rtx-3090": (71, 24),
    "rtx-4090": (165.2, 24),
    "l4": (121, 24),
    "a100-40": (312, 40),
    "a100-80": (312, 80),
}

TIERS: dict[str, tuple[str, ...]] = {
    "device": ("orin-nano-8", "orin-nx-16"),
    "edge": ("orin-nx-16", "agx-orin-32", "agx-orin-64"),
    "fog": ("rtx-3060", "rtx-3090", "rtx-4090"),
    "regional": ("l4", "rtx-4090"),
    "cloud": ("l4", "a100-40", "a100-80"),
}
"""Devices that a tier's nodes are drawn from, tiers in pipeline order."""

TESTBED: dict[str, tuple[str, ...]] = {
    "edge": ("orin-nx-16", "agx-orin-32"),
    "fog": ("rtx-3060", "rtx-3090"),
    "cloud": ("l4", "a100-40"),
}
"""The fixed testbed."""

TIER_NAMES: dict[int, tuple[str, ...]] = {
    2: ("edge", "cloud"),
    3: ("edge", "fog", "cloud"),
    4: ("edge", "fog", "regional", "cloud"),
    5: ("device", "edge", "fog", "regional", "cloud"),
}

_LINKS = (Link(0.002, 50e6), Link(0.005, 125e6), Link(0.01, 625e6), Link(0.02, 1.25e9))
_THREE_TIERS = (Link(0.005, 125e6), Link(0.02, 625e6))


def links(tiers: int) -> tuple[Link, ...]:
    """Return the links between so many tiers."""
    return _THREE_TIERS if tiers == 3 else _LINKS[: tiers - 1]


def node(tier: str, number: int, device: str) -> Node:
    """Return node ``number`` of a tier; its name says which device it is."""
    teraflops, gigabytes = DEVICES[device]
    return Node(
        name=f"{tier}-{number}-{device}",
        flops_per_s=float(round(REACHED * teraflops * 1e12)),
        memory_bytes=round(USABLE * gigabytes * 1e9),
    )
