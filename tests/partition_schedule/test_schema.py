"""Instance and solution files: nothing is lost, and everything wrong is told with its place."""

import copy
import json

import jsonschema
import pytest
from hypothesis import given

import shardopt
from cli.commandline import run
from partition_schedule.brute import brute_force
from partition_schedule.draws import random_plan, tiny_instance, tiny_instances
from partition_schedule.instances import OBJECTIVES, golden
from shardopt.instances.files import (
    instance_from_json,
    instance_sha256,
    instance_to_json,
    json_schema,
    solution_from_json,
    solution_to_json,
    write_instance,
)
from shardopt.models.errors import InputError

PROBLEM = "partition-schedule"


@given(tiny_instances())
def test_that_an_instance_survives_its_file(instance):
    file = json.loads(json.dumps(instance_to_json(instance), allow_nan=False))
    assert instance_from_json(file) == instance
    jsonschema.validate(file, json_schema(PROBLEM, "instance"))


def test_that_a_solution_survives_its_file():
    schema = json_schema(PROBLEM, "solution")
    for seed in range(30):
        instance = tiny_instance(seed, OBJECTIVES[seed % 3])
        solution = random_plan(instance, seed)
        if solution is not None:
            file = json.loads(json.dumps(solution_to_json(instance, solution)))
            assert solution_from_json(file, PROBLEM) == solution
            jsonschema.validate(file, schema)


def test_that_equal_blocks_are_written_once():
    made = golden("hyperion-llama3-8b", "bottleneck")
    (entry,) = instance_to_json(made)["data"]["blocks"]
    assert entry == {
        "repeat": 32,
        "flops_per_token": 436207616,
        "weight_bytes": 436224000,
        "activation_bytes_per_token": 8192,
    }


def valid() -> dict:
    return {
        "format": "shardopt/1",
        "problem": PROBLEM,
        "name": "valid",
        "source": "tests",
        "data": {
            "blocks": [
                {
                    "repeat": 2,
                    "flops_per_token": 2.5,
                    "weight_bytes": 8,
                    "activation_bytes_per_token": 3,
                },
                {"flops_per_token": 1, "weight_bytes": 0, "activation_bytes_per_token": 0},
            ],
            "tiers": [
                {
                    "name": "near",
                    "nodes": [
                        {"name": "n1", "flops_per_s": 1, "memory_bytes": 8},
                        {"name": "n2", "flops_per_s": 2, "memory_bytes": 9},
                    ],
                },
                {"name": "far", "nodes": [{"name": "f1", "flops_per_s": 4, "memory_bytes": 20}]},
            ],
            "links": [{"latency_s": 0, "bytes_per_s": 0.5}],
            "requests": [{"arrival_s": 0.25, "tokens": 3}, {"arrival_s": 0, "tokens": 1}],
            "objective": "mean-latency",
        },
    }


def spoilt(path: str, value) -> dict:
    """Return a valid file with ``value`` at ``path``, dots between the steps; None deletes."""
    file = copy.deepcopy(valid())
    *parents, last = (int(step) if step.isdigit() else step for step in path.split("."))
    place = file
    for step in parents:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return file


def test_that_what_a_file_says_is_what_is_read():
    instance = instance_from_json(valid())
    assert [b.flops_per_token for b in instance.blocks] == [2.5, 2.5, 1.0]
    assert [t.name for t in instance.tiers] == ["near", "far"]
    assert instance.requests[0].tokens == 3
    assert instance_to_json(instance) == valid()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.blocks.0.weight_bytes", 8.0),
        ("data.blocks.0.repeat", 1),
        ("data.tiers.0.nodes.0.memory_bytes", 8.0),
        ("data.links.0.latency_s", 0.0),
        ("data.requests.1.arrival_s", 0.0),
    ],
)
def test_that_the_hash_does_not_depend_on_how_a_number_is_written(path, value):
    file = spoilt(path, value)
    if path.endswith("repeat"):
        file["data"]["blocks"].insert(0, file["data"]["blocks"][0])
    assert instance_sha256(instance_from_json(file)) == instance_sha256(instance_from_json(valid()))


def test_that_bytes_are_kept_to_the_last_one():
    bytes_ = 10**30 - 1
    file = spoilt("data.tiers.1.nodes.0.memory_bytes", bytes_)
    instance = instance_from_json(file)
    assert instance.tiers[1].nodes[0].memory_bytes == bytes_
    assert instance_to_json(instance) == file
    assert (
        instance_from_json(spoilt("data.blocks.0.weight_bytes", 8e9)).blocks[0]
        == (instance_from_json(spoilt("data.blocks.0.weight_bytes", 8_000_000_000)).blocks[0])
    )


