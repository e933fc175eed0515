"""The columns of a report's tables: what they are called, and what they mean in a sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of the summary: its name in the table, its heading and how its numbers read.

    An estimate has its interval beside it.
    """

    name: str
    label: str
    reading: str
    meaning: str
    estimate: bool = False


SUMMARY_COLUMNS = (
    Column("kind", "kind", "text", "exact, heuristic or online"),
    Column("instances", "n", "number", "Instances that the solver was run on."),
    Column("runs", "runs", "number", "Instances times seeds."),
    Column(
        "solved",
        "solved",
        "number",
        "Runs of an exact method that proved an optimum, or that there is no plan; runs of a "
        "heuristic that ended by themselves with a plan.",
    ),
    Column("timed out", "timed out", "number", "Runs that the time limit ended."),
    Column(
        "unsolved",
        "unsolved",
        "number",
        "Runs that ended by themselves without the proof, or the plan, that they owe.",
    ),
    Column("failed", "failed", "number", "Runs that crashed, hung, or ran out of memory."),
    Column(
        "invalid", "invalid", "number", "Runs whose plan the checker refused, or values otherwise."
    ),
    Column(
        "gap_to_bound_median",
        "gap to bound, median",
        "percent",
        "Against the best bound that any run has proven, the optimum where that is known.",
        estimate=True,
    ),
    Column(
        "gap_to_bound_p90",
        "gap to bound, p90",
        "percent",
        "The gap to the bound that a tenth of the instances exceed.",
        estimate=True,
    ),
    Column("gap_to_bound_max", "gap to bound, max", "percent", "The largest gap to the bound."),
    Column("measured", "n of gaps", "number", "Instances on which the gap to the bound exists."),
    Column(
        "gap_to_best_known_median",
        "gap to best known, median",
        "percent",
        "Against the best plan known, whether from this study or from elsewhere.",
        estimate=True,
    ),
    Column(
        "wins",
        "wins",
        "number",
        "Instances on which no other compared solver has a better plan; ties count for all.",
    ),
    Column(
        "time_s",
        "time",
        "seconds",
        "Shifted geometric mean, shift 10 s; a run cut short or broken counts with its limit.",
        estimate=True,
    ),
    Column(
        "par10_s",
        "PAR10",
        "seconds",
        "Mean time; a run that is not solved counts as ten times its limit.",
    ),
    Column(
        "primal_integral_s",
        "primal integral",
        "seconds",
        "Mean area under the gap to the best known plan, from the start to the limit.",
        estimate=True,
    ),
)

INSTANCE_COLUMNS = (
    {"name": "instance", "label": "instance", "kind": "text"},
    {"name": "solver", "label": "solver", "kind": "text"},
    {"name": "outcome", "label": "outcome", "kind": "text"},
    {"name": "gap_to_bound", "label": "gap to bound", "kind": "percent"},
    {"name": "gap_to_best_known", "label": "gap to best known", "kind": "percent"},
    {"name": "gap_to_best_in_study", "label": "gap to best in study", "kind": "percent"},
    {"name": "objective", "label": "objective", "kind": "number"},
    {"name": "best_bound", "label": "best bound", "kind": "number"},
    {"name": "runtime_s", "label": "time", "kind": "seconds"},
    {"name": "primal_integral_s", "label": "primal integral", "kind": "seconds"},
)
