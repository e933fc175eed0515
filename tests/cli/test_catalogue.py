"""What `shardopt catalogue` prints and refuses."""

from __future__ import annotations

import json

import pytest

from cli.commandline import run
from shardopt.instances.catalogue import load


@pytest.mark.parametrize("kind", load.KINDS)
def test_that_a_shelf_is_listed_whole(kind):
    outcome = run("catalogue", kind)
    assert outcome.exit_code == 0
    for name in getattr(load, kind)().entries:
        assert name in outcome.stdout


def test_that_a_device_is_shown_with_sources_and_flags():
    outcome = run("catalogue", "show", "agx-orin-32")
    assert outcome.exit_code == 0
    assert "26.66 TFLOP/s" in outcome.stdout
    assert "derived" in outcome.stdout
    assert "AGX Orin Series Technical" in outcome.stdout


def test_that_a_model_is_shown_with_its_sizes():
    outcome = run("catalogue", "show", "llama-3-8b")
    assert "8,030,261,248" in outcome.stdout
    assert "131.1 kB" in outcome.stdout


def test_that_a_config_file_is_shown_like_a_model(tmp_path):
    path = tmp_path / "config.json"
    config = load.models().entries["deepseek-v3"].config
    path.write_text(json.dumps(config), encoding="utf-8")
    outcome = run("catalogue", "show", str(path))
    assert "671,026,419,200" in outcome.stdout
    assert "weights of the first block" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("device",), "did you mean devices"),
        (("show",), "show needs a NAME"),
        (("show", "rtx4090"), "did you mean rtx-4090"),
        (("show", "no.json"), "no.json: found no such file"),
        (("devices", "l4"), "`show l4` shows one entry"),
    ],
)
def test_that_bad_usage_is_one_line_with_the_way_out(arguments, message):
    outcome = run("catalogue", *arguments)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
