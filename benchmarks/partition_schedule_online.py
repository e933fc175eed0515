"""`partition-schedule` online: how fast requests are dispatched."""

from __future__ import annotations

from online_speed import speed_table
from rich.table import Table

from shardopt import generate

CASES = (("arts", 20.0), ("arts", 140.0), ("least-work", 100.0), ("random", 20.0))
"""Policies and requests per second; the slowest tier can serve 170."""


def speed(fast: bool) -> Table:
    """Let a million requests cross three tiers of ten nodes."""
    instance = generate("partition-schedule", "hyperion-llama3-8b", seed=0, nodes=10, requests=1000)
    count = 10**4 if fast else 10**6
    return speed_table((instance, policy, rate, count, {}) for policy, rate in CASES)
