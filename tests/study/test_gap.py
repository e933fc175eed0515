"""``shardopt gap``: a study from one command, stopped, killed, resumed and extended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shardopt.cli.gap import seeds_of
from shardopt.cli.study_progress import Pace
from shardopt.models.errors import InputError
from shardopt.study import running, version
from shardopt.study.planning import Plan, wanted_runs
from shardopt.study.store import create
from study import unruly
from study.studies import gap, kept, rows, wait_for

PRESET = "block-placement/random-loose:servers=4:blocks=6:sessions=2"


@pytest.fixture
def unruly_host(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let studies of this process know the unruly solvers."""
    monkeypatch.setattr(running, "_HOST", "study.unruly")
    with unruly.registered():
        yield


def test_that_a_study_is_made_and_summed_up(tmp_path: Path) -> None:
    result = gap(tmp_path / "s", PRESET, "--instances", "2", "--solvers", "cg-bp,chain")
    assert result.exit_code == 0, result.stderr
    assert len(rows(tmp_path / "s")) == 2 * 3
    assert "exact (reference)" in result.stdout
    assert "6 of 6 runs, 0 failed" in result.stderr


def test_that_the_folder_alone_goes_on_and_makes_nothing_twice(tmp_path: Path) -> None:
    gap(tmp_path / "s", PRESET, "--solvers", "cg-bp", "--reference", "none")
    first = rows(tmp_path / "s")
    result = gap(tmp_path / "s")
    assert result.exit_code == 0
    assert "all 1 runs are there already" in result.stderr
    assert rows(tmp_path / "s") == first


