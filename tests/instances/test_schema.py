"""The JSON Schema that `shardopt schema` prints says what the reader accepts."""

import copy

import jsonschema
import pytest
from hypothesis import given

import shardopt
from cold_start.strategies import instances
from shardopt.instances.files import (
    instance_from_json,
    instance_to_json,
    json_schema,
    solution_to_json,
)
from shardopt.models.discover import problem_ids
from shardopt.models.errors import InputError


def csgo():
    return shardopt.generate("cold-start", "csgo-table1")


@pytest.mark.parametrize("problem", problem_ids())
@pytest.mark.parametrize("kind", ["instance", "solution"])
def test_that_the_schema_is_a_schema(problem, kind):
    jsonschema.Draft202012Validator.check_schema(json_schema(problem, kind))


@given(instances())
def test_that_every_instance_file_is_valid(instance):
    jsonschema.validate(instance_to_json(instance), json_schema("cold-start", "instance"))


def test_that_every_solution_file_is_valid():
    solution = shardopt.solve(csgo(), "even").solution
    schema = json_schema("cold-start", "solution")
    jsonschema.validate(solution_to_json(csgo(), solution), schema)


def spoilt(path, value) -> dict:
    """Return a valid instance file with ``value`` put at ``path``."""
    file = copy.deepcopy(instance_to_json(csgo()))
    *parents, last = path
    place = file
    for step in parents:
        place = place[step]
    place[last] = value
    return file


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["format"], "shardopt/2"),
        (["name"], ""),
        (["extra"], 1),
        (["data", "loading"], "lazy"),
        (["data", "blocks"], []),
        (["data", "blocks", 0, "repeat"], 0),
        (["data", "blocks", 0, "flops"], -1),
        (["data", "blocks", 0, "flops"], "1"),
        (["data", "devices", 1, "memory_bytes"], 0),
        (["data", "devices", 1, "speed"], 1),
    ],
)
def test_that_the_schema_refuses_what_the_reader_refuses(path, value):
    file = spoilt(path, value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(file, json_schema("cold-start", "instance"))
    with pytest.raises(InputError):
        instance_from_json(file)
