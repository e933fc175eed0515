"""``shardopt solve``: exit codes, the JSON contract, what a person reads, files and Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commandline import BLOCK, DEVICE, INSTANCE, instance, run, run_process, solution, write

import shardopt
from shardopt.cli.progress import line
from shardopt.models.result import TracePoint
from shardopt.solvers.budget import OnProgress

UNEQUAL = instance(
    blocks=[BLOCK | {"repeat": 30}],
    devices=[
        DEVICE | {"name": "fast disk", "memory_bytes": 1000, "load_bytes_per_s": 100},
        DEVICE | {"name": "fast chip", "memory_bytes": 1000, "flops_per_s": 100},
    ],
)
NO_PLAN = instance(devices=[DEVICE | {"memory_bytes": 1}])


@pytest.fixture
def file(tmp_path: Path) -> str:
    return write(tmp_path / "instance.json", INSTANCE)


def test_that_the_default_solver_proves_its_answer(file: str) -> None:
    result = run("solve", file, "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["status"], answer["gap"]) == (0, "optimal", 0)


def test_that_json_is_one_object_and_everything_that_the_contract_asks_for(file: str) -> None:
    answer = json.loads(run("solve", file, "--solver", "even", "--json", "--seed", "7").stdout)
    expected = {
        "format": "shardopt-result/1",
        "problem": "cold-start",
        "instance": "three-blocks",
        "solver": "even",
        "sense": "min",
        "status": "feasible",
        "termination": "completed",
        "bound": None,
        "gap": None,
        "seed": 7,
    }
    assert {key: answer[key] for key in expected} == expected
    assert {"instance_sha256", "versions", "runtime_s", "build_s", "threads", "trace"} <= set(
        answer
    )


def test_that_people_read_objective_bound_and_gap_with_units_and_tolerance(file: str) -> None:
    text = run("solve", file).stdout
    for words in (
        "optimal",
        "time to first token",
        "lower bound",
        "0 % (optimal means",
        "0.0001 %",
    ):
        assert words in text


def test_that_people_read_the_stages_of_the_plan(file: str) -> None:
    text = run("solve", file, "--solver", "even").stdout
    for heading in ("device", "blocks", "memory", "load", "wait", "receive", "compute", "finish"):
        assert heading in text
    assert "[0, 1)" in text


def test_that_a_proof_of_infeasibility_exits_with_3(tmp_path: Path) -> None:
    result = run("solve", write(tmp_path / "i.json", NO_PLAN), "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["status"], answer["solution"]) == (3, "infeasible", None)


def test_that_a_heuristic_without_a_plan_exits_with_4(tmp_path: Path) -> None:
    result = run("solve", write(tmp_path / "i.json", NO_PLAN), "--solver", "even", "--json")
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (4, "unknown")


def test_that_a_reference_that_does_not_fit_says_its_number_on_stderr(tmp_path: Path) -> None:
    file = write(tmp_path / "i.json", NO_PLAN)
    result = run("solve", file, "--solver", "single-device", "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["status"], answer["solution"]) == (4, "unknown", None)
    assert "reference: single-device: 10 s" in result.stderr  # loads 10 / 2 s, computes 50 / 10 s


def test_that_a_reference_that_fits_is_a_solution(tmp_path: Path) -> None:
    file = write(tmp_path / "i.json", instance(devices=[DEVICE | {"memory_bytes": 100}]))
    assert run("solve", file, "--solver", "single-device").exit_code == 0


@pytest.mark.parametrize("name", ["result.json", "result.json.gz"])
def test_that_the_written_result_can_be_checked(file: str, tmp_path: Path, name: str) -> None:
    output = str(tmp_path / name)
    assert run("solve", file, "-o", output).exit_code == 0
    assert run("check", file, output).exit_code == 0


def test_that_options_of_the_solver_reach_it(tmp_path: Path) -> None:
    file = write(tmp_path / "i.json", UNEQUAL)
    shares = ["--set", "compute-unit=1e-9", "--set", "load_unit=1"]
    plain, tuned = (
        json.loads(run("solve", file, "--solver", "harmonic", "--json", *options).stdout)
        for options in ([], shares)
    )
    assert plain["solution"] != tuned["solution"]


def test_that_a_start_is_never_made_worse(file: str, tmp_path: Path) -> None:
    start = write(tmp_path / "start.json", solution())
    given = shardopt.check(shardopt.load(file), start).objective
    answer = json.loads(
        run("solve", file, "--solver", "order-search", "--start", start, "--json").stdout
    )
    assert given is not None and answer["objective"] <= given


def test_that_an_unexpected_error_is_one_line_without_a_traceback(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr(shardopt, "solve", fail)
    result = run("solve", file)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith(r"internal error: ZeroDivisionError: first line\nsecond line")
    assert "SHARDOPT_DEBUG=1" in result.stderr


def test_that_faults_are_warnings_on_stderr_and_leave_the_exit_code(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    honest = shardopt.solve(file, "even")
    faulty = replace(honest, faults=("a bound was contradicted",))
    monkeypatch.setattr(shardopt, "solve", lambda *_, **__: faulty)
    result = run("solve", file, "--json")
    assert (result.exit_code, result.stderr) == (0, "warning: a bound was contradicted\n")


def test_that_a_reader_who_has_seen_enough_gets_no_traceback(file: str) -> None:
    command = f"{sys.executable} -m shardopt generate cold-start --preset typed --spread 0.1"
    done = subprocess.run(
        ["bash", "-c", f"{command} --blocks 2000 | head -n 1"],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_that_a_stream_without_unicode_gets_substitutes(file: str, tmp_path: Path) -> None:
    plan = write(tmp_path / "plan.json", solution())
    done = run_process("show", file, plan, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert ":: load   .. wait   >> receive   ## compute" in done.stdout


def test_that_ctrl_c_returns_the_best_plan_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def press_ctrl_c_at_the_first_plan(*_: object) -> Iterator[OnProgress]:
        pressed: list[TracePoint] = []

        def on_progress(point: TracePoint) -> None:
            if point.objective is not None and not pressed:
                pressed.append(point)
                signal.raise_signal(signal.SIGINT)

        yield on_progress

    monkeypatch.setattr("shardopt.cli.progress.progress", press_ctrl_c_at_the_first_plan)
    file = str(tmp_path / "large.json")
    shardopt.save(
        file, shardopt.generate("cold-start", "random-edge", devices=60, blocks=200, spread=0.3)
    )
    result = run("solve", file, "--json", "--time-limit", "1000")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["termination"]) == (0, "interrupted")
    assert answer["solution"] is not None


def test_that_progress_shows_incumbent_bound_and_gap() -> None:
    text = line(TracePoint(1.0, 4.0, 3.0), "s", 12.3, 60.0)
    assert text.startswith("best 4 s, bound 3 s, gap 25 %  (12 of 60 s")
    assert line(TracePoint(0.0, None, None), "s", 1.0, 60.0).startswith("best none yet, bound none")
