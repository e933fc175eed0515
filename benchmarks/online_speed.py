"""How many requests per second a problem's online side simulates, and in how much memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable
from typing import Any

from rich.table import Table

from shardopt import simulate

UNIT = 2**20 if sys.platform == "darwin" else 2**10
"""What ``ru_maxrss`` counts in, by MiB."""


def speed_table(cases: Iterable[tuple[Any, str, float, int, dict[str, Any]]]) -> Table:
    """Return a row for each (instance, policy, requests per second, requests, options)."""
    table = Table(title="simulated requests per second; target: a million in 60 s and 1 GiB")
    for heading in ("instance", "policy", "rate", "busiest", "requests", "s", "CPU s", "per s"):
        table.add_column(heading)
    table.add_column("peak MiB so far")
    for instance, policy, rate, count, options in cases:
        began, worked = time.perf_counter(), time.process_time()
        made = simulate(instance, policy, arrivals=f"poisson:{rate}", requests=count, **options)
        took, worked = time.perf_counter() - began, time.process_time() - worked
        busiest = max(made["policies"][policy]["utilisation"].values())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT
        table.add_row(
            *(instance.name, policy, f"{rate:.4g}", f"{busiest:.2f}", str(count)),
            *(f"{took:.1f}", f"{worked:.1f}", f"{count / worked:.0f}", f"{peak:.0f}"),
        )
    return table
