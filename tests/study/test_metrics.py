"""Metrics against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shardopt.study import metrics
from study.hand import frame, proof, run


def test_that_the_shifted_geometric_mean_takes_the_shift_off_again():
    # sqrt((0 + 10) (30 + 10)) - 10
    assert metrics.shifted_geometric_mean([0.0, 30.0]) == pytest.approx(10.0)
    assert metrics.shifted_geometric_mean([7.0, 7.0]) == pytest.approx(7.0)


def test_that_seeds_are_averaged_within_an_instance():
    table = frame(run("a", "even", 2.0), run("a", "even", 4.0, seed=1), run("b", "even", 7.0))
    assert metrics.by_instance(table, "objective")["even"].to_dict() == {"a": 3.0, "b": 7.0}


def test_that_outcomes_are_counted_apart():
    table = frame(
        run("a", "even", 2.0),
        run("b", "even", 2.0, termination="time-limit"),
        run("c", "even"),
        run("d", "even", status="crashed", termination=None),
        run("e", "even", 2.0, status="invalid"),
        run("e", "even", 2.0, seed=1),
    )
    row = metrics.counts(table).loc["even"]
    assert row["instances"] == 5
    assert row["runs"] == 6
    assert row[["solved", "timed out", "unsolved", "failed", "invalid"]].tolist() == [2, 1, 1, 1, 1]
    assert row["plans"] == 3


def test_that_a_run_that_was_cut_short_or_broke_is_charged_its_limit():
    table = frame(
        run("a", "even", 2.0, runtime_s=3.0),
        run("b", "even", 2.0, runtime_s=60.4, termination="time-limit"),
        run("c", "even", status="crashed", runtime_s=0.1),
        run("d", "even", runtime_s=0.2),
    )
    assert metrics.charged_s(table).tolist() == [3.0, 60.0, 60.0, 0.2]
    assert metrics.par10_s(table).tolist() == [3.0, 600.0, 600.0, 600.0]


def test_that_the_primal_integral_is_the_area_under_the_gap():
    trace = [[1.0, 20.0, None], [2.0, 20.0, 5.0], [3.0, 10.0, None]]
    # a gap of 1 for a second, of 1/2 for two, and then none
    assert metrics.primal_integral(trace, 10.0, 4.0, best=10.0, limit_s=10.0) == pytest.approx(2.0)


def test_that_the_last_gap_lasts_until_the_limit():
    trace = [[1.0, 20.0, None]]
    assert metrics.primal_integral(trace, 20.0, 2.0, best=10.0, limit_s=10.0) == pytest.approx(5.5)


def test_that_without_a_plan_the_primal_integral_is_the_limit():
    assert metrics.primal_integral([], None, 2.0, best=10.0, limit_s=10.0) == 10.0


def test_that_without_a_trace_the_plan_is_there_at_the_end():
    assert metrics.primal_integral([], 10.0, 2.0, best=10.0, limit_s=10.0) == 2.0


def test_that_a_plan_after_the_limit_helps_nothing():
    assert metrics.primal_integral([[12.0, 10.0, None]], 10.0, 12.0, 10.0, 10.0) == 10.0


def test_that_a_worse_plan_later_in_a_trace_changes_nothing():
    trace = [[1.0, 10.0, None], [2.0, 30.0, None]]
    assert metrics.primal_integral(trace, 10.0, 3.0, best=10.0, limit_s=10.0) == pytest.approx(1.0)


def test_that_ties_win_for_all_and_a_seed_without_a_plan_does_not_win():
    table = frame(
        run("a", "even", 2.0),
        run("a", "harmonic", 2.0 + 1e-9),
        run("b", "even", 3.0),
        run("b", "harmonic", 4.0),
        run("c", "even", 1.0),
        run("c", "even", seed=1),
        run("c", "harmonic", 9.0),
    )
    assert metrics.wins(table).to_dict() == {"even": 2, "harmonic": 2}


def test_that_the_virtual_best_takes_the_best_plan_and_of_equal_ones_the_fastest():
    table = frame(
        run("a", "even", 2.0, runtime_s=5.0),
        run("a", "harmonic", 2.0, runtime_s=1.0),
        run("b", "even", 3.0, runtime_s=9.0),
        run("b", "harmonic", 4.0, runtime_s=1.0),
        run("c", "even"),
        run("c", "harmonic"),
    )
    best = metrics.virtual_best(table)
    assert best.set_index("sha256")["chosen"][["a", "b"]].tolist() == ["harmonic", "even"]
    assert len(best) == 3
    assert set(best["solver"]) == {metrics.VIRTUAL_BEST}


def test_that_a_performance_profile_counts_failures_and_steps_at_the_ratios():
    # Ratios: fast 1, 1, 4 and a failure; slow 2, 1, 1 and a failure.
    costs = pd.DataFrame({"fast": [1.0, 3.0, 8.0, np.nan], "slow": [2.0, 3.0, 2.0, np.nan]})
    profile = metrics.performance_profile(costs)
    assert profile.index.tolist() == [1.0, 2.0, 4.0]
    assert profile["fast"].tolist() == [0.5, 0.5, 0.75]
    assert profile["slow"].tolist() == [0.5, 0.75, 0.75]


def test_that_costs_of_nothing_are_equal_and_no_ratio_reaches_from_nothing():
    costs = pd.DataFrame({"free": [0.0, 0.0], "dear": [0.0, 5.0]})
    profile = metrics.performance_profile(costs)
    assert profile.loc[1.0].tolist() == [1.0, 0.5]


def test_that_proof_times_know_only_what_was_proven():
    table = frame(
        proof("a", 1.0, runtime_s=4.0), proof("b", 2.0, status="feasible", termination="time-limit")
    )
    assert metrics.proof_times(table)["dssr"].tolist()[0] == 4.0
    assert np.isnan(metrics.proof_times(table)["dssr"].tolist()[1])
