"""Instance and solution files: nothing is lost, and everything wrong is told with its place."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given

import shardopt
from cli.commandline import run
from replica_clustering.draws import planned, tiny_instances
from replica_clustering.hand import AB_BEST, make
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

PROBLEM = "replica-clustering"
INSTANCE_SCHEMA = json_schema(PROBLEM, "instance")
SOLUTION_SCHEMA = json_schema(PROBLEM, "solution")


@given(tiny_instances())
def test_that_an_instance_survives_its_file(instance):
    file = json.loads(json.dumps(instance_to_json(instance), allow_nan=False))
    assert instance_from_json(file) == instance
    jsonschema.validate(file, INSTANCE_SCHEMA)


@given(planned())
def test_that_a_solution_survives_its_file(case):
    file = json.loads(json.dumps(solution_to_json(*case)))
    assert solution_from_json(file, PROBLEM) == case[1]
    jsonschema.validate(file, SOLUTION_SCHEMA)


def device(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "memory_bytes": 100,
        "prefill_s_per_token_per_block": 0.001,
        "decode_s_per_block": [0.01, 0.015],
        "head_prefill_s_per_token": 0,
        "head_decode_s": [0, 0.5],
    }


def valid() -> dict[str, Any]:
    """Return a file with a uniform LAN."""
    return {
        "format": "shardopt/1",
        "problem": PROBLEM,
        "name": "valid",
        "source": "tests",
        "data": {
            "model": {
                "blocks": 4,
                "block_weight_bytes": 10,
                "head_weight_bytes": 0,
                "cache_bytes_per_token_per_block": 0.5,
                "activation_bytes_per_token": 2,
            },
            "devices": [device("ann"), device("bob")],
            "link": {"bytes_per_s": 1000, "latency_s": 0.25},
            "workload": {
                "input_tokens": 100.5,
                "output_tokens": 50,
                "arrival_period_s": 1,
                "min_tokens_per_s": 0,
                "max_batch": 2,
            },
        },
    }


def linked() -> dict[str, Any]:
    """Return a file with links of their own for every pair."""
    file = valid()
    del file["data"]["link"]
    file["data"]["links"] = {
        "bytes_per_s": [[None, 100], [50.5, None]],
        "latency_s": [[None, 0], [0.25, None]],
    }
    return file


def spoilt(path: str, value: Any, file: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a valid file with ``value`` at ``path``, dots between the steps; None deletes."""
    file = copy.deepcopy(valid() if file is None else file)
    *parents, last = (int(step) if step.isdigit() else step for step in path.split("."))
    place: Any = file
    for step in parents:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return file


def told(path: str) -> str:
    """Return a path as errors write it."""
    steps = path.split(".")
    return "".join(f"[{s}]" if s.isdigit() else f".{s}" for s in steps).removeprefix(".")


@pytest.mark.parametrize("file", [valid(), linked()], ids=["link", "links"])
def test_that_what_a_file_says_is_what_is_read(file):
    instance = instance_from_json(file)
    assert [d.name for d in instance.devices] == ["ann", "bob"]
    assert instance.devices[1].decode_s_per_block == (0.01, 0.015)
    assert instance.workload.input_tokens == 100.5
    assert (instance.link is None) == (instance.links is not None) == ("links" in file["data"])
    assert instance_to_json(instance) == file


def test_that_links_are_read_from_sender_to_receiver():
    links = instance_from_json(linked()).links
    assert links is not None
    assert (links.bytes_per_s[0][1], links.bytes_per_s[1][0]) == (100.0, 50.5)
    assert (links.latency_s[0][1], links.latency_s[1][0]) == (0.0, 0.25)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.devices.0.memory_bytes", 100.0),
        ("data.devices.0.head_decode_s.0", 0.0),
        ("data.model.block_weight_bytes", 1e1),
        ("data.link.bytes_per_s", 1e3),
        ("data.workload.output_tokens", 50.0),
    ],
)
def test_that_the_hash_does_not_depend_on_how_a_number_is_written(path, value):
    other = instance_from_json(spoilt(path, value))
    assert instance_sha256(other) == instance_sha256(instance_from_json(valid()))


@pytest.mark.parametrize("value", [0, 7.5, 1e30])
def test_that_the_diagonal_of_links_is_unused(value):
    for matrix in ("bytes_per_s", "latency_s"):
        file = spoilt(f"data.links.{matrix}.1.1", value, linked())
        assert instance_from_json(file) == instance_from_json(linked())


def test_that_profiles_may_be_longer_than_the_largest_batch():
    file = spoilt("data.workload.max_batch", 1)
    instance = instance_from_json(file)
    assert instance.devices[0].decode_s_per_block == (0.01, 0.015)
    assert instance_to_json(instance) == file


