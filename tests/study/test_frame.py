"""The tidy frame: one row per run, every run one outcome, and three gaps."""

from __future__ import annotations

import numpy as np
import pytest

from shardopt.models.errors import InputError
from shardopt.models.result import relative_gap
from shardopt.study import load
from shardopt.study.frame import outcome, signed_gap, sizes
from study.hand import frame, proof, run, three_blocks, write_study


def one(table, solver):
    (row,) = table[table["solver"] == solver].to_dict("records")
    return row


def test_that_the_three_gaps_have_three_references():
    bounded = proof("a", 12.0, status="feasible", bound=8.0)
    table = frame(
        bounded, run("a", "even", 16.0), run("a", "harmonic", 10.0), best_known={"a": 9.0}
    )
    row = one(table, "even")
    assert row["gap_to_bound"] == pytest.approx((16 - 8) / 16)
    assert row["gap_to_best_known"] == pytest.approx((16 - 9) / 16)
    assert row["gap_to_best_in_study"] == pytest.approx((16 - 10) / 16)


def test_that_the_best_known_plan_may_come_from_the_study():
    table = frame(proof("a", 12.0), run("a", "even", 16.0), best_known={"a": 13.0})
    assert one(table, "even")["best_known"] == 12.0


def test_that_a_gap_without_a_reference_or_without_a_plan_does_not_exist():
    table = frame(run("a", "even", 16.0), run("a", "harmonic"))
    assert np.isnan(one(table, "even")["gap_to_bound"])
    assert one(table, "even")["gap_to_best_in_study"] == 0.0
    assert np.isnan(one(table, "harmonic")["gap_to_best_in_study"])


def test_that_a_plan_better_than_a_proven_bound_shows_as_a_negative_gap():
    table = frame(proof("a", 12.0), run("a", "even", 11.0))
    assert one(table, "even")["gap_to_bound"] == pytest.approx(-1 / 12)


def test_that_rounding_is_no_negative_gap():
    assert signed_gap(10.0 - 1e-9, 10.0, 1) == 0.0


def test_that_a_gap_where_more_is_better_is_measured_the_other_way():
    assert signed_gap(8.0, 10.0, -1) == pytest.approx(0.2)


@pytest.mark.parametrize(("objective", "bound"), [(3.0, 2.0), (2.0, 2.0), (5.0, 0.0), (0.0, 0.0)])
def test_that_a_gap_is_that_of_a_result(objective, bound):
    assert signed_gap(objective, bound, 1) == pytest.approx(relative_gap(objective, bound))


def test_that_the_plan_of_an_invalid_run_and_the_bound_of_a_broken_one_count_for_nothing():
    wrong = run("a", "even", 1.0, status="invalid")
    broken = run("a", "direct/highs", 20.0, status="crashed", bound=19.0)
    table = frame(proof("a", 12.0), wrong, broken)
    assert np.isnan(one(table, "even")["objective"])
    assert set(table["best_in_study"]) == {12.0}
    assert set(table["best_bound"]) == {12.0}


@pytest.mark.parametrize(
    ("kind", "status", "termination", "objective", "expected"),
    [
        ("exact", "optimal", "completed", 1.0, "solved"),
        ("exact", "optimal", "time-limit", 1.0, "solved"),
        ("exact", "infeasible", "completed", None, "solved"),
        ("exact", "feasible", "time-limit", 1.0, "timed out"),
        ("exact", "feasible", "gap-limit", 1.0, "unsolved"),
        ("exact", "feasible", "memory-limit", 1.0, "failed"),
        ("exact", "hung", None, None, "failed"),
        ("exact", "out-of-memory", None, None, "failed"),
        ("heuristic", "feasible", "completed", 1.0, "solved"),
        ("heuristic", "feasible", "time-limit", 1.0, "timed out"),
        ("heuristic", "unknown", "completed", None, "unsolved"),
        ("heuristic", "crashed", None, None, "failed"),
        ("heuristic", "invalid", "completed", 1.0, "invalid"),
    ],
)
def test_that_every_run_has_one_outcome(kind, status, termination, objective, expected):
    assert outcome(kind, status, termination, objective) == expected


def test_that_finding_no_plan_where_there_is_none_misses_nothing():
    none = proof("a", None, status="infeasible")
    table = frame(none, run("a", "even"), run("b", "even"))
    assert list(table["outcome"]) == ["solved", "solved", "unsolved"]


def test_that_parameters_tell_solvers_of_one_name_apart():
    table = frame(run("a", "even", 1.0, parameters={"rounds": 3}), run("a", "even", 1.0))
    assert sorted(table["solver"]) == ["even", "even:rounds=3"]


def test_that_a_reference_that_is_compared_too_has_a_name_of_its_own():
    table = frame(proof("a", 1.0), run("a", "dssr", 1.0), run("a", "even", 1.0))
    assert sorted(table["solver"]) == ["dssr", "dssr (reference)", "even"]


def test_that_a_solver_that_is_gone_is_of_unknown_kind():
    assert one(frame(run("a", "forgotten", 1.0)), "forgotten")["kind"] == "unknown"


def test_that_sizes_are_columns_those_that_vary_first():
    table = frame(run("a", "even", 1.0), run("b", "even", 1.0))
    assert sizes(table) == ["size_devices", "size_blocks"]


def test_that_a_study_without_runs_is_refused_with_a_reason(tmp_path):
    write_study(tmp_path / "study", [], [])
    with pytest.raises(InputError, match="finished run"):
        load(tmp_path / "study")


def test_that_a_store_becomes_a_row_per_run(tmp_path):
    instances = [three_blocks("one"), three_blocks("two", flops=40.0)]
    table = load(write_study(tmp_path / "study", instances, ["even", "harmonic"]))
    assert len(table) == 6
    assert set(table["instance"]) == {"one", "two"}
    assert set(table["gap_to_bound"][table["solver"] == "dssr"]) == {0.0}
    assert table["proven"].all()