BLOCK, NODE = "data.blocks.0", "data.tiers.0.nodes.1"
REFUSED_BY_THE_SCHEMA_TOO = [
    ("format", "shardopt/2"),
    ("name", ""),
    ("source", None),
    ("extra", 1),
    ("data", []),
    ("data.extra", 1),
    ("data.blocks", []),
    ("data.blocks", None),
    (f"{BLOCK}.repeat", 0),
    (f"{BLOCK}.repeat", 1.5),
    (f"{BLOCK}.repeat", True),
    (f"{BLOCK}.flops_per_token", 0),
    (f"{BLOCK}.flops_per_token", 9e-10),
    (f"{BLOCK}.flops_per_token", 1.1e30),
    (f"{BLOCK}.flops_per_token", "1"),
    (f"{BLOCK}.flops_per_token", None),
    (f"{BLOCK}.weight_bytes", -1),
    (f"{BLOCK}.weight_bytes", 0.5),
    (f"{BLOCK}.weight_bytes", True),
    (f"{BLOCK}.weight_bytes", "8"),
    (f"{BLOCK}.weight_bytes", 1.1e30),
    (f"{BLOCK}.activation_bytes_per_token", -1),
    (f"{BLOCK}.activation_bytes_per_token", 2.5),
    (f"{BLOCK}.flops", 1),
    ("data.tiers", []),
    ("data.tiers.0.name", ""),
    ("data.tiers.0.nodes", []),
    ("data.tiers.0.speed", 1),
    (f"{NODE}.name", ""),
    (f"{NODE}.flops_per_s", 0),
    (f"{NODE}.flops_per_s", True),
    (f"{NODE}.memory_bytes", 0),
    (f"{NODE}.memory_bytes", 0.5),
    (f"{NODE}.memory_bytes", None),
    (f"{NODE}.disk", 1),
    ("data.links", None),
    ("data.links.0.latency_s", -0.1),
    ("data.links.0.bytes_per_s", 0),
    ("data.links.0.bytes_per_s", "fast"),
    ("data.links.0.extra", 1),
    ("data.requests", []),
    ("data.requests.0.arrival_s", -1),
    ("data.requests.0.arrival_s", 1.1e30),
    ("data.requests.0.tokens", 0),
    ("data.requests.0.tokens", 12.5),
    ("data.requests.0.tokens", "12"),
    ("data.requests.0.extra", 1),
    ("data.objective", "throughput"),
    ("data.objective", None),
]
REFUSED_BY_THE_READER = [
    ("problem", "partition-scheduling", "problem"),
    (f"{BLOCK}.repeat", 2.0, "data.blocks[0].repeat"),
    (f"{BLOCK}.repeat", 10_000, "data.blocks"),
    (f"{BLOCK}.repeat", 10**400, "data.blocks"),
    (f"{BLOCK}.weight_bytes", 10**400, "data.blocks[0].weight_bytes"),
    (f"{BLOCK}.flops_per_token", 10**400, "data.blocks[0].flops_per_token"),
    ("data.requests.0.tokens", 3.0, "data.requests[0].tokens"),
    ("data.tiers.1.name", "near", "data.tiers[1].name"),
    ("data.tiers.0.nodes.1.name", "n1", "data.tiers[0].nodes[1].name"),
    ("data.tiers.1.nodes.0.name", "n2", "data.tiers[1].nodes[0].name"),
    ("data.links", [], "data.links"),
    ("data.links", [{"latency_s": 0, "bytes_per_s": 1}] * 2, "data.links"),
    ("data.objective", "bottleneck", "data.requests"),
]


def told(path: str) -> str:
    """Return a path as errors write it."""
    steps = path.split(".")
    return "".join(f"[{s}]" if s.isdigit() else f".{s}" for s in steps).removeprefix(".")


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [(path, value, told(path)) for path, value in REFUSED_BY_THE_SCHEMA_TOO]
    + REFUSED_BY_THE_READER,
)
def test_that_the_reader_refuses_a_spoilt_file_and_names_the_place(path, value, where):
    with pytest.raises(InputError) as error:
        instance_from_json(spoilt(path, value))
    assert error.value.path == where
    assert error.value.found
    assert error.value.expected


@pytest.mark.parametrize(("path", "value"), REFUSED_BY_THE_SCHEMA_TOO)
def test_that_the_json_schema_refuses_it_as_well(path, value):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt(path, value), json_schema(PROBLEM, "instance"))


def test_that_absent_is_not_null():
    with pytest.raises(InputError):
        instance_from_json(json.loads(json.dumps(valid()).replace('"repeat": 2', '"repeat": null')))


@pytest.mark.parametrize(
    ("entry", "most", "path"),
    [
        ({"name": "{}", "flops_per_s": 1, "memory_bytes": 1}, 10_000, "data.tiers.0.nodes"),
        ({"name": "{}", "nodes": [{"name": "{}", "flops_per_s": 1, "memory_bytes": 1}]},
         100, "data.tiers"),
    ],
)  # fmt: skip
def test_that_more_nodes_or_tiers_than_allowed_are_refused(entry, most, path):
    many = [json.loads(json.dumps(entry).replace("{}", f"x{n}")) for n in range(most + 1)]
    with pytest.raises(InputError) as error:
        instance_from_json(spoilt(path, many))
    assert error.value.path == "data.tiers"


