"""The tables of ``docs/results.md``: ``BENCH_GAPS=200 python benchmarks/results.py [PROBLEM ...]``.

A row says of a preset what the problem's own gap study says of each of its families, and is made
of the same runs: what that study has run is not run again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import block_placement_gaps
import cold_start_gaps
import gap_study
import numpy as np
import partition_schedule_gaps
import replica_clustering_gaps
from gap_study import Draw, Family, Options, Study, excess

from shardopt.models.result import OPTIMALITY_TOLERANCE

MANY_SESSIONS = 100


def _least_rates(n: int) -> Options:
    """Return a least rate for the requests of a fixed testbed: 37 and 100 are coprime."""
    return {"min_tokens_per_s": (1 + 37 * n % 100) / 5}


def _block_placement() -> Study:
    gaps = block_placement_gaps
    return Study("block-placement", gaps.SOLVERS, gaps.FAMILIES)


def _partition_schedule() -> Study:
    gaps = partition_schedule_gaps
    solvers = ("exact", *gaps.BEST_AT_ITS_CUTS, *gaps.ours(), *gaps.FIXED_CUTS)
    return Study(gaps.PROBLEM, solvers, gaps.FAMILIES, kept=("fixed_cuts_bound",))


def _replica_clustering() -> Study:
    """Return the study by size, without other settings of a search, and the other presets."""
    gaps = replica_clustering_gaps
    solvers = [name for name in gaps.SEARCHES if " " not in name]
    others = (
        Family("e2llm-testbed", {"workload": "extended"}, _least_rates),
        Family("e2llm-testbed", {"workload": "custom"}, _least_rates),
        Family("typed", {"types": 4, "devices": 12}),
        Family("typed", {"types": 4, "devices": 24}),
        Family("links", {"devices": 6}),
        Family("links", {"devices": 8}),
    )
    families = (*gaps.FAMILIES, *others)
    return Study("replica-clustering", ("exact", *solvers), families, limit_s=gaps.LIMIT_S)


STUDIES: dict[str, Callable[[], Study]] = {
    "cold-start": lambda: cold_start_gaps.STUDY,
    "block-placement": _block_placement,
    "partition-schedule": _partition_schedule,
    "replica-clustering": _replica_clustering,
}


def _name(family: Family) -> str:
    """Return the row that a family belongs to: its preset, and which half of it."""
    sessions = family.of(0).get("sessions", 0)
    if not family.preset.startswith("bloom-"):
        return f"`{family.preset}`"
    return f"`{family.preset}`, {'many' if sessions >= MANY_SESSIONS else 'few'} sessions"


def table(study: Study, instances: int) -> Iterator[str]:
    """Yield the lines of a Markdown table: a row per preset or half of one, a column per solver."""
    heads = ["preset", "instances", "proven", *(f"`{solver}`" for solver in study.solvers)]
    yield _row(heads)
    yield "|---" * len(heads) + "|"
    draws_of = gap_study.finished(study, instances)
    for name, group in groupby(draws_of, key=lambda pair: _name(pair[0])):
        draws = [draw for _, drawn in group for draw in drawn]
        possible = [draw for draw in draws if not draw.infeasible]
        proven = sum(draw.proven for draw in possible)
        none = len(draws) - len(possible)
        yield _row(
            [
                name,
                f"{len(possible)}" + (f" (and {none} without a plan)" if none else ""),
                f"{proven / max(1, len(possible)):.0%}",
                *(_figures(possible, solver) for solver in study.solvers),
            ]
        )


def _figures(draws: list[Draw], solver: str) -> str:
    """Return how far above the bound of `exact` a solver's plans are: median / p90 / maximum."""
    found = [draw for draw in draws if draw.runs[solver].objective is not None]
    above = [excess(draw.runs[solver].objective, draw.runs["exact"].bound) for draw in found]
    numbers = [value for value in above if value is not None]
    share = "" if len(found) == len(draws) else f" ({len(found)})"
    if not numbers:
        return "-" + share
    figures = (np.median(numbers), np.quantile(numbers, 0.9), max(numbers))
    return " / ".join(_per_cent(float(figure)) for figure in figures) + share


def _per_cent(value: float) -> str:
    if value <= OPTIMALITY_TOLERANCE:
        return "0"
    if value < 0.0005:
        return "<0.1"
    return f"{100 * value:.1f}" if value < 1 else f"{100 * value:.0f}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the tables of the named problems, or of all."""
    for problem in sys.argv[1:] or STUDIES:
        print(f"\n### `{problem}`\n")
        for line in table(STUDIES[problem](), gap_study.instance_count(fast=False)):
            print(line)


if __name__ == "__main__":
    main()
