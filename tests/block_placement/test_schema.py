"""Instance and solution files: nothing is lost, and everything wrong is told with its place."""

import copy
import json

import jsonschema
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import shardopt
from block_placement import golden
from block_placement.brute import brute_force
from block_placement.instances import tiny_instance, tiny_instances, with_petals
from shardopt.instances.files import (
    instance_from_json,
    instance_sha256,
    instance_to_json,
    json_schema,
    solution_from_json,
    solution_to_json,
)
from shardopt.models.errors import InputError

VALUES = ("expected.json", "online.json")
GOLDEN = sorted(path for path in golden.FOLDER.glob("*.json") if path.name not in VALUES)


@given(tiny_instances(), st.integers(0, 1000) | st.none())
def test_that_an_instance_survives_its_file(instance, petals):
    if petals is not None:
        instance = with_petals(instance, petals)
    assume(all((server.max_blocks or 1) <= instance.block_count for server in instance.servers))
    file = json.loads(json.dumps(instance_to_json(instance), allow_nan=False))
    assert instance_from_json(file) == instance
    jsonschema.validate(file, json_schema("block-placement", "instance"))


def test_that_a_solution_survives_its_file():
    schema = json_schema("block-placement", "solution")
    for seed in range(40):
        instance = tiny_instance(seed)
        solution = brute_force(instance).solution
        if solution is not None:
            file = json.loads(json.dumps(solution_to_json(instance, solution)))
            assert solution_from_json(file, "block-placement") == solution
            jsonschema.validate(file, schema)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_that_a_golden_file_is_read_and_written_without_loss(path):
    instance = shardopt.load(path)
    again = instance_from_json(instance_to_json(instance))
    assert again == instance
    assert instance_sha256(again) == instance_sha256(instance)
    read, written = json.loads(path.read_text())["data"], instance_to_json(instance)["data"]
    assert read == written


def test_that_more_blocks_than_there_are_mean_all_of_them():
    file = valid()
    file["data"]["servers"][0]["max_blocks"] = 10**30
    assert instance_from_json(file).servers[0].max_blocks == 70


def test_that_what_may_be_left_out_has_its_default():
    file = valid()
    del file["data"]["petals"], file["data"]["servers"][0]["max_blocks"]
    instance = instance_from_json(file)
    assert instance.petals is None
    assert instance.servers[0].max_blocks is None
    assert instance.servers[0].prefill_slope_s_per_token == 0.0
    assert instance.clients[0].prefill_rtt_slope_s_per_token == 0.0


def test_that_the_online_slopes_are_kept():
    file = valid()
    file["data"]["servers"][0]["prefill_slope_s_per_token"] = 0.001
    file["data"]["clients"][0]["prefill_rtt_slope_s_per_token"] = 0.002
    assert instance_to_json(instance_from_json(file)) == file


def valid() -> dict:
    return json.loads((golden.FOLDER / "clustered-9-r8-join-1to9.json").read_text())


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


NAMES = [f"s{j}" for j in range(1, 10)]
REFUSED_BY_THE_SCHEMA_TOO = [
    ("format", "shardopt/2", "format"),
    ("name", "", "name"),
    ("source", None, "source"),
    ("extra", 1, "extra"),
    ("data", [], "data"),
    ("data.extra", 1, "data.extra"),
    ("data.blocks", None, "data.blocks"),
    ("data.blocks.count", 0, "data.blocks.count"),
    ("data.blocks.count", 10_001, "data.blocks.count"),
    ("data.blocks.count", "35", "data.blocks.count"),
    ("data.blocks.count", True, "data.blocks.count"),
    ("data.blocks.weight_bytes", 0, "data.blocks.weight_bytes"),
    ("data.blocks.weight_bytes", -1, "data.blocks.weight_bytes"),
    ("data.blocks.weight_bytes", 1.1e18, "data.blocks.weight_bytes"),
    ("data.blocks.cache_bytes_per_session", 0.0, "data.blocks.cache_bytes_per_session"),
    ("data.servers", [], "data.servers"),
    ("data.servers.0.name", "", "data.servers[0].name"),
    ("data.servers.0.memory_bytes", 0, "data.servers[0].memory_bytes"),
    ("data.servers.0.memory_bytes", "8e9", "data.servers[0].memory_bytes"),
    ("data.servers.0.decode_s_per_block", -0.1, "data.servers[0].decode_s_per_block"),
    ("data.servers.0.prefill_s_per_block", 1e10, "data.servers[0].prefill_s_per_block"),
    ("data.servers.0.max_blocks", 0, "data.servers[0].max_blocks"),
    ("data.servers.0.max_blocks", 1.5, "data.servers[0].max_blocks"),
    ("data.servers.0.speed", 1, "data.servers[0].speed"),
    ("data.clients", [], "data.clients"),
    ("data.clients.0.sessions", 0, "data.clients[0].sessions"),
    ("data.clients.0.sessions", 1_000_001, "data.clients[0].sessions"),
    ("data.clients.0.decode_rtt_s.3", -1e-9, "data.clients[0].decode_rtt_s[3]"),
    ("data.clients.0.prefill_rtt_s", [], "data.clients[0].prefill_rtt_s"),
    ("data.input_tokens", 0, "data.input_tokens"),
    ("data.output_tokens", 1_000_001, "data.output_tokens"),
    ("data.output_tokens", None, "data.output_tokens"),
    ("data.cost", "prefill", "data.cost"),
    ("data.petals", [], "data.petals"),
    ("data.petals.extra", 1, "data.petals.extra"),
    ("data.petals.pool_tokens", 0, "data.petals.pool_tokens"),
    ("data.petals.reserve_bytes", -1, "data.petals.reserve_bytes"),
    ("data.petals.forward_tokens_per_s.2", 0, "data.petals.forward_tokens_per_s[2]"),
    ("data.petals.network_tokens_per_s.2", -1, "data.petals.network_tokens_per_s[2]"),
    ("data.petals.client_ping_s.0.1", -0.1, "data.petals.client_ping_s[0][1]"),
    ("data.petals.server_ping_s.3.1", -0.1, "data.petals.server_ping_s[3][1]"),
]
REFUSED_BY_THE_READER = [
    ("problem", "block-packing", "problem"),
    ("data.blocks.count", 35.0, "data.blocks.count"),
    ("data.clients.0.sessions", 8.0, "data.clients[0].sessions"),
    ("data.servers.0.memory_bytes", 10**400, "data.servers[0].memory_bytes"),
    ("data.servers.4.name", "s1", "data.servers[4].name"),
    ("data.clients.0.decode_rtt_s", [0.1] * 8, "data.clients[0].decode_rtt_s"),
    ("data.clients.0.prefill_rtt_s", [0.1] * 10, "data.clients[0].prefill_rtt_s"),
    ("data.petals.forward_tokens_per_s", [1.0] * 8, "data.petals.forward_tokens_per_s"),
    ("data.petals.network_tokens_per_s", [1.0] * 10, "data.petals.network_tokens_per_s"),
    ("data.petals.client_ping_s", [[0.1] * 9] * 2, "data.petals.client_ping_s"),
    ("data.petals.client_ping_s", [[0.1] * 8], "data.petals.client_ping_s[0]"),
    ("data.petals.server_ping_s", [[0.1] * 9] * 8, "data.petals.server_ping_s"),
    ("data.petals.server_ping_s.8", [0.1] * 10, "data.petals.server_ping_s[8]"),
    ("data.petals.join_order", [*NAMES[:8], "s10"], "data.petals.join_order[8]"),
    ("data.petals.join_order", NAMES[:8], "data.petals.join_order"),
    ("data.petals.join_order", [*NAMES, "s1"], "data.petals.join_order[9]"),
]


