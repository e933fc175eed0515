"""``shardopt simulate``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import INSTANCE, run, write

FOLDER = Path(__file__).parents[1] / "data" / "block-placement"
NINE = str(FOLDER / "clustered-9-r8.json")
TRACE = str(FOLDER / "arrivals-0.1.csv")


def test_that_it_prints_a_table_with_and_without_the_delays() -> None:
    done = run("simulate", NINE, "--arrivals", TRACE, "--policy", "ws-rr,petals")
    assert done.exit_code == 0
    assert "no delays" not in done.output
    done = run("simulate", NINE, "--arrivals", TRACE, "--allocation-delay", "ws-rr=60")
    assert "ws-rr" in done.output and "no delays" in done.output and "s8" in done.output


def test_that_it_says_how_sure_a_difference_is() -> None:
    done = run("simulate", NINE, "--arrivals", TRACE, "--policy", "ws-rr,petals")
    assert "petals: +" in done.output and "95% confidence" in done.output


def test_that_json_is_one_object_with_the_metrics_of_each_policy() -> None:
    done = run(
        *("simulate", NINE, "--policy", "ws-rr,petals", "--arrivals", "poisson:0.2"),
        *("--requests", "20", "--seed", "3", "--json"),
    )
    found = json.loads(done.stdout)
    assert found["format"] == "shardopt-simulation/1"
    assert list(found["policies"]) == ["ws-rr", "petals"]
    assert found["policies"]["petals"]["design_sessions"] is None
    assert found["policies"]["ws-rr"]["completed"] == 20
    assert found["seed"] == 3


def test_that_events_are_written_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    done = run("simulate", NINE, "--arrivals", TRACE, "--requests", "5", "--events", str(file))
    assert done.exit_code == 0
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [event["event"] for event in events].count("end") == 5
    assert all(event["policy"] == "ws-rr" for event in events)


def test_that_a_plan_can_be_given(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    assert run("solve", NINE, "--solver", "cg-bp", "-o", str(plan)).exit_code == 0
    done = run("simulate", NINE, str(plan), "--arrivals", TRACE, "--json")
    assert json.loads(done.stdout)["policies"]["ws-rr"]["design_sessions"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arrivals", "poisson:1"], "requests"),
        (["--arrivals", "no.csv"], "no.csv"),
        (["--arrivals", TRACE, "--requests", "101"], "100 rows"),
        (["--arrivals", TRACE, "--policy", "wsrr"], "did you mean ws-rr"),
        (["--arrivals", TRACE, "--mode", "physical", "--no-backoff"], "no_backoff"),
        (["--arrivals", TRACE, "--fail", "s8@1-2"], "mode physical"),
        (["--arrivals", TRACE, "--events", "no/such/folder/x"], "no/such/folder/x"),
        ([], "arrivals"),
    ],
)
def test_that_bad_usage_gets_one_line_and_exit_code_2(arguments: list[str], message: str) -> None:
    done = run("simulate", NINE, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_that_a_problem_without_arrivals_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "instance.json", INSTANCE)
    done = run("simulate", file, "--arrivals", "period:1", "--requests", "1")
    assert done.exit_code == 2
    assert "cold-start" in done.stderr


@pytest.mark.parametrize(("memory", "code"), [(1e9, 3), (2e10, 4)])
def test_that_no_placement_has_its_exit_code(tmp_path: Path, memory: float, code: int) -> None:
    content = json.loads(Path(NINE).read_text(encoding="utf-8"))
    for server in content["data"]["servers"]:
        server["memory_bytes"] = memory
        server.pop("max_blocks", None)
    content["data"]["petals"] = {"reserve_bytes": 1.9e10}
    file = write(tmp_path / "instance.json", content)
    done = run("simulate", file, "--policy", "petals", "--arrivals", "period:1", "--requests", "1")
    assert done.exit_code == code


def test_that_a_picture_is_drawn_and_json_stays_short(tmp_path: Path) -> None:
    picture = tmp_path / "waits.svg"
    done = run("simulate", NINE, "--arrivals", TRACE, "-o", str(picture), "--json")
    assert done.exit_code == 0
    assert picture.read_text(encoding="utf-8").count("<svg") == 1
    assert "timeline" not in done.stdout
    assert str(picture) in done.stderr


def test_that_the_terminal_shows_how_many_are_in_the_system_over_time() -> None:
    done = run("simulate", NINE, "--arrivals", TRACE, "--policy", "ws-rr,petals")
    assert done.stdout.count("in system") == 2 and "▁" in done.stdout


@pytest.mark.parametrize(
    ("problem", "preset", "policy", "options"),
    [
        ("partition-schedule", "hyperion-llama3-8b", "arts", ["--slow", "cloud-1-l4:3@0-5"]),
        ("replica-clustering", "e2llm-testbed", "jsq", ["--requests", "20", "--mode", "physical"]),
    ],
)
def test_that_problems_with_arrivals_of_their_own_need_none(
    tmp_path: Path, problem: str, preset: str, policy: str, options: list[str]
) -> None:
    file = str(tmp_path / "instance.json")
    assert run("generate", problem, "--preset", preset, "-o", file).exit_code == 0
    done = run("simulate", file, "--policy", f"{policy},random", *options)
    assert done.exit_code == 0
    assert policy in done.stdout and "utilisation" in done.stdout
    assert ("throughput_per_s" in done.stdout) == (policy == "jsq")
    done = run("simulate", file, *options, "--json")
    found = json.loads(done.stdout)
    assert list(found["policies"]) == [policy]
    assert found["policies"][policy]["rejected"] == 0
    done = run("simulate", file, *options, "--allocation-delay", "5")
    assert done.exit_code == 2 and "allocation_delay" in done.stderr