def test_that_fewer_blocks_than_tiers_are_no_bad_input():
    file = valid()
    file["data"]["blocks"] = file["data"]["blocks"][1:]
    assert len(instance_from_json(file).blocks) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", "empty"),
        (b"[]", "object"),
        (b'{"format": "shardopt/1"', "JSON"),
        (b'{"format": "\xff"}', "UTF-8"),
        (b'{"format": "shardopt/1", "x": NaN}', "number"),
        (b'{"format": "shardopt/1", "x": 1e400}', "number"),
        (b'{"format": "shardopt/1", "format": "shardopt/1"}', "twice"),
    ],
)
def test_that_a_file_that_is_no_json_object_is_refused(tmp_path, text, found):
    path = tmp_path / "broken.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match=found):
        shardopt.load(path)


SOLUTION = {
    "format": "shardopt-solution/1",
    "problem": PROBLEM,
    "instance": "x",
    "solution": {
        "cuts": [1],
        "assignments": [
            {"request": 0, "nodes": ["n1", "f1"], "start_s": [0.25, 30]},
            {"request": 1, "nodes": ["n2", "f1"], "start_s": [0.0, 10.0]},
        ],
    },
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("cuts", 1),
        ("cuts", ["1"]),
        ("cuts", [True]),
        ("cuts", [None]),
        ("extra", 1),
        ("assignments", {}),
        ("assignments.0.request", "0"),
        ("assignments.0.request", 0.5),
        ("assignments.0.request", True),
        ("assignments.0.nodes", "n1"),
        ("assignments.0.nodes", [1, 2]),
        ("assignments.0.start_s", 0),
        ("assignments.0.start_s", [True, 2]),
        ("assignments.0.start_s", ["0", 2]),
        ("assignments.0.end_s", [1, 2]),
    ],
)
def test_that_a_solution_of_wrong_types_or_keys_is_bad_input(path, value):
    file = copy.deepcopy(SOLUTION)
    *parents, last = (int(step) if step.isdigit() else step for step in path.split("."))
    place = file["solution"]
    for step in parents:
        place = place[step]
    place[last] = value
    with pytest.raises(InputError) as error:
        solution_from_json(file, PROBLEM)
    assert error.value.path.startswith(f"solution.{told(path)}")


@pytest.mark.parametrize(
    ("old", "new", "constraint"),
    [
        ('"cuts": [1]', '"cuts": [1.5]', "cut-order"),
        ('"cuts": [1]', '"cuts": [NaN]', "cut-order"),
        ('"cuts": [1]', '"cuts": [-1]', "cut-order"),
        ('"cuts": [1]', '"cuts": [1e400]', "cut-order"),
        ('"cuts": [1]', '"cuts": []', "cut-order"),
        ("30", "NaN", "start"),
        ("30", "Infinity", "start"),
        ("30", "-1e400", "start"),
        ("30", "1" + "0" * 400, "start"),
        ('"request": 0', '"request": 7', "served-once"),
        ('"n1", "f1"', '"f1"', "node-of-tier"),
        ("30", "-30", "precedence"),
    ],
)
def test_that_what_the_checker_is_for_is_a_violation_and_no_bad_input(
    tmp_path, old, new, constraint
):
    write_instance(tmp_path / "instance.json", instance_from_json(valid()))
    (tmp_path / "plan.json").write_text(json.dumps(SOLUTION).replace(old, new, 1))
    told = run("check", str(tmp_path / "instance.json"), str(tmp_path / "plan.json"), "--json")
    report = json.loads(told.stdout)
    assert told.exit_code == 1
    assert constraint in {violation["constraint"] for violation in report["violations"]}


def test_that_a_whole_cut_may_be_written_with_a_point():
    file = json.loads(json.dumps(SOLUTION).replace("[1]", "[1.0]", 1))
    solution = solution_from_json(file, PROBLEM)
    assert json.dumps(solution.to_json()["cuts"]) == "[1]"
    assert shardopt.check(instance_from_json(valid()), solution).feasible


def test_that_an_optimal_plan_is_read_from_a_file(tmp_path):
    instance = instance_from_json(valid())
    best = brute_force(instance)
    text = json.dumps(solution_to_json(instance, best.solution))
    (tmp_path / "plan.json").write_text(text)
    write_instance(tmp_path / "instance.json", instance)
    told = run("check", str(tmp_path / "instance.json"), str(tmp_path / "plan.json"), "--json")
    assert told.exit_code == 0
    assert json.loads(told.stdout)["objective"] == best.value
