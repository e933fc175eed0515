"""`block-placement` online: the published simulation drawn anew, hindsight, and speed.

``BENCH_TOPOLOGIES=FOLDER`` takes the original graphs, ``abvt``, ``bellcanada`` and ``gtsce`` with
the ending ``.json`` or ``.graph``; otherwise generated ones of the same size and range of delays.
``BENCH_DRAWS=N`` sets how many testbeds are drawn.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from online_speed import speed_table
from rich.table import Table

from shardopt import generate, simulate, solve

SETTINGS = ((0.1, 64), (0.1, 128), (0.5, 64), (0.5, 128))
"""Sessions per second, and tokens of an answer."""
POLICIES = ("ws-rr", "petals")


@dataclass(frozen=True)
class Published:
    """A published simulation: its testbed, its constants, and its mean seconds per token.

    ``means`` by policy and setting; several where the client may have been in several places.
    """

    what: str
    preset: str
    options: dict[str, Any]
    requests: int
    petals_delay_s: float
    means: dict[str, tuple[str, ...]]


def _many(what: str, network: str, **means: tuple[str, ...]) -> Published:
    options = {"a100_gb": 84.973, "mig_gb": 10.2}
    named = dict(zip(POLICIES, (means["ws_rr"], means["petals"]), strict=True))
    return Published(what, f"bloom-{network}-26", options, 50, 350, named)


def _few(what: str, preset: str, options: dict[str, Any], **means: tuple[str, ...]) -> Published:
    named = dict(zip(POLICIES, (means["ws_rr"], means["petals"]), strict=True))
    return Published(what, preset, options, 100, 250, named)


REPRODUCED = (
    _many(
        "BellCanada",
        "bellcanada",
        ws_rr=("1.41", "0.92", "1.41", "0.92"),
        petals=("6.03", "3.49", "6.19", "3.41"),
    ),
    _many(
        "GTS-CE",
        "gtsce",
        ws_rr=("1.41", "0.91", "1.40", "0.91"),
        petals=("6.12", "3.47", "5.97", "3.37"),
    ),
)
"""arXiv 2512.21884, 26 servers: our means are the published ones."""
_ABOVENET: dict[str, tuple[str, ...]] = {
    "ws_rr": ("1.63", "1.36", "1.83", "1.05"),
    "petals": ("4.75", "3.88", "5.11", "4.10"),
}
NOT_REPRODUCED = (
    *(
        _few(
            f"AboveNet, {a100:g}/{mig:g} GB",
            "bloom-abvt-9",
            {"a100_gb": a100, "mig_gb": mig},
            **_ABOVENET,
        )
        for a100, mig in ((79.13, 8.2), (86.13, 9.1))
    ),
    _few(
        "clustered (clients 0, 1, 2)",
        "bloom-clustered-9",
        {"overheads": "clustered"},
        ws_rr=("1.59, 1.65, 1.59", "0.92, 0.83, 0.92") * 2,
        petals=("5.33, 5.17, 4.85", "4.74, 4.58, 4.07") * 2,
    ),
)
"""The same, 9 servers: memory and number of sessions are not stated; no tuning until they fit."""


def reproduction(fast: bool) -> Table:
    """Draw the published testbeds of 26 servers anew, with and without the constants."""
    return _drawn_anew(REPRODUCED, fast)


def not_reproduced(fast: bool) -> Table:
    """Draw the published testbeds of nine servers, whose figures ours do not meet."""
    return _drawn_anew(NOT_REPRODUCED, fast)


def _drawn_anew(tables: Sequence[Published], fast: bool) -> Table:
    draws = int(os.environ.get("BENCH_DRAWS", "10" if fast else "60"))
    table = Table(title=f"seconds per token over {draws} draws (± standard error)")
    headings = ("testbed", "rate/tokens", "policy", "published", "with constants", "without")
    for heading in headings:
        table.add_column(heading)
    for published in tables:
        for n, setting in enumerate(SETTINGS):
            runs = [_draw(published, setting, seed) for seed in range(draws)]
            for policy in POLICIES:
                both = [run[policy]["per_token_s"] for run in runs]
                free = [run[policy]["without_delays"]["per_token_s"] for run in runs]
                name = f"{setting[0]:g}/{setting[1]}"
                means = published.means[policy][n]
                table.add_row(published.what, name, policy, means, _mean(both), _mean(free))
    return table


def speed(fast: bool) -> Table:
    """Simulate a million sessions lightly loaded, and a hundred thousand in overload."""
    nine, many = (
        generate("block-placement", name) for name in ("bloom-clustered-9", "bloom-bellcanada-26")
    )
    cases = (
        *((nine, "ws-rr", 0.1, 10**6), (many, "ws-rr", 0.1, 10**6)),
        *((nine, "ws-rr", 0.55, 10**5), (nine, "petals", 0.1, 10**6)),
    )
    return speed_table(
        (bed, policy, rate, count // 100 if fast else count, {"design_sessions": "35"})
        for bed, policy, rate, count in cases
    )


CROWDS = ((0.5, 8, 30), (0.5, 8, 60), (1.0, 20, 60), (2.0, 35, 60))
"""Sessions per second, for how many is placed, and how many come: more than fit."""


def crowds(fast: bool) -> Table:
    """Let few sessions crowd on nine servers, beside what could be done with hindsight."""
    table = Table(title="mean session time, s, one placement for all; without back-off")
    names = ("clairvoyant", "ws-rr", "optimized-rr", "petals")
    for heading in ("rate", "|R|", "sessions", *names, "bound", "gap", "took s"):
        table.add_column(heading)
    nine = generate("block-placement", "bloom-clustered-9")
    for rate, design, count in CROWDS[:1] if fast else CROWDS:
        placed = solve(nine, "cg-bp", design_sessions=design)
        began = time.perf_counter()
        found = simulate(
            nine,
            names,
            arrivals=f"poisson:{rate:g}",
            requests=count,
            solution=placed,
            no_backoff=True,
        )["policies"]
        took = time.perf_counter() - began
        means = [f"{found[name]['session_mean_s']:.2f}" for name in names]
        bound, gap = (found["clairvoyant"][key] for key in ("bound", "gap"))
        row = (rate, design, count, *means, f"{bound:.2f}", f"{gap:.2%}", f"{took:.0f}")
        table.add_row(*map(str, row))
    return table


def _draw(published: Published, setting: tuple[float, int], seed: int) -> dict[str, Any]:
    rate, tokens = setting
    testbed = {"seed": seed, "output_tokens": tokens, **published.options}
    found: dict[str, Any] = simulate(
        generate("block-placement", published.preset, **testbed, **_topology(published.preset)),
        POLICIES,
        arrivals=f"poisson:{rate}",
        requests=published.requests,
        seed=seed,
        session_delay=0.07,
        allocation_delay=f"petals={published.petals_delay_s:g},ws-rr=60",
    )["policies"]
    return found


def _topology(preset: str) -> dict[str, str]:
    """Return the file with the original graph of a preset, if there is one."""
    folder, network = os.environ.get("BENCH_TOPOLOGIES"), preset.split("-")[1]
    if folder is None:
        return {}
    names = [path for end in ("json", "graph") for path in Path(folder).glob(f"*{network}.{end}")]
    return {"topology": str(names[0])} if names else {}


def _mean(values: list[float]) -> str:
    error = np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):.3f} ± {error:.3f}"
