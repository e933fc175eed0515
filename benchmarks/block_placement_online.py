"""`block-placement` online: the published simulation drawn anew, and how fast ours is.

``BENCH_TOPOLOGIES=FOLDER`` takes the original graphs, ``bellcanada`` and ``gtsce`` with the
ending ``.json`` or ``.graph``; otherwise generated ones of the same size and range of delays.
``BENCH_DRAWS=N`` sets how many testbeds are drawn.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from shardopt import generate, simulate

NETWORKS = ("bellcanada", "gtsce")
SETTINGS = ((0.1, 64), (0.1, 128), (0.5, 64), (0.5, 128))
"""Sessions per second, and tokens of an answer."""
CONSTANTS = {"session_delay": 0.07, "allocation_delay": "petals=350,ws-rr=60"}
PUBLISHED = {
    ("bellcanada", "ws-rr"): (1.41, 0.92, 1.41, 0.92),
    ("bellcanada", "petals"): (6.03, 3.49, 6.19, 3.41),
    ("gtsce", "ws-rr"): (1.41, 0.91, 1.40, 0.91),
    ("gtsce", "petals"): (6.12, 3.47, 5.97, 3.37),
}
"""Mean seconds per token by setting: arXiv 2512.21884, 26 servers, 50 sessions."""


def reproduction(fast: bool) -> Table:
    """Draw the published testbeds anew, with and without the constants per session."""
    draws = int(os.environ.get("BENCH_DRAWS", "10" if fast else "60"))
    table = Table(title=f"seconds per token over {draws} drawn testbeds (± standard error)")
    for heading in ("network", "rate/tokens", "policy", "published", "with constants", "without"):
        table.add_column(heading)
    for network in NETWORKS:
        for n, setting in enumerate(SETTINGS):
            runs = [_draw(network, setting, seed) for seed in range(draws)]
            for policy in ("ws-rr", "petals"):
                both = [run[policy]["per_token_s"] for run in runs]
                free = [run[policy]["without_delays"]["per_token_s"] for run in runs]
                published = f"{PUBLISHED[network, policy][n]:.2f}"
                name = f"{setting[0]:g}/{setting[1]}"
                table.add_row(network, name, policy, published, _mean(both), _mean(free))
    return table


def speed(fast: bool) -> Table:
    """Simulate a million sessions lightly loaded, and a hundred thousand in overload."""
    table = Table(title="sessions per second")
    for heading in ("instance", "policy", "rate", "sessions", "s", "per s", "peak MiB"):
        table.add_column(heading)
    nine, many = generate("block-placement", "bloom-clustered-9"), _network("bellcanada", 128, 0)
    cases = (
        *((nine, "ws-rr", 0.1, 10**6), (many, "ws-rr", 0.1, 10**6)),
        *((nine, "ws-rr", 0.45, 10**5), (nine, "petals", 0.1, 10**6)),
    )
    for instance, policy, rate, usual_count in cases:
        count = usual_count // 100 if fast else usual_count
        began = time.perf_counter()
        simulate(instance, policy, arrivals=f"poisson:{rate}", requests=count, design_sessions="35")
        took = time.perf_counter() - began
        unit = 2**20 if sys.platform == "darwin" else 2**10
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        row = (
            instance.name,
            policy,
            rate,
            count,
            f"{took:.1f}",
            f"{count / took:.0f}",
            f"{peak:.0f}",
        )
        table.add_row(*map(str, row))
    return table


def _draw(network: str, setting: tuple[float, int], seed: int) -> dict[str, Any]:
    rate, tokens = setting
    arrivals = {"arrivals": f"poisson:{rate}", "requests": 50, "seed": seed}
    instance = _network(network, tokens, seed)
    found: dict[str, Any] = simulate(instance, "ws-rr,petals", **arrivals, **CONSTANTS)["policies"]
    return found


def _network(network: str, tokens: int, seed: int) -> Any:
    options: dict[str, Any] = {"a100_gb": 84.973, "mig_gb": 10.2, "output_tokens": tokens}
    folder = os.environ.get("BENCH_TOPOLOGIES")
    if folder is not None:
        options["topology"] = str(next(Path(folder).glob(f"*{network}.*")))
    return generate("block-placement", f"bloom-{network}-26", seed=seed, **options)


def _mean(values: list[float]) -> str:
    error = np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):.3f} ± {error:.3f}"