def test_that_the_least_positive_number_is_taken():
    for path in ("data.model.block_weight_bytes", "data.devices.1.decode_s_per_block.1"):
        instance_from_json(spoilt(path, 1e-15))


M, D, W = "data.model", "data.devices.0", "data.workload"
REFUSED_BY_THE_SCHEMA_TOO = [
    ("format", "shardopt/2"),
    ("name", ""),
    ("source", None),
    ("extra", 1),
    ("data", []),
    ("data", None),
    ("data.extra", 1),
    (M, None),
    (f"{M}.blocks", 0),
    (f"{M}.blocks", 10_001),
    (f"{M}.blocks", 4.5),
    (f"{M}.blocks", True),
    (f"{M}.blocks", "4"),
    (f"{M}.blocks", None),
    (f"{M}.block_weight_bytes", 0),
    (f"{M}.block_weight_bytes", 9e-16),
    (f"{M}.block_weight_bytes", 1.1e30),
    (f"{M}.head_weight_bytes", -1),
    (f"{M}.cache_bytes_per_token_per_block", -0.1),
    (f"{M}.activation_bytes_per_token", "2"),
    (f"{M}.hidden", 1),
    ("data.devices", []),
    ("data.devices", None),
    (f"{D}.name", ""),
    (f"{D}.name", 1),
    (f"{D}.memory_bytes", 0),
    (f"{D}.memory_bytes", None),
    (f"{D}.prefill_s_per_token_per_block", 0),
    (f"{D}.prefill_s_per_token_per_block", True),
    (f"{D}.decode_s_per_block", []),
    (f"{D}.decode_s_per_block", 0.01),
    (f"{D}.decode_s_per_block.1", 0),
    (f"{D}.decode_s_per_block.1", "0.1"),
    (f"{D}.head_prefill_s_per_token", -1),
    (f"{D}.head_decode_s", {}),
    (f"{D}.head_decode_s.0", -0.5),
    (f"{D}.head_decode_s.0", 1.1e30),
    (f"{D}.speed", 1),
    ("data.link.bytes_per_s", 0),
    ("data.link.bytes_per_s", None),
    ("data.link.latency_s", -0.1),
    ("data.link.extra", 1),
    ("data.link", 5),
    (W, None),
    (f"{W}.input_tokens", 0),
    (f"{W}.output_tokens", -3),
    (f"{W}.output_tokens", "50"),
    (f"{W}.arrival_period_s", 0),
    (f"{W}.min_tokens_per_s", -1),
    (f"{W}.max_batch", 0),
    (f"{W}.max_batch", 1.5),
    (f"{W}.max_batch", 1025),
    (f"{W}.max_batch", 10**9),
    (f"{W}.extra", 1),
]
REFUSED_BY_THE_READER = [
    ("problem", "replica-cluster", "problem"),
    (f"{M}.blocks", 4.0, "data.model.blocks"),
    (f"{M}.blocks", 10**400, "data.model.blocks"),
    (f"{M}.block_weight_bytes", 10**400, "data.model.block_weight_bytes"),
    (f"{W}.max_batch", 2.0, "data.workload.max_batch"),
    (f"{W}.max_batch", 10**400, "data.workload.max_batch"),
    (f"{W}.max_batch", 3, "data.devices[0].decode_s_per_block"),
    (f"{W}.max_batch", 1024, "data.devices[0].decode_s_per_block"),
    ("data.devices.1.decode_s_per_block", [0.1], "data.devices[1].decode_s_per_block"),
    ("data.devices.1.head_decode_s", [0], "data.devices[1].head_decode_s"),
    ("data.devices.1.name", "ann", "data.devices[1].name"),
    ("data.link", None, "data.link"),
    ("data.links", linked()["data"]["links"], "data.links"),
]


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
        jsonschema.validate(spoilt(path, value), INSTANCE_SCHEMA)


@pytest.mark.parametrize("matrix", ["bytes_per_s", "latency_s"])
@pytest.mark.parametrize(
    ("step", "value"),
    [
        ("", None),
        ("", []),
        ("", [[None, 1]]),
        ("", [[None, 1], [1, None], [1, 1]]),
        (".0", []),
        (".1", [1]),
        (".1", [1, None, 1]),
        (".0", 5),
        (".0.1", "fast"),
        (".0.1", True),
        (".0.1", -1),
        (".0.1", 1.1e30),
        (".0.1", 10**400),
        (".1.1", -1),
        (".1.1", "none"),
        (".1.1", 1.1e30),
    ],
)
def test_that_a_spoilt_matrix_is_refused_with_its_place(matrix, step, value):
    path = f"data.links.{matrix}{step}"
    with pytest.raises(InputError) as error:
        instance_from_json(spoilt(path, value, linked()))
    assert error.value.path == told(path)


