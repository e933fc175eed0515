"""What is wrong in a scenario file is one line with the place and the nearest names."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

import shardopt
from scenarios.files import TEXT, instance, scenario, write
from shardopt.instances.scenario.read import read_scenario, schema_in
from shardopt.instances.scenario.schema import ScenarioFile
from shardopt.instances.scenario.template import template
from shardopt.instances.strict import StrictModel
from shardopt.models.discover import problem_ids
from shardopt.models.errors import InputError

LAST = 'storage = "sata-ssd"'


@pytest.mark.parametrize(
    ("old", "new", "place", "found", "expected"),
    [
        ("input_tokens", "input_token", "workload.input_token", "did you mean input_tokens", ""),
        ("[workload]", "[work]", "work", "network or workload?", "one of"),
        ("[network]", "[[network]]", "network", "link", "an object"),
        ('memory = "16 GB"', 'memroy = "16 GB"', "machines[2].memroy", "mean memory?", ""),
        ("rtx-3060", "rtx-360", "machines[0].device", "rtx-3060", "shardopt catalogue"),
        ("orin-nano-8", "orin", "machines[1].device", "did you mean", "device"),
        ("llama-3.2-1b", "llama-3-1b", "model.name", "llama-3.2-1b", "catalogue"),
        ("ethernet-1g", "ethernet-2g", "network.link", "did you mean ethernet-", "link"),
        ("nvme-gen3", "nvme3", "machines[0].storage", "nvme-gen3", "storage"),
        ('"16 GB"', "16e9", "machines[2].memory", "16000000000.0", "such as"),
        ('"16 GB"', '"16 Gbit"', "machines[2].memory", '"16 Gbit"', "did you mean"),
        ('memory = "16 GB"', "", "machines[2].memory", "nothing", "a device of the catalogue"),
        ('name = "old"', "", "machines[2].name", "nothing", "a name"),
        ('name = "old"', 'name = "box"', "machines[2].name", '"box"', "machines[0]"),
        ('name = "jetson"', 'name = "box-1"\ncount = 0', "machines[1].count", "0", ">= 1"),
        ("sessions = 2", "sessions = 2.0", "workload.sessions", "2.0", "an integer"),
        ("sessions = 2", "sessions = 0", "workload.sessions", "0", ">= 1"),
        (LAST, 'tier = "cloud"', "machines[0].tier", "nothing", "for every machine"),
        (LAST, "usable = 1.5", "machines[2].usable", "1.5", "<= 1"),
        (LAST, "usable = nan", "machines[2].usable", "NaN", ""),
        ("[network]", '[network]\nclient = "jetsen"', "network.client", "mean jetson?", "box, "),
        ('name = "llama-3.2-1b"', "", "model", "nothing", "name, of the catalogue, or config"),
        ('"llama-3.2-1b"', '"llama-3.2-1b"\nconfig = "c.json"', "model", "name and config", ""),
        ('"llama-3.2-1b"', '"llama-3.2-1b"\nquantisation = "awk"', "model.quantisation", "", "awq"),
        (
            '"llama-3.2-1b"',
            '"llama-3.2-1b"\nquantisation = "awq"\nweight_bits = 4',
            "model.weight_bits",
            "beside quantisation",
            "one of both",
        ),
    ],
)
def test_that_an_error_names_place_and_nearest_names(
    tmp_path: Path, old: str, new: str, place: str, found: str, expected: str
) -> None:
    path = write(tmp_path, TEXT, (old, new))
    with pytest.raises(InputError) as error:
        read_scenario(path)
    assert error.value.file == str(path)
    assert error.value.path == place
    assert found in error.value.found
    assert expected in error.value.expected


@pytest.mark.parametrize(
    ("pairs", "place", "found"),
    [
        ('between = ["box", "jet"]\nlatency = "1 ms"', "pairs[0].between[1]", "jetson"),
        ('between = ["box", "box"]\nlatency = "1 ms"', "pairs[0].between", '["box", "box"]'),
        ('between = ["box"]\nlatency = "1 ms"', "pairs[0].between", "box"),
        ('between = ["box", "old"]', "pairs[0]", "nothing"),
        (
            'between = ["box", "old"]\nlatency = "1 ms"\n[[network.pairs]]\n'
            'between = ["old", "box"]\nlink = "usb-2"',
            "pairs[1].between",
            '["old", "box"]',
        ),
    ],
)
def test_that_a_pair_has_to_be_two_machines_with_a_way_of_their_own(
    tmp_path: Path, pairs: str, place: str, found: str
) -> None:
    path = write(tmp_path, f"{TEXT}[[network.pairs]]\n{pairs}\n")
    with pytest.raises(InputError) as error:
        read_scenario(path)
    assert error.value.path == f"network.{place}"
    assert found in error.value.found


@pytest.mark.parametrize(
    ("machines", "place"),
    [
        ("machines = {}", "machines"),
        ("machines = 3", "machines"),
        ("machines = [1]", "machines[0]"),
        ("machines = []", "machines"),
    ],
)
def test_that_machines_are_tables(tmp_path: Path, machines: str, place: str) -> None:
    before, rest = TEXT.split("[[machines]]", 1)
    path = write(tmp_path, machines + before + "[network]" + rest.split("[network]")[1])
    with pytest.raises(InputError) as error:
        read_scenario(path)
    assert error.value.path == place


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "nothing, expected this key"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[model\n", "valid TOML"),
        (b"a = 1\na = 2\n", "valid TOML"),
        (b"a = " + b"[" * 100_000, ""),
    ],
)
def test_that_what_is_no_scenario_is_one_error(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.toml") as error:
        read_scenario(path)
    assert message in str(error.value)


def test_that_a_missing_file_or_a_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        shardopt.load(tmp_path / "none.toml")
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(InputError, match="readable file"):
        shardopt.load(folder)


def test_that_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path)
    plain = shardopt.load(path)
    path.write_text("\ufeff" + TEXT, encoding="utf-8")
    assert shardopt.load(path) == plain


def test_that_the_problem_is_the_caller_s_then_the_file_s(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert shardopt.load(path).problem == "cold-start"
    assert shardopt.load(path, "block-placement").problem == "block-placement"
    path = write(tmp_path, TEXT, ('problem = "cold-start"', ""))
    with pytest.raises(InputError, match=r"home\.toml: problem: found nothing, .*cold-start"):
        shardopt.load(path)
    with pytest.raises(InputError, match="did you mean cold-start"):
        shardopt.load(path, "coldstart")


def test_that_an_instance_file_keeps_its_problem(tmp_path: Path) -> None:
    file = tmp_path / "made.json"
    shardopt.save(file, instance(tmp_path, "cold-start"))
    assert shardopt.load(file, "cold-start") == shardopt.load(file)
    with pytest.raises(InputError, match="expected 'block-placement'"):
        shardopt.load(file, "block-placement")


def test_that_cold_start_asks_where_weights_are_read_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"machines\[2\]\.storage: found nothing"):
        instance(tmp_path, "cold-start", (LAST, ""))
    assert instance(tmp_path, "block-placement", (LAST, "")).servers[2].name == "old"


def test_that_a_config_is_sought_beside_the_scenario(tmp_path: Path) -> None:
    changes = ('name = "llama-3.2-1b"', 'config = "model/config.json"')
    with pytest.raises(InputError, match=r"model.config\.json: found no such file"):
        scenario(tmp_path, changes)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(
        '{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 100,'
        ' "num_hidden_layers": 3, "num_attention_heads": 4, "torch_dtype": "float16"}',
        encoding="utf-8",
    )
    assert len(scenario(tmp_path, changes).model.sizes.blocks) == 3


JUNK = ["true", "-1", "1e400", "nan", '""', '" "', "[]", "{}", "1979-05-27", '"1 B"', "9" * 400]


@pytest.mark.parametrize("problem", problem_ids())
def test_that_any_value_in_any_place_gives_an_instance_or_an_error(
    tmp_path: Path, problem: str
) -> None:
    lines = TEXT.splitlines()
    for n, line in enumerate(lines):
        for junk in JUNK if " = " in line else []:
            changed = [*lines[:n], f"{line.split(' = ')[0]} = {junk}", *lines[n + 1 :]]
            path = write(tmp_path, "\n".join(changed))
            with contextlib.suppress(InputError):
                assert shardopt.load(path, problem).problem == problem


def keys(schema: type[StrictModel]) -> set[str]:
    """Return every key that a schema has, in it and below."""
    found = set(schema.model_fields)
    for field in schema.model_fields.values():
        inner = schema_in(field.annotation)
        found |= keys(inner) if inner else set()
    return found


def test_that_the_page_and_the_template_know_the_keys() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "scenarios.md").read_text(encoding="utf-8")
    assert {key for key in keys(ScenarioFile) if not re.search(rf"\b{key}\b", page)} == set()
    # What the template leaves commented out has to be right as well.
    written = re.findall(r"^#? ?(\w+) = ", template(), flags=re.MULTILINE)
    assert set(written) <= keys(ScenarioFile)
    assert len(written) > 25
