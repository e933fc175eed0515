"""What `shardopt profile` prints, writes and refuses, with times that were made up."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from cli.commandline import run
from shardopt.cli import profile as command
from shardopt.instances.catalogue import load
from shardopt.instances.catalogue.config_json import transformer
from shardopt.profile.disk import Reading
from shardopt.profile.fit import Timing
from shardopt.profile.roofline import Rates, decode_work, prefill_work

MODEL = transformer(load.models().entries["llama-3.2-1b"].config)
BLOCK = MODEL.blocks[-1]


def measured(config, *, report, **options):
    """Measure nothing, but say what a profile says."""
    report("prefill, 512 tokens")
    return SimpleNamespace(
        title="Chip",
        device="cpu",
        dtype="bfloat16",
        threads=2,
        block_bytes=MODEL.block_weight_bytes(BLOCK),
        timings=[
            Timing("prefill", 512, True, prefill_work(MODEL, BLOCK, 512), [0.9, 1.0, 1.1]),
            Timing("prefill", 384, False, prefill_work(MODEL, BLOCK, 384), [0.7]),
            Timing("decode", 512, True, decode_work(MODEL, BLOCK, 512), [0.01]),
        ],
        rates=Rates(7e10, 1.2e10),
        free_bytes=2e10,
        total_bytes=3e10,
        copies_bytes_per_s={"cpu": 1.5e10},
        reading=Reading(121_600_000, [0.1, 0.1, 0.2], "dropped"),
        versions={"torch": "2.2"},
    )


@pytest.fixture
def faked(monkeypatch):
    monkeypatch.setattr(command, "_measure_function", lambda: measured)


@pytest.mark.usefixtures("faked")
def test_that_prediction_and_measurement_stand_side_by_side():
    outcome = run("profile", "llama-3.2-1b", "--as", "l4")
    assert outcome.exit_code == 0
    assert "not seen" in outcome.stdout
    assert "l4" in outcome.stdout
    assert "off by up to" in outcome.stdout
    assert "page cache dropped" in outcome.stdout


@pytest.mark.usefixtures("faked")
def test_that_json_is_one_object_with_the_error_of_each_row():
    outcome = run("profile", "llama-3.2-1b", "--as", "l4", "--json")
    said = json.loads(outcome.stdout)
    assert said["format"] == "shardopt-profile/1"
    for row in said["rows"]:
        assert row["error"] == pytest.approx(row["predicted_s"] / row["measured_s"] - 1)
        assert row["as_predicted_s"] < row["predicted_s"]
    assert [row["fitted"] for row in said["rows"]] == [True, False, True]


@pytest.mark.usefixtures("faked")
def test_that_the_written_entry_names_command_date_and_versions(tmp_path):
    path = tmp_path / "device.toml"
    outcome = run("profile", "llama-3.2-1b", "--input-tokens", "64", "-o", str(path))
    assert outcome.exit_code == 0
    source = load.read_machine(path).sources["profile"]
    assert "shardopt profile llama-3.2-1b --input-tokens 64" in source
    assert "--device cpu --dtype bfloat16" in source
    assert "torch 2.2" in source


def test_that_times_of_a_busy_machine_are_warned_of(monkeypatch):
    def busy(config, **options):
        profile = measured(config, **options)
        profile.timings.append(
            Timing("decode", 1, True, decode_work(MODEL, BLOCK, 1), [0.01, 0.02, 0.04])
        )
        return profile

    monkeypatch.setattr(command, "_measure_function", lambda: busy)
    assert "times spread by up to 75 %" in run("profile", "llama-3.2-1b").stderr
    monkeypatch.setattr(command, "_measure_function", lambda: measured)
    assert "spread by" not in run("profile", "llama-3.2-1b").stderr


@pytest.mark.usefixtures("faked")
def test_that_a_place_that_cannot_be_written_is_one_line(tmp_path):
    outcome = run("profile", "llama-3.2-1b", "-o", str(tmp_path / "no" / "device.toml"))
    assert outcome.exit_code == 2
    assert "a place that can be written" in outcome.stderr


def test_that_without_pytorch_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    outcome = run("profile", "llama-3.2-1b")
    assert outcome.exit_code == 2
    assert outcome.stderr == "error: profile needs PyTorch: pip install 'shardopt[profile]'\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("llama3-8b",), "did you mean llama-3-8b"),
        (("no.json",), "no.json: found no such file"),
        (("llama-3-8b", "--as", "rtx4090"), "did you mean rtx-4090"),
        (("llama-3-8b", "--device", "tpu"), "'tpu' is not one of"),
        (("llama-3-8b", "--input-tokens", "0"), "0 is not in the range"),
    ],
)
def test_that_bad_usage_is_one_line_with_the_way_out(arguments, message):
    outcome = run("profile", *arguments)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_that_a_config_of_no_known_family_is_refused_with_its_file(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "lama"}', encoding="utf-8")
    outcome = run("profile", str(path))
    assert outcome.exit_code == 2
    assert "config.json: model_type" in outcome.stderr