def test_that_only_bandwidths_must_be_positive():
    instance_from_json(spoilt("data.links.latency_s.0.1", 0, linked()))
    for value in (0, 9e-16):
        with pytest.raises(InputError, match=r"data\.links\.bytes_per_s\[0\]\[1\]"):
            instance_from_json(spoilt("data.links.bytes_per_s.0.1", value, linked()))


def test_that_a_missing_link_between_two_devices_is_refused():
    file = linked()
    file["data"]["links"]["bytes_per_s"][0][1] = None
    with pytest.raises(InputError, match=r"data\.links\.bytes_per_s\[0\]\[1\]"):
        instance_from_json(file)


@pytest.mark.parametrize("key", ["link", "links"])
def test_that_absent_is_not_null(key):
    file = linked() if key == "link" else valid()
    file["data"][key] = None
    with pytest.raises(InputError, match=key):
        instance_from_json(file)


def test_that_more_devices_than_allowed_are_refused():
    with pytest.raises(InputError) as error:
        instance_from_json(spoilt("data.devices", [device(f"d{n}") for n in range(1001)]))
    assert error.value.path == "data.devices"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", "empty"),
        (b"[]", "object"),
        (json.dumps(valid()).encode()[:200], "JSON"),
        (b'{"format": "\xff"}', "UTF-8"),
        (json.dumps(valid()).replace("0.25", "1e999").encode(), r"data\.link\.latency_s"),
        (json.dumps(valid()).replace("0.25", "NaN").encode(), r"data\.link\.latency_s"),
        (json.dumps(valid()).replace("0.25", "9" * 400).encode(), r"data\.link\.latency_s"),
        (b'{"format": "shardopt/1", "format": "shardopt/1"}', "twice"),
    ],
)
def test_that_a_file_that_is_no_strict_json_is_refused(tmp_path, text, found):
    path = tmp_path / "broken.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match=found):
        shardopt.load(path)


SOLUTION = solution_to_json(make("ab"), AB_BEST)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("extra", 1),
        ("replicas", {}),
        ("replicas", None),
        ("replicas.0", []),
        ("replicas.0.role", "both"),
        ("replicas.0.role", "Prefill"),
        ("replicas.0.role", None),
        ("replicas.0.batch", "1"),
        ("replicas.0.batch", 1.0),
        ("replicas.0.batch", True),
        ("replicas.0.batch", 10**30),
        ("replicas.0.batch", None),
        ("replicas.0.master", 1),
        ("replicas.0.master", None),
        ("replicas.0.speed", 1),
        ("replicas.0.stages", "b1"),
        ("replicas.0.stages.0.device", 5),
        ("replicas.0.stages.0.start", 0.0),
        ("replicas.0.stages.0.stop", "4"),
        ("replicas.0.stages.0.stop", None),
        ("replicas.0.stages.0.blocks", 4),
    ],
)
def test_that_a_solution_of_wrong_types_or_keys_is_bad_input(path, value):
    file = json.loads(json.dumps(SOLUTION))
    with pytest.raises(InputError) as error:
        solution_from_json(spoilt(f"solution.{path}", value, file), PROBLEM)
    assert error.value.path == f"solution.{told(path)}"


@pytest.mark.parametrize(
    ("old", "new", "constraint"),
    [
        ('"batch": 1', '"batch": 0', "batch-range"),
        ('"batch": 2', '"batch": 9007199254740992', "batch-range"),
        ('"start": 0', '"start": -9007199254740992', "cover"),
        ('"device": "b1"', '"device": "x"', "device-known"),
        ('"master": "a1"', '"master": "b1"', "master-in-replica"),
        ('"role": "decode", "batch": 2', '"role": "prefill", "batch": 1', "role-count"),
    ],
)
def test_that_what_the_checker_is_for_is_a_violation_and_no_bad_input(
    tmp_path, old, new, constraint
):
    text = json.dumps(SOLUTION)
    assert old in text
    write_instance(tmp_path / "instance.json", make("ab"))
    (tmp_path / "plan.json").write_text(text.replace(old, new, 1))
    said = run("check", str(tmp_path / "instance.json"), str(tmp_path / "plan.json"), "--json")
    report = json.loads(said.stdout)
    assert said.exit_code == 1
    assert constraint in {violation["constraint"] for violation in report["violations"]}


def test_that_a_plan_is_read_from_a_file_and_checked(tmp_path):
    write_instance(tmp_path / "instance.json", make("ab"))
    (tmp_path / "plan.json").write_text(json.dumps(SOLUTION))
    said = run("check", str(tmp_path / "instance.json"), str(tmp_path / "plan.json"), "--json")
    assert said.exit_code == 0
    assert json.loads(said.stdout)["objective"] == pytest.approx(1.5)
