"""The instances that are shipped with the package."""

from pathlib import Path

import pytest

import shardopt
import shardopt.instances

LIBRARY = Path(shardopt.instances.__path__[0]) / "library"


INSTANCES = sorted(path for path in LIBRARY.glob("*/*.json") if path.name != "manifest.json")


@pytest.mark.parametrize("path", INSTANCES, ids=lambda path: path.stem)
def test_that_a_shipped_instance_is_valid_and_named_like_its_file(path):
    instance = shardopt.load(path)
    assert instance.name == path.stem
    assert instance.problem == path.parent.name


def numbers(device) -> list[float]:
    return [value for value in vars(device).values() if not isinstance(value, str)]


def test_that_the_published_instance_is_what_its_preset_makes():
    shipped = shardopt.load(LIBRARY / "cold-start" / "csgo-qwen3-14b-t2048.json")
    made = shardopt.generate("cold-start", "csgo-table1", tokens=2048)
    assert (shipped.name, shipped.source) == (made.name, made.source)
    assert (shipped.blocks, shipped.loading) == (made.blocks, made.loading)
    for one, other in zip(shipped.devices, made.devices, strict=True):
        assert one.name == other.name
        # Logarithms and powers may differ in the last digit between C libraries.
        assert numbers(one) == pytest.approx(numbers(other), rel=1e-14)
