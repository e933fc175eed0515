"""How sure the numbers of a study are: intervals over instances, and tests between two solvers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from shardopt.models.errors import InputError
from shardopt.models.result import OPTIMALITY_TOLERANCE
from shardopt.study.metrics import by_instance

Statistic = Callable[..., Any]
"""A function of an array along ``axis``, e.g. `numpy.median`."""
LEVEL = 0.95
RESAMPLES = 4000
WORST_GAP = 1.0
"""The gap of who has no plan: no gap between numbers of one sign is larger."""
_SEED = 20021  # any fixed number: the same study gives the same report


def bootstrap_interval(
    values: pd.Series, statistic: Statistic, level: float = LEVEL, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the percentile interval of a statistic over instances (Efron and Tibshirani 1993).

    Instances are drawn again with replacement. Runs of one instance are not independent of each
    other, so there must be one number per instance.

    Parameters
    ----------
    values
        One number per instance, by the instance's hash; missing ones do not count.
    statistic
        Takes ``axis``.

    Raises
    ------
    ValueError
        An instance occurs twice.
    """
    if values.index.has_duplicates:
        raise ValueError("one number per instance is needed: take the mean over the seeds first")
    sample = values.dropna().to_numpy(float)
    if len(sample) < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(_SEED)
    drawn = statistic(sample[rng.integers(len(sample), size=(resamples, len(sample)))], axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def wilcoxon_table(
    frame: pd.DataFrame, pairs: Sequence[tuple[str, str]], column: str = "gap_to_bound"
) -> pd.DataFrame:
    """Return a signed-rank test per pair of solvers, the p-values corrected for their number.

    The two solvers of a pair are compared on every instance that both were run on and that has a
    reference. Who has no plan there has a gap of 1: leaving out what a solver failed on would
    flatter it. Equal gaps keep their ranks (Pratt 1959), and the p-values of all
    pairs are corrected by Holm's method (1979).

    Raises
    ------
    InputError
        A pair names a solver that the study does not have.
    """
    rows = [_compare(frame, first, second, column) for first, second in pairs]
    names = ["first", "second", "instances", "first better", "equal", "second better"]
    table = pd.DataFrame(rows, columns=[*names, "median difference", "W", "p"])
    table["p (Holm)"] = holm(table["p"].to_numpy(float))
    return table


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values corrected for their number (Holm 1979); missing ones are not counted."""
    corrected = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[order]))
    return corrected


def _compare(frame: pd.DataFrame, first: str, second: str, column: str) -> list[Any]:
    a, b = _paired_gaps(frame, first, second, column)
    difference = a - b
    difference[np.abs(difference) <= OPTIMALITY_TOLERANCE] = 0.0
    better, worse = int((difference < 0).sum()), int((difference > 0).sum())
    if better + worse:
        test = stats.wilcoxon(difference, zero_method="pratt")
        w, p = float(test.statistic), float(test.pvalue)
    else:
        w, p = 0.0, 1.0 if len(difference) else np.nan
    median = float(np.median(difference)) if len(difference) else np.nan
    equal = len(difference) - better - worse
    return [first, second, len(difference), better, equal, worse, median, w, p]


def _paired_gaps(
    frame: pd.DataFrame, first: str, second: str, column: str
) -> tuple[np.ndarray, np.ndarray]:
    known = list(frame["solver"].unique())
    for solver in (first, second):
        if solver not in known:
            raise InputError(repr(solver), "a solver of the study: " + ", ".join(known), "pairs")
    runs = frame[frame["solver"].isin([first, second])]
    measured = frame.groupby("sha256")[column].count() > 0  # somebody's gap, so a reference
    gaps = by_instance(runs.assign(_gap=runs[column].fillna(WORST_GAP)), "_gap").dropna()
    gaps = gaps[measured.reindex(gaps.index)]
    return gaps[first].to_numpy(float), gaps[second].to_numpy(float)
