"""The tables of a report: a row per solver with intervals, a row per pair, a row per instance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from shardopt.models.errors import InputError
from shardopt.solvers.registry import aliases
from shardopt.study import metrics
from shardopt.study.frame import GAPS
from shardopt.study.statistics import Statistic, bootstrap_interval, wilcoxon_table

Pair = tuple[str, str]


def p90(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the value that a tenth of the values exceed."""
    return np.asarray(np.quantile(values, 0.9, axis=axis))


_ESTIMATES: dict[str, tuple[str, Statistic]] = {
    "time_s": ("charged_s", metrics.shifted_geometric_mean),
    "gap_to_bound_median": ("gap_to_bound", np.median),
    "gap_to_bound_p90": ("gap_to_bound", p90),
    "gap_to_best_known_median": ("gap_to_best_known", np.median),
    "gap_to_best_in_study_median": ("gap_to_best_in_study", np.median),
    "primal_integral_s": ("primal_integral_s", np.mean),
}
"""Columns with an interval beside them: what is estimated, and by which statistic."""


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row per solver of one problem, and one for the virtual best of those compared.

    An estimate ``x`` has the ends of its 95 % interval beside it, ``x_low`` and ``x_high``. Wins
    are counted among the compared solvers; a reference has none.
    """
    compared = metrics.compared(frame)
    runs = measured(pd.concat([frame, metrics.virtual_best(compared)]) if len(compared) else frame)
    first = runs.groupby("solver", sort=False)[["kind", "role"]].first()
    table = first.join(metrics.counts(runs))
    for name, (column, statistic) in _ESTIMATES.items():
        values = metrics.by_instance(runs, column)
        table[name] = [_estimate(values[solver], statistic) for solver in table.index]
        ends = [bootstrap_interval(values[solver], statistic) for solver in table.index]
        table[[f"{name}_low", f"{name}_high"]] = np.array(ends, float).reshape(-1, 2)
    gaps = metrics.by_instance(runs, "gap_to_bound")
    table["gap_to_bound_max"] = gaps.max().reindex(table.index)
    table["measured"] = gaps.count().reindex(table.index)
    table["par10_s"] = metrics.by_instance(runs, "par10_s").mean().reindex(table.index)
    table["wins"] = metrics.wins(compared).reindex(table.index)
    virtual = table.index == metrics.VIRTUAL_BEST
    table.loc[virtual, ["kind", "role"]] = ["", "virtual"]
    return table


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of one problem with exact methods first, and the smaller gaps first."""
    exact = (frame["kind"] == "exact").groupby(frame["solver"]).first()
    gaps = metrics.by_instance(frame, "gap_to_bound").median()
    times = metrics.charged_s(frame).groupby(frame["solver"]).mean()
    keys = pd.DataFrame({"exact": ~exact, "gap": gaps, "time": times})
    order = {solver: n for n, solver in enumerate(keys.sort_values(list(keys)).index)}
    return frame.sort_values("solver", key=lambda names: names.map(order), kind="stable")


def measured(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the columns that metrics make of a run."""
    return frame.assign(
        charged_s=metrics.charged_s(frame),
        par10_s=metrics.par10_s(frame),
        primal_integral_s=metrics.primal_integrals(frame),
    )


def instance_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row per instance and solver, with means over the seeds."""
    runs = measured(frame)
    groups = runs.groupby(["instance", "sha256", "solver"], sort=False)
    numbers = [*GAPS, "objective", "best_bound", "best_known", "runtime_s", "primal_integral_s"]
    table = groups[numbers].mean()
    table["outcome"] = groups["outcome"].agg(_together)
    table["runs"] = groups.size()
    table["proven"] = groups["proven"].first()
    for size in [c for c in frame.columns if c.startswith("size_") and frame[c].notna().any()]:
        table[size] = groups[size].first()
    return table.reset_index()


def families(frame: pd.DataFrame, column: str = "gap_to_bound") -> pd.DataFrame:
    """Return the median gap of each compared solver of one problem in each family of instances.

    A row per family, ``devices=8`` before ``devices=12``: how many instances it has, on how many of
    them the optimum is proven, and the solvers.
    """
    instances = frame.drop_duplicates("sha256").set_index("sha256")
    family = instances["family"]
    groups = instances.groupby("family")
    table = pd.DataFrame({"instances": groups.size(), "proven": groups["proven"].sum()})
    table = table.loc[sorted(table.index, key=_with_numbers)]
    gaps = metrics.by_instance(metrics.compared(frame), column)
    medians = gaps.groupby(family.reindex(gaps.index)).median()
    return table.join(medians)


def tests(frame: pd.DataFrame, pairs: Sequence[Pair]) -> pd.DataFrame:
    """Return the signed-rank tests of the pairs that one problem has both solvers of."""
    known = set(frame["solver"])
    here = [pair for pair in pairs if known.issuperset(pair)] if pairs else default_pairs(frame)
    return wilcoxon_table(frame, here)


def default_pairs(frame: pd.DataFrame) -> list[Pair]:
    """Return the problem's published heuristic with each other compared solver that is not exact.

    The choice does not depend on how well anybody did.
    """
    compared = metrics.compared(frame)
    others = list(compared["solver"][compared["kind"] != "exact"].unique())
    published = aliases(frame["problem"].iloc[0]).get("heuristic")
    if published is None or published not in others:
        return []
    return [(published, other) for other in others if other != published]


def parse_pairs(text: str, solvers: Sequence[str]) -> list[Pair]:
    """Read ``a:b,c:d``; a name may have colons of its own.

    Raises
    ------
    InputError
        A pair of which one is no solver of the study.
    """
    return [_parse_pair(part.strip(), solvers) for part in text.split(",")]


def _parse_pair(text: str, solvers: Sequence[str]) -> Pair:
    for n, character in enumerate(text):
        first, second = text[:n], text[n + 1 :]
        if character == ":" and first in solvers and second in solvers and first != second:
            return first, second
    expected = "A:B, two of " + ", ".join(solvers)
    raise InputError(repr(text), expected, "--pairs")


def _with_numbers(text: str) -> list[Any]:
    """Return a text as a key by which the numbers in it are sorted as numbers."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [float(part) if n % 2 else part for n, part in enumerate(parts)]


def _estimate(values: pd.Series, statistic: Statistic) -> float:
    known = values.dropna().to_numpy(float)
    return float(statistic(known, axis=0)) if len(known) else np.nan


def _together(outcomes: pd.Series) -> str:
    """Return the outcomes of the seeds as one word, or as words with their counts."""
    counts = outcomes.value_counts(sort=False)
    if len(counts) == 1:
        return str(counts.index[0])
    return ", ".join(f"{number} {name}" for name, number in counts.items())
