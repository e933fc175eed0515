"""The gap study of `cold-start`: how far rules and a search are from the optimum."""

from __future__ import annotations

import gap_study
from gap_study import LIMIT_S, Draw, Family, Options, Study, excess
from rich.table import Table

HEURISTICS = ("harmonic", "even", "order-search")
TOKENS = (256, 1024, 4096)


def _prompts(n: int) -> Options:
    """Return prompts of 256 to 8,192 tokens, as published: 37 and 100 have no common factor."""
    return {"tokens": round(256 * 32 ** (37 * n % 100 / 99))}


def _tokens(n: int) -> Options:
    return {"tokens": TOKENS[n % len(TOKENS)]}


SMALL: Options = {"devices": 8, "blocks": 40}
LARGE: Options = {"devices": 16, "blocks": 80}
LAYERWISE: Options = {"loading": "layerwise"}
FAMILIES = (
    Family("csgo-table1", {}, _prompts),
    Family("csgo-table1", LAYERWISE, _prompts),
    Family("random-edge", {}, _tokens),
    Family("random-edge", LAYERWISE, _tokens),
    Family("random-edge", LARGE, _tokens),
    Family("random-edge", LARGE | LAYERWISE, _tokens),
    Family("homogeneous", {}, _tokens),
    Family("homogeneous", LAYERWISE, _tokens),
    Family("typed", {}, _tokens),
    Family("typed", LAYERWISE, _tokens),
    Family("tight", SMALL, _tokens),
    Family("tight", SMALL | LAYERWISE, _tokens),
    Family("tight", {}, _tokens),
    Family("tight", LAYERWISE, _tokens),
)
STUDY = Study("cold-start", ("exact", *HEURISTICS), FAMILIES)


def above(draw: Draw, solver: str) -> float | None:
    """Return how far a plan is above the bound of `exact`, the optimum where that is proven."""
    return excess(draw.runs[solver].objective, draw.runs["exact"].bound)


def gap_table(instances: int) -> Table:
    """Run what has not been run, and return how far every heuristic is above the optimum."""
    draws = gap_study.finished(STUDY, instances)
    table = gap_study.gap_table(draws, STUDY.solvers, above, "above")
    table.caption = f"""\
value / optimum - 1 where `exact` proves the optimum in {LIMIT_S:g} s on one thread, and
value / bound - 1 with its bound everywhere. found: of instances not proven infeasible.
{gap_study.faulty(draws)} runs had faults. The worst is the farthest above the optimum if any is
proven, else above the bound. To make it: shardopt generate cold-start --preset, and what the
first and the last column say."""
    return table
