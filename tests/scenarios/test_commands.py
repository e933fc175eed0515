"""From an empty folder to an exported plan, by commands alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import shardopt
from shardopt.cli import commands
from shardopt.instances.scenario.read import read_scenario
from shardopt.models.discover import problem_ids

ENGINE = {
    "cold-start": "llama.cpp",
    "block-placement": "petals",
    "partition-schedule": "llama.cpp",
    "replica-clustering": "sglang",
}
"""An engine that takes the template's plan."""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(line: str) -> Result:
    """Run a command in this process; it has to succeed."""
    result = CliRunner().invoke(commands, line.split())
    assert result.exit_code == 0, result.output
    return result


def refused(line: str) -> str:
    """Run a command that has to be refused as bad input; return what it says."""
    result = CliRunner().invoke(commands, line.split())
    assert result.exit_code == 2, result.output
    return result.output.strip()


@pytest.mark.parametrize("problem", problem_ids())
def test_that_five_commands_lead_to_an_exported_plan(problem: str) -> None:
    run(f"new cluster.toml --problem {problem}")
    run("build cluster.toml -o instance.json")
    run("solve cluster.toml -o plan.json")
    run("show cluster.toml plan.json")
    run(f"export cluster.toml plan.json --engine {ENGINE[problem]} -o plan.sh")
    found = json.loads(Path("plan.json").read_text(encoding="utf-8"))
    assert (found["problem"], found["status"]) == (problem, "optimal")
    assert subprocess.run(["sh", "-n", "plan.sh"], check=False).returncode == 0
    assert "workstation)" in Path("plan.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize("problem", problem_ids())
def test_that_the_built_instance_is_the_one_that_is_solved(problem: str) -> None:
    run("new cluster.toml")
    run(f"build cluster.toml --problem {problem} -o instance.json")
    assert shardopt.load("instance.json") == shardopt.load("cluster.toml", problem)
    run(f"solve cluster.toml --problem {problem} --solver heuristic -o plan.json")
    run("check instance.json plan.json")
    # The plan says which problem of the scenario it is for.
    run("check cluster.toml plan.json")
    run("show cluster.toml plan.json")
    run("export cluster.toml plan.json --engine json")


def test_that_what_was_derived_is_told() -> None:
    run("new cluster.toml")
    told = run("build cluster.toml -o instance.json").stdout
    for words in ("436.2 MB", "671.1 MB for 4 sessions", "19.2 GB", "RTX 4090", "own figures"):
        assert words in told


def test_that_an_instance_goes_to_stdout_without_a_file() -> None:
    run("new cluster.toml")
    made = json.loads(run("build cluster.toml --problem block-placement").stdout)
    assert (made["problem"], len(made["data"]["servers"])) == ("block-placement", 3)


def test_that_the_exported_model_is_that_of_the_scenario() -> None:
    run("new cluster.toml --problem block-placement")
    run("solve cluster.toml -o plan.json")
    assert "Meta-Llama-3-8B" in run("export cluster.toml plan.json --engine petals").stdout
    other = run("export cluster.toml plan.json --engine petals --model mine/copy").stdout
    assert "mine/copy" in other


def test_that_a_scenario_is_explained() -> None:
    run("new cluster.toml")
    told = run("explain cluster.toml --problem block-placement").stdout
    assert "without workstation" in told


def test_that_requests_arrive_at_a_scenario() -> None:
    run("new cluster.toml")
    run("solve cluster.toml --problem block-placement -o placed.json")
    by_plan = run("simulate cluster.toml placed.json --arrivals poisson:0.1 --requests 3 --json")
    by_name = run("simulate cluster.toml --problem partition-schedule --json")
    problems = [json.loads(told.stdout)["problem"] for told in (by_plan, by_name)]
    assert problems == ["block-placement", "partition-schedule"]


def test_that_the_template_says_what_it_is_for() -> None:
    for problem in problem_ids():
        run(f"new {problem}.toml --problem {problem}")
        assert read_scenario(f"{problem}.toml").problem == problem


def test_that_nothing_is_overwritten_without_being_told() -> None:
    Path("cluster.toml").write_text("mine", encoding="utf-8")
    assert "cluster.toml: found a file" in refused("new cluster.toml")
    assert Path("cluster.toml").read_text(encoding="utf-8") == "mine"
    run("new cluster.toml --force")
    assert read_scenario("cluster.toml").name == "cluster"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("new cluster.json", "a name that ends in .toml"),
        ("new none/cluster.toml", "No such file"),
        ("new cluster.toml --problem cold-stat", "did you mean cold-start?"),
        ("build none.toml", "none.toml: found no such file"),
        ("build instance.json", "a name that ends in .toml"),
        ("solve home.toml --problem coldstart", "did you mean cold-start?"),
        ("solve nothing.toml", "problem: found nothing, expected one of block-placement"),
        ("check home.toml home.toml", "home.toml: found"),
        ("show home.toml none.json", "none.json: found no such file"),
        ("build wrong.toml", 'machines[0].device: found "rtx-409" (did you mean rtx-4090'),
    ],
)
def test_that_bad_input_is_one_line(line: str, words: str) -> None:
    text = Path(shardopt.instances.__path__[0], "scenario", "template.toml").read_text("utf-8")
    Path("home.toml").write_text(text, "utf-8")
    Path("nothing.toml").write_text(text.replace('problem = "cold-start"', ""), "utf-8")
    Path("wrong.toml").write_text(text.replace("rtx-4090", "rtx-409"), "utf-8")
    message = refused(line)
    assert words in message
    assert "\n" not in message
