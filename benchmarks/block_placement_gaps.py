"""The gap study of `block-placement`: how far heuristics are from what `exact` proves."""

from __future__ import annotations

import gap_study
from gap_study import LIMIT_S, Draw, Family, Study
from rich.table import Table

from shardopt.models.result import OPTIMALITY_TOLERANCE, relative_gap

SOLVERS = (
    "exact",
    "cg-bp",
    "cg-bp-sweep",
    "placement-search",
    "petals",
    "petals-optimized-order",
    "petals-optimized-number",
    "petals-optimized-routing",
)
SMALL = {"servers": 8, "blocks": 16, "sessions": 20}

# 37 and 21 have no factor in common with 110 and 55: every number of sessions comes once before
# one comes twice.
FAMILIES = (
    Family("bloom-clustered-9", {}, lambda n: {"sessions": 1 + 37 * n % 110}),
    Family("bloom-clustered-9", {}, lambda n: {"sessions": 111 + 21 * n % 55}),
    Family("bloom-abvt-9", {"sessions": 20}),
    Family("bloom-abvt-9", {"sessions": 150}),
    Family("bloom-bellcanada-26", {"sessions": 50}),
    Family("bloom-bellcanada-26", {"sessions": 150}),
    Family("bloom-bellcanada-26", {"sessions": 150, "cost": "session"}),
    Family("bloom-gtsce-26", {"sessions": 50}),
    Family("bloom-gtsce-26", {"sessions": 150}),
    Family("bloom-gtsce-60", {"sessions": 50}),
    Family("bloom-gtsce-60", {"sessions": 150}),
    Family("random-loose"),
    Family("random-loose", SMALL),
    Family("random-tight"),
    Family("random-tight", SMALL),
    Family("multi-client"),
    Family("multi-client", SMALL),
    Family("typed"),
    Family("witness", {}, lambda n: {"blocks": 2 + n % 6, "rtt_s": round(1 / (1 + n // 6), 3)}),
)


def gap(draw: Draw, solver: str) -> float | None:
    """Return the gap to the bound of `exact`, which is the optimum where that is proven."""
    objective, bound = draw.runs[solver].objective, draw.runs["exact"].bound
    if objective is None or bound is None:
        return None
    gap = relative_gap(objective, bound)
    if objective < bound and gap > OPTIMALITY_TOLERANCE:
        raise ValueError(f"{solver} is below the bound: {draw.runs}")
    return gap


def gap_table(instances: int) -> Table:
    """Run what has not been run, and return the gaps of every solver in every family."""
    draws = gap_study.finished(Study("block-placement", SOLVERS, FAMILIES), instances)
    table = gap_study.gap_table(draws, SOLVERS, gap, "to")
    faulty = gap_study.faulty(draws)
    table.caption = f"""\
Gaps of the plans found: to the optimum where `exact` proves it in {LIMIT_S:g} s on one thread,
and to its bound everywhere. found: of instances not proven infeasible. {faulty} runs had faults.
The worst has the largest gap to the optimum if any is proven, else to the bound. To make it:
shardopt generate block-placement --preset, and what the first and the last column say.
PETALS' servers join in an order drawn with the instance's seed."""
    return table
