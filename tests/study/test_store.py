"""The store of a study: what is written is there, and nothing else is."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import shardopt
from shardopt.instances.files import instance_sha256
from shardopt.models.errors import InputError
from shardopt.study.answers import failed
from shardopt.study.store import Study, create, is_study, only_writer, open_study, read_study
from study import unruly


def row(key: str, **changes: Any) -> dict[str, Any]:
    """Return a row of the table of runs."""
    common = {
        "key": key,
        "instance": instance_sha256(unruly.small()),
        "solver": "cg-bp",
        "parameters": {},
        "seed": 0,
        "version": "1",
        "role": "solver",
        "time_limit_s": 1.0,
        "threads": 1,
        "wall_s": 0.5,
        "host": "here",
        "finished_at": "2026-01-01",
    }
    return failed("feasible", "completed", None) | common | changes


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = create(tmp_path / "study", {"cores": 2})
    instance = unruly.small()
    made.add_instance(instance, instance_sha256(instance), "drawn", {"servers": 4})
    return made


def test_that_a_study_is_read_as_it_was_written(study: Study) -> None:
    study.set_wanted({"a": "reference"})
    study.add_run(row("a", trace=[[0.1, 2.0, None]], extra={"x": [1]}))
    study.close()
    with open_study(study.folder) as again:
        (run,) = again.runs()
        assert (run["trace"], run["extra"], run["parameters"]) == (
            [[0.1, 2.0, None]],
            {"x": [1]},
            {},
        )
        assert run["role"] == "reference"  # what it is wanted for, not what it was made for
        (stored,) = again.instances()
    assert stored["size"] == {"servers": 4}
    assert shardopt.load(study.folder / stored["file"]) == unruly.small()
    assert read_study(study.folder).meta == {"format": "shardopt-study/1", "protocol": {"cores": 2}}


def test_that_a_row_is_there_for_others_as_soon_as_it_is_written(study: Study) -> None:
    study.set_wanted({"a": "solver"})
    study.add_run(row("a"))
    assert len(read_study(study.folder).runs) == 1


def test_that_a_run_that_is_there_is_not_written_over(study: Study) -> None:
    study.set_wanted({"a": "solver"})
    study.add_run(row("a", objective=1.0))
    study.add_run(row("a", objective=2.0))
    assert [run["objective"] for run in study.runs()] == [1.0]


def test_that_runs_that_are_not_wanted_are_kept_and_not_counted(study: Study) -> None:
    study.add_run(row("old"))
    study.set_wanted({"a": "solver"})
    assert study.runs() == []
    assert study.keys() == {"old"}


def test_that_only_wanted_runs_with_a_status_are_dropped(study: Study) -> None:
    for key in ("old", "a"):
        study.add_run(row(key, status="crashed"))
    study.add_run(row("b"))
    study.set_wanted({"a": "solver", "b": "solver"})
    assert study.drop_runs(["crashed", "hung"]) == 1
    assert study.keys() == {"old", "b"}


def test_that_a_new_study_hides_among_no_other_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(InputError, match="found something else there"):
        create(tmp_path, {})
    with pytest.raises(InputError, match="found something else there"), only_writer(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_that_what_was_killed_while_it_was_made_is_made_again(tmp_path: Path) -> None:
    (tmp_path / ".new.sqlite").write_bytes(b"half a")
    with only_writer(tmp_path):
        create(tmp_path, {}).close()
    assert is_study(tmp_path)


def test_that_two_cannot_write_to_a_study_at_the_same_time(study: Study) -> None:
    with (
        only_writer(study.folder),
        pytest.raises(InputError, match="another process"),
        only_writer(study.folder),
    ):
        pass


def test_that_nothing_is_left_of_a_new_study_that_came_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), only_writer(tmp_path / "new"):
        raise RuntimeError
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", [b"no database at all, but longer than a header", b""])
def test_that_a_file_that_is_no_study_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.sqlite").write_bytes(content)
    with pytest.raises(InputError, match=r"study\.sqlite"):
        open_study(tmp_path)


def test_that_a_study_of_another_format_is_refused(study: Study) -> None:
    study.set_meta("format", "shardopt-study/2")
    with pytest.raises(InputError, match="shardopt-study/2"):
        open_study(study.folder)


def test_that_the_store_is_a_write_ahead_log(study: Study) -> None:
    database = sqlite3.connect(study.folder / "study.sqlite")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
