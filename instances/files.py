"""Instance and solution files of every problem."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from shardopt.instances.strict import read_json, shown, validate, write_json
from shardopt.models.discover import part, problem_ids, require_problem
from shardopt.models.errors import InputError
from shardopt.models.result import RESULT_FORMAT, SOLUTION_FORMAT, AnySolution

INSTANCE_FORMAT = "shardopt/1"


def read_instance(path: str | Path) -> Any:
    """Read an instance file (``.json`` or ``.json.gz``).

    Raises
    ------
    InputError
        With the file, the place in it, what was found and what was expected.
    """
    try:
        return instance_from_json(read_json(path))
    except InputError as error:
        raise error.in_file(str(path)) from None


def instance_from_json(value: Any) -> Any:
    """Return the instance that a parsed instance file describes."""
    problem = _problem_of(value, (INSTANCE_FORMAT,))
    schema = part(problem, "instances", "schema").InstanceFile
    return validate(schema, value).to_instance()


def instance_to_json(instance: Any) -> dict[str, Any]:
    """Return the instance file of an instance."""
    data_to_json = part(instance.problem, "instances", "schema").data_to_json
    return {
        "format": INSTANCE_FORMAT,
        "problem": instance.problem,
        "name": instance.name,
        "source": instance.source,
        "data": data_to_json(instance),
    }


def write_instance(path: str | Path, instance: Any) -> None:
    """Write an instance file; a name that ends in ``.gz`` is compressed."""
    write_json(path, instance_to_json(instance))


def instance_sha256(instance: Any) -> str:
    """Return a hash of what the instance says, the same for every way of writing it."""
    text = json.dumps(instance_to_json(instance), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_solution(path: str | Path, problem: str) -> AnySolution:
    """Read a solution file, or the solution of a result file.

    Raises
    ------
    InputError
        Also when the file belongs to another problem or holds no solution.
    """
    try:
        # What is no finite number is for the schema, or for the checker, to refuse.
        return solution_from_json(read_json(path, finite=False), problem)
    except InputError as error:
        raise error.in_file(str(path)) from None


def solution_from_json(value: Any, problem: str) -> AnySolution:
    """Return the solution in a parsed solution or result file."""
    found = _problem_of(value, (SOLUTION_FORMAT, RESULT_FORMAT))
    if found != problem:
        raise InputError(shown(found), f'"{problem}", the instance\'s problem', "problem")
    if value["format"] == SOLUTION_FORMAT:
        _only_keys(value, {"format", "problem", "instance", "solution"})
    if value.get("solution") is None:
        raise InputError(shown(value.get("solution")), "a solution", "solution")
    schema = part(problem, "instances", "schema").SolutionEntry
    try:
        solution: AnySolution = validate(schema, value["solution"]).to_solution()
    except InputError as error:
        path = f"solution.{error.path}" if error.path else "solution"
        raise InputError(error.found, error.expected, path) from None
    return solution


def json_schema(problem: str, kind: Literal["instance", "solution"]) -> dict[str, Any]:
    """Return the JSON Schema of a problem's instance file or solution file."""
    require_problem(problem)
    module = part(problem, "instances", "schema")
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    if kind == "instance":
        return dialect | dict(module.InstanceFile.model_json_schema())
    solution = module.SolutionEntry.model_json_schema()
    definitions = solution.pop("$defs", {})
    properties = {
        "format": {"const": SOLUTION_FORMAT},
        "problem": {"const": problem},
        "instance": {"type": "string"},
        "solution": solution,
    }
    return dialect | {
        "title": "SolutionFile",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "$defs": definitions,
    }


def solution_to_json(instance: Any, solution: AnySolution) -> dict[str, Any]:
    """Return the solution file of a solution."""
    return {
        "format": SOLUTION_FORMAT,
        "problem": instance.problem,
        "instance": instance.name,
        "solution": solution.to_json(),
    }


def _problem_of(value: Any, formats: tuple[str, ...]) -> str:
    if not isinstance(value, dict):
        raise InputError(shown(value), "a JSON object")
    choices = " or ".join(f'"{name}"' for name in formats)
    for key, expected in (("format", choices), ("problem", "a problem id")):
        if key not in value:
            raise InputError("nothing", expected, key)
    if value["format"] not in formats:
        raise InputError(shown(value["format"]), choices, "format")
    if value["problem"] not in problem_ids():
        known = ", ".join(f'"{name}"' for name in problem_ids())
        raise InputError(shown(value["problem"]), f"one of {known}", "problem")
    problem: str = value["problem"]
    return problem


def _only_keys(value: dict[str, Any], keys: set[str]) -> None:
    for key in sorted(keys - value.keys()):
        raise InputError("nothing", "this key", key)
    for key in sorted(value.keys() - keys):
        raise InputError("an unknown key", "only " + ", ".join(sorted(keys)), key)
    if not isinstance(value["instance"], str):
        raise InputError(shown(value["instance"]), "a string", "instance")
