"""The catalogue is complete, strict, and agrees with what the presets say."""

from __future__ import annotations

import pytest

from shardopt.instances.block_placement import bloom
from shardopt.instances.catalogue import load
from shardopt.instances.catalogue.config_json import transformer
from shardopt.instances.cold_start.presets import QWEN3_14B
from shardopt.instances.partition_schedule import devices as tiers
from shardopt.instances.partition_schedule import llms
from shardopt.instances.replica_clustering import devices as testbed
from shardopt.models.errors import InputError

DEVICE = """
[sources]
maker = "the maker's data sheet"
[[devices]]
name = "card"
title = "A card"
kind = "consumer"
memory_bytes = { value = 8e9, flag = "specified", source = "maker" }
memory_bytes_per_s = { value = 1e11, flag = "measured", source = "maker" }
fp16_flops_per_s = { value = 1e13, flag = "derived", source = "maker", note = "twice" }
"""
TESTBED_NAMES = {
    "rtx5070": "rtx-5070",
    "m1-a": "m1-16",
    "m1-b": "m1-16",
    "rtx3060m": "rtx-3060-mobile",
    "m2max-a": "m2-max-96",
    "m2max-b": "m2-max-96",
    "orin": "agx-orin-32",
}


WITH_ITS_DLAS = {"orin-nx-16", "agx-orin-32", "agx-orin-64"}
"""The tiers count a quarter of the whole module's rate; the catalogue that of the GPU alone."""


def model(name):
    return transformer(load.find(load.models(), name, "a model").config)


def test_that_the_catalogue_holds_what_it_promises():
    assert len(load.models().entries) >= 12
    assert len(load.devices().entries) >= 25
    kinds = {device.kind for device in load.devices().entries.values()}
    assert kinds == {"data-centre", "mig", "consumer", "jetson", "apple", "board"}
    assert load.links().entries
    assert load.storage().entries


def test_that_no_name_stands_on_two_shelves():
    shelves = [load.models(), load.devices(), load.links(), load.storage()]
    names = [name for shelf in shelves for name in shelf.entries]
    assert len(names) == len(set(names))


def test_that_every_source_is_used():
    for kind in load.KINDS:
        shelf = getattr(load, kind)()
        used = {figure.source for e in shelf.entries.values() for _, figure in load.figures(e)}
        used |= {e.config_source for e in shelf.entries.values() if hasattr(e, "config_source")}
        assert set(shelf.sources) == used


def test_that_tier_devices_are_those_of_the_catalogue():
    for name, (teraflops, gigabytes) in tiers.DEVICES.items():
        device = load.find(load.devices(), name, "a device")
        assert device.memory_bytes.value == gigabytes * 1e9
        speed = device.fp16_flops_per_s.value
        if name in WITH_ITS_DLAS:
            assert 0.5 * teraflops * 1e12 < speed < teraflops * 1e12
        else:
            assert speed == pytest.approx(teraflops * 1e12, rel=0.01)


def test_that_the_replica_testbed_is_made_of_devices_of_the_catalogue():
    for name, bandwidth, teraflops, gigabytes in testbed.TESTBED:
        device = load.find(load.devices(), TESTBED_NAMES[name], "a device")
        assert device.memory_bytes_per_s.value == pytest.approx(bandwidth * 1e9)
        assert device.vector_flops_per_s.value == pytest.approx(teraflops * 1e12, rel=0.01)
        assert gigabytes * 1e9 <= device.memory_bytes.value
    assert load.find(load.links(), "lan-920m", "a link").bytes_per_s.value == 115e6


def test_that_models_of_the_presets_are_those_of_the_catalogue():
    assert model("bloom-176b").blocks[0].parameters == bloom.PARAMETERS_PER_BLOCK
    assert len(model("bloom-176b").blocks) == bloom.BLOCKS
    for preset, name in ((llms.LLAMA3_8B, "llama-3-8b"), (llms.PHI3_MEDIUM, "phi-3-medium")):
        ours, block = model(name), preset.block()
        assert len(ours.blocks) == preset.layers
        assert ours.block_weight_bytes(ours.blocks[0]) == block.weight_bytes
        assert ours.activation_bytes_per_token == block.activation_bytes_per_token
    qwen = model("qwen3-14b")
    assert 2 * qwen.blocks[0].dense.matrices == QWEN3_14B.weight_bytes()


def test_that_gpt_oss_is_that_of_the_replica_testbed_but_for_biases_and_router():
    ours, theirs = model("gpt-oss-20b"), testbed.gpt_oss_20b()
    assert len(ours.blocks) == theirs.blocks
    assert ours.blocks[0].cache_numbers * 2 == theirs.cache_bytes_per_token_per_block
    assert ours.embedding_bytes + ours.head_bytes == theirs.head_weight_bytes
    block = ours.block_weight_bytes(ours.blocks[0])
    assert block == pytest.approx(theirs.block_weight_bytes, rel=0.01)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"maker" }', '"taker" }', r'devices\[0\]\.memory_bytes\.source: found "taker"'),
        ("8e9", "-8e9", r"devices\[0\]\.memory_bytes\.value: found -8000000000\.0"),
        ("8e9", "nan", r"devices\[0\]\.memory_bytes\.value"),
        ("8e9", '"8 GB"', r'memory_bytes\.value: found "8 GB", expected a number'),
        ('"specified"', '"guessed"', r'memory_bytes\.flag: found "guessed"'),
        ('kind = "consumer"', 'kind = "toy"', r"devices\[0\]\.kind"),
        ('title = "A card"', 'colour = "red"', r"devices\[0\]\.colour: found an unknown key"),
        ('name = "card"', 'name = "A Card"', r"devices\[0\]\.name"),
        ("[[devices]]", "[[devices]", r"expected valid TOML"),
        ('title = "A card"', 'title = "A"\ntitle = "B"', r"expected valid TOML"),
    ],
)
def test_that_a_bad_catalogue_is_refused_with_file_and_place(old, new, message, tmp_path):
    path = tmp_path / "devices.toml"
    path.write_text(DEVICE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=rf"devices\.toml: .*{message}|devices\.toml: {message}"):
        load.read_shelf(path, "devices")


def test_that_a_name_given_twice_is_refused(tmp_path):
    path = tmp_path / "devices.toml"
    path.write_text(DEVICE + DEVICE[DEVICE.index("[[devices]]") :], encoding="utf-8")
    with pytest.raises(InputError, match=r"devices\[1\]\.name"):
        load.read_shelf(path, "devices")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("a100", "a100-40"),
        ("rtx3090", "rtx-3090"),
        ("orin", "orin-nx-16"),
        ("RTX-4090", "rtx-4090"),
    ],
)
def test_that_a_wrong_name_gets_the_nearest_ones(wrong, near):
    with pytest.raises(InputError, match=rf"did you mean .*{near}"):
        load.find(load.devices(), wrong, "a device")
