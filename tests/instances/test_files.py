"""Instance and solution files: what is written is read again."""

import gzip
import json

import pytest
from hypothesis import given

import shardopt
from cold_start.strategies import instances, planned
from shardopt.instances.files import (
    instance_from_json,
    instance_sha256,
    instance_to_json,
    read_solution,
    solution_from_json,
    solution_to_json,
)
from shardopt.models.errors import InputError


def csgo(**options):
    return shardopt.generate("cold-start", "csgo-table1", **options)


@pytest.mark.parametrize("name", ["instance.json", "instance.json.gz"])
def test_that_an_instance_survives_a_file(tmp_path, name):
    shardopt.save(tmp_path / name, csgo())
    assert shardopt.load(tmp_path / name) == csgo()


@given(instances())
def test_that_any_instance_survives_its_json(instance):
    text = json.dumps(instance_to_json(instance), allow_nan=False)
    assert instance_from_json(json.loads(text)) == instance


@given(planned())
def test_that_any_solution_survives_its_json(case):
    instance, solution = case
    text = json.dumps(solution_to_json(instance, solution), allow_nan=False)
    assert solution_from_json(json.loads(text), instance.problem) == solution


def test_that_compression_is_told_by_the_content_and_not_by_the_name(tmp_path):
    shardopt.save(tmp_path / "instance.json.gz", csgo())
    (tmp_path / "renamed.json").write_bytes((tmp_path / "instance.json.gz").read_bytes())
    assert shardopt.load(tmp_path / "renamed.json") == csgo()


def test_that_the_same_instance_gives_the_same_compressed_bytes(tmp_path):
    first, second = tmp_path / "first.json.gz", tmp_path / "second.json.gz"
    shardopt.save(first, csgo())
    shardopt.save(second, csgo())
    assert first.read_bytes() == second.read_bytes()
    shardopt.save(tmp_path / "plain.json", csgo())
    assert gzip.decompress(first.read_bytes()) == (tmp_path / "plain.json").read_bytes()


def test_that_equal_blocks_in_a_row_are_written_once():
    blocks = instance_to_json(csgo())["data"]["blocks"]
    assert [block["repeat"] for block in blocks] == [40]


def test_that_blocks_are_in_the_order_of_the_model():
    value = instance_to_json(csgo())
    a, b = {"flops": 1, "weight_bytes": 2, "activation_bytes": 3}, {"flops": 4}
    b = a | b
    value["data"]["blocks"] = [a | {"repeat": 2}, b, a]
    read = instance_from_json(value)
    assert [block.flops for block in read.blocks] == [1, 1, 4, 1]
    assert [entry.get("repeat") for entry in instance_to_json(read)["data"]["blocks"]] == [
        2,
        None,
        None,
    ]


def test_that_link_fields_may_be_left_out_beside_a_matrix():
    value = instance_to_json(csgo())
    for device in value["data"]["devices"]:
        del device["uplink_bytes_per_s"], device["downlink_bytes_per_s"]
    rates = [[None if d == e else 1e8 for e in range(4)] for d in range(4)]
    value["data"]["links"] = {"bytes_per_s": rates}
    instance = instance_from_json(value)
    assert instance.devices[0].uplink_bytes_per_s is None
    assert instance.links_bytes_per_s[0] == (0, 1e8, 1e8, 1e8)
    assert instance_from_json(instance_to_json(instance)) == instance


def test_that_the_hash_does_not_depend_on_how_the_file_is_written():
    value = instance_to_json(csgo())
    (block,) = value["data"]["blocks"]
    count = block.pop("repeat")
    rewritten = {key: value[key] for key in reversed(value)}
    rewritten["data"] = {
        "link_latency_s": 0,
        **{key: value["data"][key] for key in reversed(value["data"])},
        "blocks": [block | {"repeat": 1, "flops": float(block["flops"])}] * count,
    }
    assert instance_sha256(instance_from_json(rewritten)) == instance_sha256(csgo())


def test_that_the_hash_depends_on_what_the_file_says():
    hashes = {instance_sha256(csgo(**o)) for o in ({}, {"tokens": 256}, {"loading": "layerwise"})}
    assert len(hashes) == 3


def test_that_a_result_file_is_read_as_a_solution(tmp_path):
    result = shardopt.solve(csgo(), "even")
    shardopt.save(tmp_path / "result.json", result)
    assert read_solution(tmp_path / "result.json", "cold-start") == result.solution
    assert shardopt.check(csgo(), tmp_path / "result.json").objective == result.objective


def test_that_a_result_without_a_solution_is_refused_as_one(tmp_path):
    shardopt.save(tmp_path / "result.json", shardopt.solve(csgo(), "single-device"))
    with pytest.raises(InputError, match="solution"):
        read_solution(tmp_path / "result.json", "cold-start")


def test_that_a_solution_survives_a_file(tmp_path):
    solution = shardopt.solve(csgo(), "even").solution
    shardopt.save(tmp_path / "solution.json.gz", solution, csgo())
    assert read_solution(tmp_path / "solution.json.gz", "cold-start") == solution
