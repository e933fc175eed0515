"""The gap study of `partition-schedule`: what two stages cost, and what deciding online costs."""

from __future__ import annotations

import itertools
from typing import Any

import gap_study
from gap_study import LIMIT_S, Draw, Family, Options, Run, Study, excess, median_p90_max
from rich.table import Table

from shardopt.models.result import OPTIMALITY_TOLERANCE, relative_gap
from shardopt.solvers.registry import solver_rows

PROBLEM = "partition-schedule"
BEST_AT_ITS_CUTS = {
    "bsdp+arts": "exact@bsdp",
    "arts": "exact@equal",
    "gpipe": "exact@equal",
    "gpipe@bsdp": "exact@bsdp",
    "heft": "exact@equal",
    "heft@bsdp": "exact@bsdp",
}
"""The published heuristics and baselines, and who finds the best schedule under their cuts."""
FIXED_CUTS = ("exact@bsdp", "exact@equal")
LOADS = (0.25, 0.5, 1.0, 2.0, 3.0)


def _loads(n: int) -> Options:
    return {"load": LOADS[n % len(LOADS)]}


MAKESPAN: Options = {"objective": "makespan"}
FAMILIES = (
    Family("hyperion-llama3-8b", {"requests": 6}, _loads),
    Family("hyperion-llama3-8b", {"requests": 6} | MAKESPAN, _loads),
    Family("hyperion-llama3-8b", {"requests": 12, "load": 0.25}),
    Family("hyperion-phi3-medium", {"requests": 6}, _loads),
    Family("hyperion-phi3-medium", {"requests": 6} | MAKESPAN, _loads),
    Family("hyperion-phi3-medium", {"requests": 12, "load": 0.25}),
    Family("stress", {"requests": 5}),
    Family("stress", {"requests": 5} | MAKESPAN),
    Family("random", {"requests": 6}),
    Family("random", {"requests": 6} | MAKESPAN),
)


def ours() -> tuple[str, ...]:
    """Return the heuristics that choose cuts of their own, in the registry's order."""
    others = {*BEST_AT_ITS_CUTS, *FIXED_CUTS, "fixed-cuts/cp-sat"}
    rows = [row for row in solver_rows(PROBLEM) if row.kind in ("heuristic", "online")]
    return tuple(row.name for row in rows if row.name not in others)


def above(draw: Draw, solver: str) -> float | None:
    """Return how far a plan is above the bound of `exact`, relative to that bound."""
    return excess(draw.runs[solver].objective, draw.runs["exact"].bound)


def price_of_two_stages(draw: Draw, solver: str) -> float | None:
    """Return what a solver's cuts cost, whatever is done with them, where both are proven."""
    best = draw.runs[BEST_AT_ITS_CUTS[solver]]
    if not draw.proven or not _proven_for_its_cuts(best):
        return None
    return excess(best.objective, draw.runs["exact"].objective)


def price_of_being_online(draw: Draw, solver: str) -> float | None:
    """Return what a solver's choice of nodes costs, where the best at its cuts is proven."""
    best = draw.runs[BEST_AT_ITS_CUTS[solver]]
    if not _proven_for_its_cuts(best):
        return None
    return excess(draw.runs[solver].objective, best.objective)


def _proven_for_its_cuts(run: Run) -> bool:
    """Say whether no schedule under the same cuts is better."""
    bound = run.extra["fixed_cuts_bound"]
    if run.objective is None or bound is None:
        return False
    return relative_gap(run.objective, bound) <= OPTIMALITY_TOLERANCE


def gap_table(instances: int) -> Table:
    """Return how far every heuristic is above the optimum, or above the bound, per family."""
    solvers = (*BEST_AT_ITS_CUTS, *ours())
    draws = _study(instances)
    table = gap_study.gap_table(draws, solvers, above, "above")
    table.caption = f"""\
value / optimum - 1 where `exact` proves the optimum in {LIMIT_S:g} s on one thread, and
value / bound - 1 with its bound everywhere. found: of instances not proven infeasible.
{gap_study.faulty(draws)} runs had faults. The worst is the farthest above the optimum if any is
proven, else above the bound. To make it: shardopt generate partition-schedule --preset, and what
the first and the last column say."""
    return table


def price_table(instances: int) -> Table:
    """Return the gaps of two stages as the product of their two prices, per family."""
    table = Table(title_justify="left", caption_justify="left")
    for heading in ("family", "solver"):
        table.add_column(heading, no_wrap=True)
    headings = [
        heading
        for part in ("two stages", "being online", "both")
        for heading in (f"{part}:\nmedian", "\np90", "\nmax")
    ]
    for heading in ("proven", *headings):
        table.add_column(heading, justify="right", no_wrap=True)
    for family, draws in _study(instances):
        for solver, head in itertools.zip_longest(BEST_AT_ITS_CUTS, family.heads, fillvalue=""):
            table.add_row(head, solver, *_prices(draws, solver))
        table.add_section()
    table.caption = """\
two stages: the best schedule under the solver's cuts / optimum - 1, the cuts being BSDP's
(bsdp+arts, ..@bsdp) or equal ones; being online: the solver's value / that best - 1; over the
instances where both are proven and the solver found a plan. Instance by instance,
1 + both = (1 + two stages) (1 + being online). heft knows the future: its second factor is
what its rule costs, and not what not knowing costs."""
    return table


def _prices(draws: list[Draw], solver: str) -> list[Any]:
    split = [
        (two_stages, online, (1 + two_stages) * (1 + online) - 1)
        for draw in draws
        if (two_stages := price_of_two_stages(draw, solver)) is not None
        and (online := price_of_being_online(draw, solver)) is not None
    ]
    columns = list(zip(*split, strict=True)) or [(), (), ()]
    figures = [figure for column in columns for figure in median_p90_max(column)]
    return [f"{len(split)}/{len(draws)}", *figures]


def _study(instances: int) -> list[tuple[Family, list[Draw]]]:
    solvers = ("exact", *FIXED_CUTS, *BEST_AT_ITS_CUTS, *ours())
    study = Study(PROBLEM, solvers, FAMILIES, kept=("fixed_cuts_bound",))
    return gap_study.finished(study, instances)
