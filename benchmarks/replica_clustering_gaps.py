"""The gap study of `replica-clustering`: how far searches are from the optimum, by cluster size."""

from __future__ import annotations

import os

import gap_study
import numpy as np
from gap_study import Draw, Family, Study, excess
from rich.table import Table

SIZES = range(6, 21, 2)
WITHIN = 0.01
"""A plan so near to the optimum is counted as good."""
LIMIT_S = 60.0

SETTINGS: dict[str, gap_study.Options] = {
    "ga 50x100": {"population": 50, "generations": 100, "elite": 5},
    "ga best-batch": {"batch_rule": "best"},
    "splitwise best": {"role_count": "best"},
}
SEARCHES = (
    "ga",
    "ga 50x100",
    "ga best-batch",
    "packing-search",
    "splitwise",
    "splitwise best",
    "two-pipelines",
)
FAMILIES = tuple(Family("random-edge", {"devices": size}) for size in SIZES)


def gap_table(fast: bool) -> Table:
    """Run what has not been run, and return how far above the optimum every search ends."""
    seeds = 4 if fast else int(os.environ.get("BENCH_SEEDS", "40"))
    families = FAMILIES[::3] if fast else FAMILIES
    solvers = ("exact", *SEARCHES)
    study = Study("replica-clustering", solvers, families, (), SETTINGS, LIMIT_S)
    draws_of = gap_study.finished(study, seeds * len(families))
    table = Table(title_justify="left", caption_justify="left")
    for heading in ("devices", "solver"):
        table.add_column(heading, no_wrap=True)
    headings = ("found", "mean", "median", "p90", "max", f"within {WITHIN:.0%}", "median s")
    for heading in (*headings, "worst seed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for family, draws in draws_of:
        _add_size(table, family, [draw for draw in draws if not draw.infeasible])
    proven = sum(d.proven or d.infeasible for _, draws in draws_of for d in draws)
    table.caption = f"""\
random-edge, {seeds} seeds per size: value / bound - 1, one thread, at most {LIMIT_S:g} s a run.
The bound is what `exact` proves, in {proven} of {seeds * len(families)} instances the optimum or
that there is none. found: of instances not proven infeasible; all figures are of plans found.
{gap_study.faulty(draws_of)} runs had faults."""
    return table


def _add_size(table: Table, family: Family, draws: list[Draw]) -> None:
    proven = sum(draw.proven for draw in draws)
    heads = {0: str(family.options["devices"]), 1: f"{proven}/{len(draws)} proven"}
    for n, solver in enumerate(("exact", *SEARCHES)):
        found = [d for d in draws if d.runs[solver].objective is not None]
        gaps = [_above(draw, solver) for draw in found]
        figures = ["-"] * 5
        if gaps:
            measures = (np.mean(gaps), np.median(gaps), np.quantile(gaps, 0.9), max(gaps))
            good = sum(gap <= WITHIN for gap in gaps) / len(gaps)
            figures = [*(f"{float(m):.2%}" for m in measures), f"{good:.0%}"]
        worst = max(found, key=lambda d: _above(d, solver), default=None)
        table.add_row(
            heads.get(n, ""),
            solver,
            f"{len(found)}/{len(draws)}",
            *figures,
            f"{np.median([d.runs[solver].runtime_s for d in draws]):.3f}",
            str(worst.number) if worst and _above(worst, solver) > WITHIN else "",
        )
    table.add_section()


def _above(draw: Draw, solver: str) -> float:
    """Return how far a plan is above the bound of `exact`, the optimum where that is proven."""
    above = excess(draw.runs[solver].objective, draw.runs["exact"].bound)
    return float("inf") if above is None else above
