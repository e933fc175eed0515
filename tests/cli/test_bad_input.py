"""Bad input of every kind gets one line on stderr that names the place, and exit code 2."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from commandline import BLOCK, DEVICE, INSTANCE, instance, run, run_process, solution, write

AS_JSON = json.dumps(INSTANCE).encode()
MEMORY = "data.devices[0].memory_bytes"
RATE = "data.links.bytes_per_s[0][1]"


def device(**fields: Any) -> dict[str, Any]:
    return instance(devices=[DEVICE | fields, DEVICE | {"name": "bob"}])


def without(key: str) -> dict[str, Any]:
    return instance(devices=[{k: v for k, v in DEVICE.items() if k != key}])


def memory(literal: str) -> str:
    """Return an instance file with JSON text that Python itself would not write."""
    return json.dumps(device(memory_bytes="HERE")).replace('"HERE"', literal)


def links(rows: Any) -> dict[str, Any]:
    made: dict[str, Any] = device()
    made["data"]["links"] = {"bytes_per_s": rows}
    return made


def rate(literal: str) -> str:
    return json.dumps(links([[None, "HERE"], [1, None]])).replace('"HERE"', literal)


def repeat(value: Any) -> dict[str, Any]:
    return instance(blocks=[BLOCK | {"repeat": value}])


def nested(depth: int) -> bytes:
    deep = b"[" * depth + b"]" * depth
    return b'{"format": ' + deep + b', "problem": "cold-start"}'


# name: (content of the instance file, place that the message names, words that it contains)
INSTANCES: dict[str, tuple[Any, str, str]] = {
    "not JSON": (b"hello", "", "valid JSON"),
    "JSON cut short": (AS_JSON[:50], "", "valid JSON"),
    "something after the JSON": (AS_JSON + b"x", "", "valid JSON"),
    "not UTF-8": (b'{"format": "\xff"}', "", "not UTF-8"),
    "UTF-16": (AS_JSON.decode().encode("utf-16"), "", "not UTF-8"),
    "empty": (b"", "", "an empty file"),
    "only white space": (b" \n", "", "an empty file"),
    "truncated gzip": (gzip.compress(AS_JSON)[:60], "", "truncated gzip"),
    "damaged gzip": (b"\x1f\x8b\x08garbage", "", "gzip"),
    "a list": ([], "", "a JSON object"),
    "a number": (3, "", "a JSON object"),
    "null": (None, "", "a JSON object"),
    "unknown key": (INSTANCE | {"colour": 1}, "colour", "unknown key"),
    "unknown key in a device": (device(colour=1), "data.devices[0].colour", "unknown key"),
    "repeated key": (AS_JSON.replace(b'"name"', b'"name": "x", "name"', 1), "name", "twice"),
    "repeated key in a device": (
        memory('1, "memory_bytes": 2'),
        MEMORY,
        "twice",
    ),
    "other format": (INSTANCE | {"format": "shardopt/2"}, "format", '"shardopt/1"'),
    "format a list": (INSTANCE | {"format": []}, "format", '"shardopt/1"'),
    "unknown problem": (INSTANCE | {"problem": "hot-start"}, "problem", "cold-start"),
    "problem an object": (INSTANCE | {"problem": {}}, "problem", "cold-start"),
    "empty name": (INSTANCE | {"name": ""}, "name", "non-empty"),
    "empty source": (INSTANCE | {"source": ""}, "source", "non-empty"),
    "name a number": (INSTANCE | {"name": 5}, "name", "a string"),
    "data a list": (INSTANCE | {"data": []}, "data", "an object"),
    "data null": (INSTANCE | {"data": None}, "data", "an object"),
    "nested too deeply to parse": (b"[" * 100_000, "", "nested too deeply"),
    "nested almost too deeply": (nested(900), "format", '"shardopt/1"'),
    "lone surrogate": (device(name="\ud800"), "data.devices[0].name", "surrogate"),
    "line break in a key": (INSTANCE | {"a\nb": 1}, r"a\nb", "unknown key"),
    # numbers
    "NaN": (memory("NaN"), MEMORY, "found NaN"),
    "Infinity": (memory("Infinity"), MEMORY, "found Infinity"),
    "minus Infinity": (memory("-Infinity"), MEMORY, "found -Infinity"),
    "1e999": (memory("1e999"), MEMORY, "found Infinity"),
    "400-digit integer": (memory("1" * 400), MEMORY, "1e+30"),
    "5000-digit integer": (memory("1" * 5000), MEMORY, "1e+30"),
    "200-digit integer": (memory("1" * 200), MEMORY, "a number <= 1e+30"),
    "beyond 1e30": (memory("2e30"), MEMORY, "a number <= 1e+30"),
    "negative": (memory("-5"), MEMORY, "found -5, expected a number >= 1e-09"),
    "zero": (memory("0"), MEMORY, "a number >= 1e-09"),
    "below 1e-9": (memory("1e-10"), MEMORY, "a number >= 1e-09"),
    "number as a string": (memory('"5"'), MEMORY, "a number"),
    "number as a boolean": (memory("true"), MEMORY, "a number"),
    "number null": (memory("null"), MEMORY, "a number"),
    "number a list": (memory("[1]"), MEMORY, "a number"),
    "negative work": (instance(blocks=[BLOCK | {"flops": -1}]), "data.blocks[0].flops", ">= 0"),
    "negative latency": (instance(link_latency_s=-1), "data.link_latency_s", ">= 0"),
    "latency null": (instance(link_latency_s=None), "data.link_latency_s", "leave the key out"),
    # blocks
    "repeat 0": (repeat(0), "data.blocks[0].repeat", "a number >= 1"),
    "repeat 1.5": (repeat(1.5), "data.blocks[0].repeat", "an integer"),
    "repeat 2.0": (repeat(2.0), "data.blocks[0].repeat", "an integer"),
    "repeat true": (repeat(True), "data.blocks[0].repeat", "an integer"),
    "repeat null": (repeat(None), "data.blocks[0].repeat", "leave the key out"),
    "repeat a string": (repeat("3"), "data.blocks[0].repeat", "an integer"),
    "repeat that would fill the memory": (repeat(2_000_000_000), "data.blocks", "at most 10000"),
    "repeat of 300 digits": (repeat(10**299), "data.blocks", "at most 10000"),
    "one block too many": (repeat(10_001), "data.blocks", "found 10001 blocks"),
    "no blocks": (instance(blocks=[]), "data.blocks", "at least 1"),
    "blocks an object": (instance(blocks={}), "data.blocks", "a list"),
    # devices
    "no devices": (instance(devices=[]), "data.devices", "at least 1"),
    "too many devices": (
        instance(devices=[DEVICE | {"name": str(k)} for k in range(1001)]),
        "data.devices",
        "found a list of 1001",
    ),
    "two devices of one name": (
        instance(devices=[DEVICE, DEVICE]),
        "data.devices[1].name",
        "other than",
    ),
    "device without a name": (device(name=""), "data.devices[0].name", "non-empty"),
    "missing uplink": (without("uplink_bytes_per_s"), "data.devices[0].uplink_bytes_per_s", "rate"),
    "missing downlink": (
        without("downlink_bytes_per_s"),
        "data.devices[0].downlink_bytes_per_s",
        "rate",
    ),
    "uplink null": (
        device(uplink_bytes_per_s=None),
        "data.devices[0].uplink_bytes_per_s",
        "leave the key out",
    ),
    "unknown loading": (instance(loading="lazy"), "data.loading", '"layerwise"'),
    # links
    "links null": (instance(links=None), "data.links", "leave the key out"),
    "links empty": (instance(links={}), "data.links.bytes_per_s", "this key"),
    "links flat": (links([1, 2]), "data.links.bytes_per_s[0]", "a list"),
    "too few rows": (links([[None, 1]]), "data.links.bytes_per_s", "found 1 rows"),
    "short row": (links([[None, 1], [1]]), "data.links.bytes_per_s[1]", "found 1 entries"),
    "link NaN": (rate("NaN"), RATE, "found NaN"),
    "link 1e999": (rate("1e999"), RATE, "found Infinity"),
    "link of 400 digits": (rate("1" * 400), RATE, "1e+30"),
    "link of 200 digits": (rate("1" * 200), RATE, "1e+30"),
    "link zero": (rate("0"), RATE, "between 1e-09 and 1e+30"),
    "link null": (rate("null"), RATE, "between 1e-09 and 1e+30"),
    "link a string": (rate('"1"'), RATE, "a number"),
    "link a boolean": (rate("true"), RATE, "a number"),
    "link on the diagonal": (links([[5, 1], [1, 0]]), "data.links.bytes_per_s[0][0]", "diagonal"),
    "bad uplink beside links": (
        instance(devices=[DEVICE | {"uplink_bytes_per_s": -1}], links={"bytes_per_s": [[None]]}),
        "data.devices[0].uplink_bytes_per_s",
        ">= 1e-09",
    ),
}
INSTANCES |= {
    f"missing {key}": ({k: v for k, v in INSTANCE.items() if k != key}, key, "found nothing")
    for key in INSTANCE
}
INSTANCES |= {
    f"missing data.{key}": (
        INSTANCE | {"data": {k: v for k, v in INSTANCE["data"].items() if k != key}},
        f"data.{key}",
        "found nothing",
    )
    for key in INSTANCE["data"]
}


@pytest.mark.parametrize("case", INSTANCES)
def test_that_a_bad_instance_is_named_with_its_place(tmp_path: Path, case: str) -> None:
    content, place, words = INSTANCES[case]
    file = write(tmp_path / "bad.json", content)
    result = run("solve", file, "--solver", "even")
    assert (result.exit_code, result.stdout) == (2, "")
    assert_one_line(result.stderr, file, place, words)


# name: (content of the solution file, place, words)
SOLUTIONS: dict[str, tuple[Any, str, str]] = {
    "an instance": (INSTANCE, "format", "shardopt-solution/1"),
    "another problem": (solution() | {"problem": "hot-start"}, "problem", "cold-start"),
    "unknown key": (solution() | {"x": 1}, "x", "unknown key"),
    "no instance": (
        {k: v for k, v in solution().items() if k != "instance"},
        "instance",
        "nothing",
    ),
    "instance a number": (solution() | {"instance": 5}, "instance", "a string"),
    "solution null": (solution() | {"solution": None}, "solution", "found null"),
    "result without a solution": (
        {"format": "shardopt-result/1", "problem": "cold-start", "solution": None},
        "solution",
        "found null",
    ),
    "solution a list": (solution() | {"solution": []}, "solution", "an object"),
    "no stages": (solution() | {"solution": {}}, "solution.stages", "found nothing"),
    "stages a number": (solution(5), "solution.stages", "a list"),
    "start a string": (
        solution([{"device": "ann", "start": "0", "stop": 3}]),
        "solution.stages[0].start",
        "an integer",
    ),
    "start a float": (
        solution([{"device": "ann", "start": 0.0, "stop": 3}]),
        "solution.stages[0].start",
        "an integer",
    ),
    "start a boolean": (
        solution([{"device": "ann", "start": False, "stop": 3}]),
        "solution.stages[0].start",
        "an integer",
    ),
    "stop of 400 digits": (
        solution([{"device": "ann", "start": 0, "stop": 10**399}]),
        "solution.stages[0].stop",
        "",
    ),
    "stop of 310 digits": (
        solution([{"device": "ann", "start": 0, "stop": 10**309}]),
        "solution.stages[0].stop",
        "a number <=",
    ),
    "device a number": (
        solution([{"device": 1, "start": 0, "stop": 3}]),
        "solution.stages[0].device",
        "a string",
    ),
    "unknown key in a stage": (
        solution([{"device": "ann", "start": 0, "stop": 3, "x": 1}]),
        "solution.stages[0].x",
        "unknown key",
    ),
}


@pytest.mark.parametrize("case", SOLUTIONS)
@pytest.mark.parametrize("command", ["check", "show"])
def test_that_a_bad_solution_is_named_with_its_place(
    tmp_path: Path, command: str, case: str
) -> None:
    content, place, words = SOLUTIONS[case]
    good = write(tmp_path / "good.json", INSTANCE)
    file = write(tmp_path / "bad.json", content)
    result = run(command, good, file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert_one_line(result.stderr, file, place, words)


USAGES: dict[str, tuple[list[str], str]] = {
    "no command": ([], "Missing command"),
    "unknown command": (["sovle"], "'solve'"),
    "no file": (["solve"], "Missing argument"),
    "unknown option": (["solve", "good.json", "--colour"], "--colour"),
    "unknown solver": (["solve", "good.json", "--solver", "evne"], "did you mean even"),
    "time limit no number": (["solve", "good.json", "--time-limit", "x"], "--time-limit"),
    "time limit NaN": (["solve", "good.json", "--time-limit", "nan"], "seconds > 0"),
    "time limit 0": (["solve", "good.json", "--time-limit", "0"], "seconds > 0"),
    "negative seed": (["solve", "good.json", "--seed", "-1"], "seed"),
    "no threads": (["solve", "good.json", "--threads", "0"], "threads"),
    "odd memory limit": (["solve", "good.json", "--memory-limit", "8GG"], "8GiB"),
    "setting without a value": (["solve", "good.json", "--set", "x"], "KEY=VALUE"),
    "setting given twice": (["solve", "good.json", "--set", "x=1", "--set", "x=2"], "twice"),
    "unknown setting": (
        ["solve", "good.json", "--solver", "harmonic", "--set", "compute-unt=1"],
        "did you mean compute_unit",
    ),
    "setting of the wrong type": (
        ["solve", "good.json", "--solver", "harmonic", "--set", "compute_unit=x"],
        "a number",
    ),
    "output into no folder": (["solve", "good.json", "-o", "nowhere/x.json"], "cannot be written"),
    "output onto a folder": (["solve", "good.json", "-o", "."], "cannot be written"),
    "start for a solver without": (
        ["solve", "good.json", "--solver", "even", "--start", "plan.json"],
        "takes no start",
    ),
    "missing instance": (["solve", "nowhere.json"], "no such file"),
    "instance a folder": (["solve", "."], "a directory"),
    "missing solution": (["check", "good.json", "nowhere.json"], "no such file"),
    "no problem": (["generate"], "Missing argument"),
    "unknown problem": (["generate", "cold-strat"], "did you mean cold-start"),
    "unknown preset": (["generate", "cold-start", "--preset", "typd"], "did you mean typed"),
    "option of no preset": (
        ["generate", "cold-start", "--preset", "typed", "--per-tpe", "3"],
        "did you mean per_type",
    ),
    "preset option without a value": (
        ["generate", "cold-start", "--preset", "typed", "--types"],
        "needs a value",
    ),
    "preset option of the wrong type": (
        ["generate", "cold-start", "--preset", "typed", "--types", "many"],
        "an integer",
    ),
    "preset option out of range": (
        ["generate", "cold-start", "--preset", "typed", "--types", "0"],
        "from 1 to 1000",
    ),
    "instance into no folder": (
        ["generate", "cold-start", "--preset", "typed", "-o", "nowhere/x.json"],
        "nowhere/x.json",
    ),
    "picture of an unknown kind": (["show", "good.json", "-o", "x.pdf"], ".svg"),
    "picture into no folder": (["show", "good.json", "-o", "nowhere/x.svg"], "nowhere/x.svg"),
    "plan that cannot be drawn": (["show", "good.json", "broken.json"], "last-block"),
    "schema of no problem": (["schema", "hot"], "cold-start"),
    "solvers of no problem": (["solvers", "hot"], "cold-start"),
}


@pytest.mark.parametrize("case", USAGES)
def test_that_bad_usage_is_explained_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    arguments, words = USAGES[case]
    monkeypatch.chdir(tmp_path)
    write(Path("good.json"), INSTANCE)
    write(Path("plan.json"), solution())
    write(Path("broken.json"), solution([{"device": "cat", "start": 0, "stop": 2}]))
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert_one_line(result.stderr, "", "", words)


@pytest.mark.parametrize("case", ["negative", "truncated gzip", "nested too deeply to parse"])
def test_that_the_console_script_fails_in_the_same_words(tmp_path: Path, case: str) -> None:
    content, place, words = INSTANCES[case]
    file = write(tmp_path / "bad.json", content)
    done = run_process("solve", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert_one_line(done.stderr, file, place, words)


def assert_one_line(stderr: str, file: str, place: str, words: str) -> None:
    assert stderr.count("\n") == 1
    parts = [part for part in ("error", file, place) if part]
    assert stderr.startswith(": ".join(parts) + ": "), stderr
    assert words in stderr
