"""The other commands: check, generate, solvers, show, schema, and what all commands share."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from commandline import INSTANCE, PLAN, instance, run, solution, write

import shardopt
from shardopt.cli import COMMANDS
from shardopt.models.discover import problem_ids
from shardopt.units import parse_bytes, printable


@pytest.fixture
def file(tmp_path: Path) -> str:
    return write(tmp_path / "instance.json", INSTANCE)


def test_that_the_version_is_the_package_s() -> None:
    assert run("--version").stdout == f"shardopt {shardopt.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_that_every_command_has_help_with_a_worked_example(command: str) -> None:
    text = run(command, "--help").stdout
    assert "Example:" in text
    assert f"shardopt {command} " in text


def test_that_a_feasible_plan_passes_the_check_with_its_objective(
    file: str, tmp_path: Path
) -> None:
    result = run("check", file, write(tmp_path / "plan.json", solution()), "--json")
    # ann: loads 1 s, computes 1 s. bob: loads 4 s, receives 0.5 s, computes 4 s.
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"feasible": True, "objective": 8.5, "violations": []}


def test_that_a_violated_constraint_is_listed_and_exits_with_1(file: str, tmp_path: Path) -> None:
    plan = write(tmp_path / "plan.json", solution(PLAN[:1]))
    result = run("check", file, plan, "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["feasible"], report["objective"]) == (1, False, None)
    assert set(report["violations"][0]) == {"constraint", "where", "amount", "message"}
    assert "last-block" in run("check", file, plan).stdout


def test_that_memory_alone_broken_leaves_an_objective(file: str, tmp_path: Path) -> None:
    everything = [{"device": "ann", "start": 0, "stop": 3}]
    plan = write(tmp_path / "plan.json", solution(everything))
    result = run("check", file, plan, "--json")
    assert (result.exit_code, json.loads(result.stdout)["objective"]) == (1, 10.0)


def test_that_a_generated_file_is_the_instance_of_the_python_call(tmp_path: Path) -> None:
    path = str(tmp_path / "typed.json.gz")
    options = ["--types", "2", "--per-type=3", "--loading", "layerwise", "--seed", "5"]
    assert run("generate", "cold-start", "--preset", "typed", *options, "-o", path).exit_code == 0
    called = shardopt.generate(
        "cold-start", "typed", types=2, per_type=3, loading="layerwise", seed=5
    )
    assert shardopt.load(path) == called


def test_that_generate_without_a_file_writes_to_stdout(tmp_path: Path) -> None:
    text = run("generate", "cold-start", "--preset", "csgo-table1", "--tokens", "256").stdout
    path = write(tmp_path / "piped.json", text)
    assert shardopt.load(path) == shardopt.generate("cold-start", "csgo-table1", tokens=256)


def test_that_generate_without_a_preset_lists_them_with_options_and_defaults() -> None:
    text = run("generate", "cold-start").stdout
    assert "typed" in text
    assert "--per-type 3" in text
    assert "--loading whole-run|layerwise" in text


@pytest.mark.parametrize("problem", problem_ids())
def test_that_solvers_lists_every_solver_with_its_properties(problem: str) -> None:
    listed = json.loads(run("solvers", problem, "--json").stdout)[problem]
    names = {row["name"] for row in listed["solvers"]}
    assert {"exact", "heuristic"} <= names | set(listed["aliases"])
    for row in listed["solvers"]:
        assert {"name", "kind", "proves_bounds", "warm_start", "available", "source"} <= set(row)
        assert row["name"] in run("solvers", problem).stdout


@pytest.mark.parametrize("problem", problem_ids())
def test_that_exact_can_be_told_from_the_list_of_solvers(problem: str) -> None:
    lines = run("solvers", problem).stdout.splitlines()
    assert any(line.split()[:1] == ["exact"] or " = exact " in line for line in lines)


def test_that_the_schema_accepts_what_the_reader_accepts(file: str) -> None:
    schema = json.loads(run("schema", "cold-start").stdout)
    jsonschema.validate(INSTANCE, schema)


@pytest.mark.parametrize(
    "wrong",
    [
        INSTANCE | {"colour": 1},
        INSTANCE | {"name": ""},
        instance(blocks=[]),
        instance(link_latency_s=None),
        instance(link_latency_s=-1),
        instance(links=None),
        instance(loading="lazy"),
    ],
)
def test_that_the_schema_refuses_what_the_reader_refuses(wrong: object) -> None:
    schema = json.loads(run("schema", "cold-start").stdout)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_that_the_schema_of_solutions_accepts_a_solution_file() -> None:
    schema = json.loads(run("schema", "cold-start", "--solution").stdout)
    jsonschema.validate(solution(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(solution([{"device": "ann", "start": "0", "stop": 1}]), schema)


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GiB", 8 * 2**30), ("8GB", 8e9), ("1.5 mb", 1.5e6), ("1000", 1000.0), ("2KiB", 2048.0)],
)
def test_that_gb_and_gib_are_never_mixed(text: str, size: float) -> None:
    assert parse_bytes(text) == size


def test_that_a_name_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[2J\nb") == r"a\x1b[2J\nb"
