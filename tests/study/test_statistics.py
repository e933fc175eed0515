"""Intervals are over instances; tests are between pairs, and corrected for their number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from shardopt.models.errors import InputError
from shardopt.study.metrics import by_instance
from shardopt.study.statistics import bootstrap_interval, holm, wilcoxon_table
from study.hand import frame, proof, run

GAPS = [0.02, 0.3, 0.11, 0.07, 0.19, 0.0, 0.25, 0.04, 0.13, 0.01]


def numbers(values):
    return pd.Series(values, [f"instance-{n}" for n in range(len(values))])


def study(*gaps_of_two, seeds=1):
    """Return a frame in which `even` and `harmonic` have these gaps to a bound of 1."""
    rows = []
    for n, (first, second) in enumerate(gaps_of_two):
        rows.append(proof(f"i{n:02}", 1.0))
        for solver, gap in (("even", first), ("harmonic", second)):
            objective = None if gap is None else 1 / (1 - gap)
            rows += [run(f"i{n:02}", solver, objective, seed=seed) for seed in range(seeds)]
    return frame(*rows)


def test_that_an_interval_has_the_statistic_inside():
    low, high = bootstrap_interval(numbers(GAPS), np.median)
    assert low < np.median(GAPS) < high


def test_that_an_interval_agrees_with_scipy():
    ours = bootstrap_interval(numbers(GAPS), np.mean, resamples=20_000)
    theirs = stats.bootstrap(
        (np.array(GAPS),),
        np.mean,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.004)


def test_that_more_seeds_of_the_same_instances_make_no_interval_narrower():
    once, often = (study(*((gap, 0.1) for gap in GAPS), seeds=seeds) for seeds in (1, 8))
    intervals = [
        bootstrap_interval(by_instance(table, "gap_to_bound")["even"], np.median)
        for table in (once, often)
    ]
    assert intervals[0] == pytest.approx(intervals[1])


def test_that_an_interval_over_runs_is_refused():
    with pytest.raises(ValueError, match="one number per instance"):
        bootstrap_interval(pd.Series([0.1, 0.2], ["a", "a"]), np.median)


def test_that_one_instance_has_no_interval():
    assert np.isnan(bootstrap_interval(numbers([0.1]), np.median)).all()


def test_that_the_signed_rank_test_is_that_of_scipy():
    others = [gap + 0.01 * (n - 3) for n, gap in enumerate(GAPS, start=1)]
    table = wilcoxon_table(study(*zip(GAPS, np.abs(others), strict=True)), [("even", "harmonic")])
    difference = np.array(GAPS) - np.abs(others)
    difference[np.abs(difference) < 1e-6] = 0
    expected = stats.wilcoxon(difference, zero_method="pratt")
    assert table["p"][0] == pytest.approx(expected.pvalue)
    assert table["W"][0] == pytest.approx(expected.statistic)


def test_that_better_equal_and_worse_are_counted():
    table = wilcoxon_table(
        study((0.1, 0.2), (0.1, 0.1), (0.3, 0.2), (0.0, 0.4)), [("even", "harmonic")]
    )
    row = table.iloc[0]
    assert row[["first better", "equal", "second better"]].tolist() == [2, 1, 1]


def test_that_who_has_no_plan_has_the_largest_gap():
    table = wilcoxon_table(study((0.9, None), (0.9, None), (0.5, 0.4)), [("even", "harmonic")])
    assert table["first better"][0] == 2
    assert table["instances"][0] == 3


def test_that_two_solvers_that_never_differ_are_not_told_apart():
    table = wilcoxon_table(study((0.1, 0.1), (0.2, 0.2)), [("even", "harmonic")])
    assert table["p"][0] == 1.0


def test_that_holm_corrects_the_smallest_most_and_keeps_the_order():
    assert holm(np.array([0.01, 0.04, np.nan, 0.03])) == pytest.approx(
        [0.03, 0.06, np.nan, 0.06], nan_ok=True
    )
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_that_an_unknown_solver_in_a_pair_is_named():
    with pytest.raises(InputError, match="nobody"):
        wilcoxon_table(study((0.1, 0.2)), [("even", "nobody")])
