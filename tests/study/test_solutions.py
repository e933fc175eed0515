"""The plans of a study: read back, they are what the solver found."""

from __future__ import annotations

from pathlib import Path

import pytest

import shardopt
from shardopt.instances.files import instance_sha256
from shardopt.models.errors import InputError
from shardopt.study import load
from shardopt.study.solutions import solution_of
from shardopt.study.store import open_study
from study.hand import run, three_blocks, write_study


def test_that_a_run_s_plan_is_worth_what_its_row_says(small_study: Path) -> None:
    for row in load(small_study).to_dict("records"):
        instance, plan = solution_of(small_study, row["key"])
        assert instance.name == row["instance"]
        assert shardopt.check(instance, plan).objective == pytest.approx(row["objective"], 1e-12)


def test_that_a_run_without_a_plan_and_no_run_at_all_are_told(tmp_path: Path) -> None:
    instance = three_blocks("one")
    folder = write_study(tmp_path / "study", [instance], [])
    with open_study(folder) as study:
        study.add_run(run(instance_sha256(instance), "even", key="without"))
    with pytest.raises(InputError, match="no plan of the run 'without'"):
        solution_of(folder, "without")
    with pytest.raises(InputError, match="no run 'other'"):
        solution_of(folder, "other")
