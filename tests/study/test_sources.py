"""Where the instances of a study come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import shardopt
from shardopt.cli import commands
from shardopt.models.discover import problem_ids
from shardopt.models.errors import InputError
from shardopt.study.sources import find_instances, size_of
from study import unruly

PRESET = "block-placement/random-loose:servers=4:blocks=6"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two instances, the one below it zipped, and a result."""
    below = tmp_path / "below"
    below.mkdir()
    instance = unruly.small()
    shardopt.save(tmp_path / "one.json", instance)
    shardopt.save(below / "two.json.gz", unruly.small(seed=1))
    shardopt.save(tmp_path / "result.json", shardopt.solve(instance, "cg-bp"))
    (tmp_path / "notes.txt").write_text("no instance")
    return tmp_path


def test_that_a_folder_gives_its_instances_and_passes_results_over(folder: Path) -> None:
    found = find_instances([str(folder)], {}, None)
    assert [Path(source.source).name for source in found] == ["two.json.gz", "one.json"]


def test_that_the_same_instance_from_two_places_is_one(folder: Path) -> None:
    assert len(find_instances([str(folder), str(folder / "one.json")], {}, None)) == 2


def test_that_a_file_that_is_no_instance_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"result\.json: format"):
        find_instances([str(folder / "result.json")], {}, None)


def test_that_a_broken_file_in_a_folder_is_named(folder: Path) -> None:
    (folder / "broken.json").write_text('{"format": "shardopt/1"}')
    with pytest.raises(InputError, match=r"broken\.json: problem: found nothing"):
        find_instances([str(folder)], {}, None)


def test_that_a_folder_without_instances_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no instance file"):
        find_instances([str(tmp_path)], {}, None)


def test_that_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="no such file"):
        find_instances(["nowhere/instance.json"], {}, None)


def test_that_a_preset_is_drawn_with_seeds_from_zero_or_from_its_own() -> None:
    assert [s.source for s in find_instances([PRESET], {}, 2)] == [
        "block-placement/random-loose servers=4 blocks=6 seed=0",
        "block-placement/random-loose servers=4 blocks=6 seed=1",
    ]
    found = find_instances([f"{PRESET}:seed=7"], {}, 2)
    assert [s.source.rpartition("=")[2] for s in found] == ["7", "8"]


def test_that_options_go_to_the_presets_that_have_them() -> None:
    found = find_instances([PRESET, "cold-start/random-edge"], {"devices": "3"}, None)
    assert "devices" not in found[0].source
    assert len(found[1].instance.devices) == 3
    with pytest.raises(InputError, match="'colour'"):
        find_instances([PRESET], {"colour": "red"}, None)


def test_that_instances_are_drawn_from_presets_only(folder: Path) -> None:
    with pytest.raises(InputError, match="no preset"):
        find_instances([str(folder)], {}, 3)
    with pytest.raises(InputError, match="did you mean random-loose"):
        find_instances(["block-placement/random-lose"], {}, None)


@pytest.mark.parametrize("problem", problem_ids())
def test_that_the_size_of_an_instance_counts_what_it_is_made_of(problem: str) -> None:
    file = next((Path(shardopt.instances.__path__[0]) / "library" / problem).glob("*.json"))
    size = size_of(shardopt.load(file))
    assert size
    assert all(isinstance(number, int) and number >= 1 for number in size.values())
    json.dumps(size)


def test_that_lists_in_lists_and_counts_are_sizes() -> None:
    instance = shardopt.generate("partition-schedule", "random", tiers=3, nodes=2, requests=5)
    size = size_of(instance)
    nodes = sum(len(tier.nodes) for tier in instance.tiers)
    assert (size["tiers"], size["requests"], size["nodes"]) == (3, 5, nodes)
    assert size_of(unruly.small())["sessions"] == 2


def test_that_a_scenario_is_an_instance_of_its_own_problem_or_the_one_asked_for(
    tmp_path: Path,
) -> None:
    scenario = tmp_path / "cluster.toml"
    CliRunner().invoke(commands, ["new", str(scenario)])
    own, asked = (find_instances([str(scenario)], {}, None, p) for p in (None, "block-placement"))
    assert own[0].instance.problem == shardopt.load(scenario).problem
    assert asked[0].instance.problem == "block-placement"
    assert own[0].source == asked[0].source == str(scenario)


def test_that_a_problem_without_a_scenario_and_a_scenario_that_is_not_there_are_refused(
    folder: Path,
) -> None:
    with pytest.raises(InputError, match="no scenario"):
        find_instances([str(folder)], {}, None, "cold-start")
    with pytest.raises(InputError, match="no such file"):
        find_instances(["nowhere/cluster.toml"], {}, None)
