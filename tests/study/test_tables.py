"""The tables of a report: what stands in a row, and which pairs are tested."""

from __future__ import annotations

import numpy as np
import pytest

from shardopt.models.errors import InputError
from shardopt.study import tables
from shardopt.study.frame import family_of
from shardopt.study.metrics import VIRTUAL_BEST
from study.hand import frame, proof, run


def two_solvers():
    rows = []
    for n in range(6):
        name = f"i{n}"
        rows.append(proof(name, 10.0))
        rows.append(run(name, "even", 10.0 + 2 * n, trace=[[0.5, 10.0 + 2 * n, None]]))
        rows.append(run(name, "harmonic", 11.0 if n else None))
    return frame(*rows)


def test_that_a_summary_has_a_row_per_solver_and_the_virtual_best():
    table = tables.summary(two_solvers())
    assert sorted(table.index) == ["dssr", "even", "harmonic", VIRTUAL_BEST]
    assert table.loc["even", "gap_to_bound_max"] == pytest.approx(0.5)
    assert table.loc["harmonic", "measured"] == 5
    assert table.loc["harmonic", "unsolved"] == 1
    assert table["wins"].drop(VIRTUAL_BEST).to_dict() == {
        "dssr": pytest.approx(np.nan, nan_ok=True),
        "even": 1,
        "harmonic": 5,
    }


def test_that_every_estimate_lies_in_its_interval():
    table = tables.summary(two_solvers())
    for name in ("time_s", "gap_to_bound_median", "gap_to_bound_p90", "primal_integral_s"):
        low, value, high = (table[column] for column in (f"{name}_low", name, f"{name}_high"))
        assert (low <= value + 1e-12).all()
        assert (value <= high + 1e-12).all()


def test_that_the_instance_table_has_a_row_per_instance_and_solver():
    table = tables.instance_table(
        frame(run("a", "even", 2.0), run("a", "even", seed=1), run("b", "even", 3.0))
    )
    assert table["outcome"].tolist() == ["1 solved, 1 unsolved", "solved"]
    assert table["runs"].tolist() == [2, 1]


def test_that_families_are_presets_with_their_options_and_folders_and_have_medians():
    assert family_of("cold-start/tight devices=4 seed=3") == "cold-start/tight devices=4"
    assert family_of("some/cold-start/a.json.gz") == "some/cold-start"
    runs = two_solvers()
    runs["family"] = ["n=4" if name in {"i0", "i1"} else "n=12" for name in runs["instance"]]
    table = tables.families(runs)
    assert list(table.index) == ["n=4", "n=12"]
    assert table[["instances", "proven"]].to_numpy().tolist() == [[2, 2], [4, 4]]
    assert table["even"].to_dict() == pytest.approx({"n=4": 1 / 12, "n=12": (6 / 16 + 8 / 18) / 2})


def test_that_the_published_heuristic_is_tested_against_all_others_unless_pairs_are_named():
    assert tables.default_pairs(two_solvers()) == [("harmonic", "even")]
    named = tables.tests(two_solvers(), [("even", "dssr")])
    assert named[["first", "second"]].to_numpy().tolist() == [["even", "dssr"]]


def test_that_pairs_are_read_also_when_names_have_colons():
    solvers = ["ga", "ga:rounds=3", "splitwise"]
    assert tables.parse_pairs("ga:rounds=3:splitwise, ga:ga:rounds=3", solvers) == [
        ("ga:rounds=3", "splitwise"),
        ("ga", "ga:rounds=3"),
    ]
    with pytest.raises(InputError, match="nobody"):
        tables.parse_pairs("ga:nobody", solvers)
