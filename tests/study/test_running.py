"""One run of a study: whatever a solver does becomes a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shardopt.instances.files import instance_sha256, instance_to_json
from shardopt.solvers.registry import find_solver
from shardopt.study import running
from shardopt.study.answers import Row
from shardopt.study.planning import Run
from shardopt.study.running import OtherCodeError, end_hosts, perform
from shardopt.study.store import RUN_COLUMNS
from shardopt.study.version import version_of
from study import unruly

INSTANCE = unruly.small()


@pytest.fixture(scope="module", autouse=True)
def unruly_host() -> Iterator[None]:
    """Let the runs of this file be made by one host that knows the unruly solvers."""
    with pytest.MonkeyPatch.context() as patch, unruly.registered():
        patch.setattr(running, "_HOST", "study.unruly")
        yield
        end_hosts()


def run_of(solver: str, **changes: Any) -> Run:
    row = find_solver(unruly.PROBLEM, solver)
    values: dict[str, Any] = {
        "problem": unruly.PROBLEM,
        "instance": instance_sha256(INSTANCE),
        "solver": row.name,
        "parameters": {},
        "seed": None,
        "version": version_of(unruly.PROBLEM, row),
        "role": "solver",
        "time_limit_s": 20.0,
        "threads": 1,
        "memory_limit_bytes": None,
    }
    return Run(**values | changes)


def row_of(solver: str, grace_s: float = 10.0, **changes: Any) -> Row:
    return perform(run_of(solver, **changes), instance_to_json(INSTANCE), grace_s=grace_s)


def test_that_a_row_has_every_column_of_the_store_and_what_the_solver_said() -> None:
    row = row_of("cg-bp", seed=3)
    assert set(row) == set(RUN_COLUMNS)
    assert (row["status"], row["termination"], row["seed"]) == ("feasible", "completed", 3)
    assert row["trace"][-1][1] == row["objective"]
    assert row["solution"]["placement"]
    json.dumps(row, allow_nan=False)


def test_that_a_solver_that_raises_is_a_crash_with_its_place() -> None:
    row = row_of("raising")
    assert row["status"] == "crashed"
    assert row["error"].startswith("ZeroDivisionError: by nothing (unruly.py, line ")


def test_that_a_segmentation_fault_is_a_crash_and_the_next_run_goes_on() -> None:
    row = row_of("segfaulting")
    assert row["status"] == "crashed"
    assert row["error"].startswith("killed by SIGSEGV (in ")
    assert row_of("cg-bp")["status"] == "feasible"


def test_that_a_process_that_leaves_is_a_crash_with_its_last_words() -> None:
    assert row_of("leaving")["error"] == "ended with exit code 7: goodbye"


def test_that_a_run_that_does_not_end_is_killed_and_called_hung() -> None:
    row = row_of("hanging", time_limit_s=0.2, grace_s=0.5)
    assert (row["status"], row["termination"]) == ("hung", "time-limit")
    assert "still running 0.5 s after its limit (in hanging: unruly.py" in row["error"]
    assert row["wall_s"] >= 0.7


def test_that_a_run_that_takes_too_much_memory_is_killed() -> None:
    row = row_of("greedy", memory_limit_bytes=3e8)
    assert (row["status"], row["termination"]) == ("out-of-memory", "memory-limit")
    assert row["error"] == "more than 0.28 GiB of memory"


def test_that_a_solver_that_is_not_made_for_an_instance_answers_unknown() -> None:
    row = row_of("refusing")
    assert row["status"] == "unknown"
    assert row["error"] == "refused: found too many clients, expected one client"


def test_that_an_objective_that_the_plan_does_not_have_is_invalid() -> None:
    row = row_of("lying")
    assert row["status"] == "invalid"
    assert row["error"].startswith("the plan is worth ")


def test_that_a_plan_that_breaks_a_rule_is_invalid() -> None:
    row = row_of("breaking")
    assert row["status"] == "invalid"
    assert row["error"].startswith("the plan ")


def test_that_what_a_solver_prints_and_a_long_answer_disturb_nothing() -> None:
    row = row_of("talkative")
    assert row["status"] == "feasible"
    assert len(row["extra"]["long"]) == 3000


def test_that_a_host_with_other_code_makes_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("study.unruly", "shardopt.study.host"):
        monkeypatch.setattr(running, "_HOST", host)
        end_hosts()
        with pytest.raises(OtherCodeError, match="install the same everywhere"):
            row_of("cg-bp", version="0.0.1+0123456789abcdef")
    end_hosts()


def test_that_a_host_that_dies_costs_its_run_and_no_other() -> None:
    row_of("cg-bp")
    running._host()._process.kill()
    assert row_of("cg-bp")["status"] == "crashed"
    assert row_of("cg-bp")["status"] == "feasible"