@pytest.mark.parametrize(
    ("path", "value", "told"), REFUSED_BY_THE_SCHEMA_TOO + REFUSED_BY_THE_READER
)
def test_that_the_reader_refuses_a_spoilt_file_and_names_the_place(path, value, told):
    with pytest.raises(InputError) as error:
        instance_from_json(spoilt(path, value))
    assert error.value.path == told
    assert error.value.found
    assert error.value.expected


@pytest.mark.parametrize(("path", "value", "told"), REFUSED_BY_THE_SCHEMA_TOO)
def test_that_the_json_schema_refuses_it_as_well(path, value, told):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt(path, value), json_schema("block-placement", "instance"))


def test_that_absent_is_not_null():
    for path in ("data.petals", "data.servers.0.max_blocks", "data.petals.join_order"):
        file = spoilt(path, 1)
        *parents, last = (int(step) if step.isdigit() else step for step in path.split("."))
        place = file
        for step in parents:
            place = place[step]
        place[last] = None
        with pytest.raises(InputError):
            instance_from_json(file)


def test_that_names_of_clients_are_unique():
    file = valid()
    file["data"]["clients"] *= 2
    with pytest.raises(InputError) as error:
        instance_from_json(file)
    assert error.value.path == "data.clients[1].name"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "empty"),
        (b"[]", "object"),
        (b'{"format": "shardopt/1"', "JSON"),
        (b'{"format": "\xff"}', "UTF-8"),
        (b'{"format": "shardopt/1", "x": NaN}', "number"),
        (b'{"format": "shardopt/1", "x": 1e400}', "number"),
    ],
)
def test_that_a_file_that_is_no_json_object_is_refused(tmp_path, text, told):
    path = tmp_path / "broken.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match=told):
        shardopt.load(path)


SOLUTION = {
    "format": "shardopt-solution/1",
    "problem": "block-placement",
    "instance": "x",
    "solution": {
        "placement": [{"server": "s8", "start": 0, "stop": 48}],
        "routes": [{"client": "c1", "path": ["s8"], "sessions": 35}],
    },
}


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("placement", "server", 8),
        ("placement", "start", 0.0),
        ("placement", "stop", "48"),
        ("placement", "extra", 1),
        ("routes", "client", None),
        ("routes", "path", "s8"),
        ("routes", "path", [8]),
        ("routes", "sessions", True),
        ("routes", "sessions", 35.0),
    ],
)
def test_that_a_solution_of_wrong_types_or_keys_is_bad_input(part, key, value):
    file = copy.deepcopy(SOLUTION)
    file["solution"][part][0][key] = value
    with pytest.raises(InputError, match=part):
        solution_from_json(file, "block-placement")


def test_that_numbers_out_of_range_are_the_checkers_matter():
    file = copy.deepcopy(SOLUTION)
    file["solution"]["placement"][0]["start"] = -5
    file["solution"]["routes"][0] |= {"sessions": 0, "path": []}
    solution = solution_from_json(file, "block-placement")
    report = shardopt.check(golden.instance("clustered-9-r8"), solution)
    names = {violation.constraint for violation in report.violations}
    assert names == {"run-range", "route-sessions", "route-end", "demand"}