def test_that_solvers_seeds_and_instances_are_added_and_other_limits_refused(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "s"
    gap(folder, PRESET, "--solvers", "cg-bp", "--reference", "none")
    gap(folder, f"{PRESET}:seed=1", "--solvers", "chain", "--seeds", "1")
    kinds = {(run["solver"], run["seed"]) for run in rows(folder)}
    assert kinds == {("cg-bp", 0), ("cg-bp", 1), ("chain", None)}
    assert len(rows(folder)) == 2 * 3
    result = gap(folder, "--time-limit", "5")
    assert result.exit_code == 2
    assert "--time-limit: found 5.0, expected 60.0" in result.stderr


def test_that_a_study_that_was_killed_while_it_was_begun_wants_its_whole_command(
    tmp_path: Path,
) -> None:
    with create(tmp_path / "s", {"created_at": "2026-01-01"}) as study:
        study.add_instance(unruly.small(), "0" * 64, "drawn", {})
    result = gap(tmp_path / "s")
    assert result.exit_code == 2
    assert "killed before it had a plan, expected the whole command again" in result.stderr


def test_that_runs_that_fail_are_rows_and_no_failure_of_the_study(
    tmp_path: Path, unruly_host: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    solvers = "raising,leaving,lying,hanging,cg-bp"
    limits = ("--reference", "none", "--time-limit", "0.2")
    monkeypatch.setattr(running.perform, "__defaults__", (1, 0.3))  # seconds of grace
    result = gap(tmp_path / "s", PRESET, "--solvers", solvers, *limits)
    assert result.exit_code == 0, result.output
    assert {run["solver"]: run["status"] for run in rows(tmp_path / "s")} == {
        "raising": "crashed",
        "leaving": "crashed",
        "lying": "invalid",
        "hanging": "hung",
        "cg-bp": "feasible",
    }
    assert "raising: ZeroDivisionError: by nothing" in result.stdout
    assert "5 of 5 runs, 4 failed" in result.stderr


def test_that_failed_runs_are_made_again_on_demand(tmp_path: Path, unruly_host: None) -> None:
    gap(tmp_path / "s", PRESET, "--solvers", "raising,lying", "--reference", "none")
    result = gap(tmp_path / "s", "--retry-failed")
    assert "1 of 2 runs, 0 failed" in result.stderr
    assert len(rows(tmp_path / "s")) == 2


def test_that_a_change_of_code_repeats_the_runs_of_its_problem_and_of_no_other(
    tmp_path: Path, unruly_host: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "code_digest", unruly.digest)
    monkeypatch.setenv(unruly.CODE_VARIABLE, "before")
    both = (PRESET, "cold-start/random-edge:devices=3:blocks=6")
    gap(tmp_path / "s", *both, "--solvers", "cg-bp,even", "--reference", "none")
    before = {run["solver"]: run for run in rows(tmp_path / "s")}
    monkeypatch.setenv(unruly.CODE_VARIABLE, "after")
    assert "1 of 2 runs" in gap(tmp_path / "s").stderr
    after = {run["solver"]: run for run in rows(tmp_path / "s")}
    assert after["even"] == before["even"]
    assert after["cg-bp"]["version"] != before["cg-bp"]["version"]
    assert len(kept(tmp_path / "s")) == 3  # the old row is still there, and not counted


def test_that_rows_that_contradict_each_other_are_named_and_the_exit_code_is_1(
    tmp_path: Path, unruly_host: None
) -> None:
    # The plan of cg-bp is not optimal on this instance, so that calling it so is a lie.
    preset = "block-placement/random-tight:servers=6:blocks=12:sessions=4:slack=1.6"
    result = gap(tmp_path / "s", preset, "--solvers", "overproving")
    assert result.exit_code == 1
    (run,) = {run["instance"] for run in rows(tmp_path / "s")}
    assert f"instances/{run[:16]}.json.gz" in result.stderr
    assert "exact seed 0 has a plan worth" in result.stderr
    assert "but overproving proved an optimum of" in result.stderr
    assert "error: 1 contradiction in" in result.stderr


def test_that_too_many_jobs_are_warned_of(tmp_path: Path) -> None:
    many = str((os.cpu_count() or 1) + 1)
    arguments = (PRESET, "--solvers", "cg-bp", "--reference", "none", "--threads", many)
    assert f"1 jobs of {many} threads" in gap(tmp_path / "s", *arguments).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no instances"),
        (("nowhere.json",), "no such file"),
        ((PRESET, "--solvers", "cg_bp"), "did you mean cg-bp"),
        ((PRESET, "--solvers", "cg-bp,"), "names with commas between"),
        ((PRESET, "--seeds", "0-9"), "seeds like 0..9"),
        ((PRESET, "--time-limit", "0"), "time_limit"),
        ((PRESET, "--set", "colour=red"), "an option of a preset"),
        ((PRESET, "--set-solver", "ga:population=2"), "one of the solvers that are run"),
        ((PRESET, "--executor", "dask"), "a scheduler's, like tcp://"),
        ((PRESET, "--scheduler", "tcp://127.0.0.1:1"), "--executor dask beside it"),
        ((PRESET, "--memory-limit", "much"), "a size such as 8GiB"),
    ],
)
def test_that_bad_input_is_one_line_and_leaves_nothing_behind(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    result = gap(tmp_path / "s", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr.splitlines()[-1]
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", (3,)), ("0..2", (0, 1, 2)), ("5,0..1,5", (5, 0, 1))]
)
def test_that_seeds_are_read(text: str, seeds: tuple[int, ...]) -> None:
    assert seeds_of(text) == seeds


def test_that_seeds_backwards_are_refused() -> None:
    with pytest.raises(InputError, match="upwards"):
        seeds_of("9..0")


def test_that_the_time_left_counts_what_each_solver_took() -> None:
    stored = [{"problem": "block-placement", "sha256": str(n)} for n in range(10)]
    runs = wanted_runs(Plan(("cg-bp", "chain"), reference=None), stored)
    pace = Pace(runs, wanted=25)
    assert pace.left_s() is None
    for run in runs[:2]:
        pace.add(
            {"key": run.key, "wall_s": 9.0 if run.solver == "chain" else 1.0, "status": "hung"}
        )
    left = pace.left_s()
    assert left is not None
    assert left > 0
    assert pace.line().startswith("7 of 25 runs, 2 failed, ")


@pytest.fixture
def study_process(tmp_path: Path) -> Iterator[Any]:
    """Return a function that starts a study of 40 runs in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        solvers = ("--solvers", "cg-bp", "--reference", "none", "--seeds", "0..19", "--jobs", "2")
        where = (PRESET, "--instances", "2", "-o", str(tmp_path / "s"))
        process = subprocess.Popen(
            [sys.executable, "-m", "shardopt", "gap", *where, *solvers],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_that_a_study_survives_being_killed_again_and_again(
    tmp_path: Path, study_process: Any
) -> None:
    folder = tmp_path / "s"
    before: dict[str, tuple[Any, ...]] = {}
    for _ in range(2):
        process = study_process()
        wait_for(folder, len(before) + 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = kept(folder)
        assert before.items() <= after.items()  # nothing is lost, and nothing was made twice
        before = after
    assert len(before) < 40
    process = study_process()
    output = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert f"{len(before)} of 40 runs" in output[1]
    after = kept(folder)
    assert before.items() <= after.items()
    assert len(rows(folder)) == len(after) == 40


def test_that_ctrl_c_says_how_to_go_on(tmp_path: Path, study_process: Any) -> None:
    folder = tmp_path / "s"
    process = study_process()
    wait_for(folder, 3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    done = len(rows(folder))
    assert f"stopped: {done} of 40 runs are kept; `shardopt gap -o {folder}` goes on" in errors
    assert "Traceback" not in errors


def test_that_no_second_process_works_on_a_study(tmp_path: Path, study_process: Any) -> None:
    study_process()
    wait_for(tmp_path / "s", 1)
    result = gap(tmp_path / "s")
    assert result.exit_code == 2
    assert "another process" in result.stderr
