"""`replica-clustering` online: how fast requests are sent to replicas."""

from __future__ import annotations

from online_speed import speed_table
from rich.table import Table

from shardopt import generate, solve

LOADS = (0.5, 0.9, 1.2)
"""Arrivals by what the replicas can serve."""


def speed(fast: bool) -> Table:
    """Let a million requests join the queues of nine replicas, two of which prefill."""
    instance = generate("replica-clustering", "random-edge", devices=16, seed=2)
    best = solve(instance, "packing-dp")
    count = 10**4 if fast else 10**6
    given = {"solution": best}
    assert best.objective is not None
    rates = [load / best.objective for load in LOADS]
    cases = [(instance, "jsq", rate, count, given) for rate in rates]
    physical = given | {"mode": "physical"}
    return speed_table([*cases, (instance, "jsq", rates[1], count // 10, physical)])
