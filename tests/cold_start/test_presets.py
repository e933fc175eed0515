"""Generator presets: the published figures, and what each random preset promises."""

import math
from dataclasses import replace

import pytest

import shardopt
from shardopt.instances.cold_start.presets import PRESETS, QWEN3_14B
from shardopt.models.errors import InputError

close = pytest.approx
RANDOM = ("random-edge", "homogeneous", "typed", "tight")


def generate(preset, **options):
    return shardopt.generate("cold-start", preset, **options)


def memory(instance) -> float:
    return sum(device.memory_bytes for device in instance.devices)


def weights(instance) -> float:
    return sum(block.weight_bytes for block in instance.blocks)


@pytest.mark.parametrize(
    ("tokens", "flops", "compute"),
    [
        (256, 170456514560, [8.07815, 9.78339, 5.89019, 5.90754]),
        (2048, 1438814044160, [42.77627, 40.75126, 21.47749, 15.59901]),
        (8192, 6786048327680, [64.98820, 48.96065, 23.99707, 15.99999]),
    ],
)
def test_that_the_published_instance_has_the_published_figures(tokens, flops, compute):
    instance = generate("csgo-table1", tokens=tokens)
    assert len(instance.blocks) == 40
    assert {block.flops for block in instance.blocks} == {flops}
    assert {block.weight_bytes for block in instance.blocks} == {660602880}
    assert {block.activation_bytes for block in instance.blocks} == {2 * tokens * 5120}
    assert [d.flops_per_s / 1e12 for d in instance.devices] == close(compute, abs=5e-6)
    assert [d.load_bytes_per_s / 2**20 for d in instance.devices] == [5000, 4000, 3000, 2000]
    assert [d.memory_bytes / 2**30 for d in instance.devices] == [20, 10, 8, 8]


def test_that_the_published_radio_gives_the_published_rates():
    devices = generate("csgo-table1").devices
    uplinks = [215124082.5, 160931552.9, 128858500.6, 114299019.7]
    downlinks = [231733719.7, 184184884.3, 162076065.9, 147513593.6]
    assert [d.uplink_bytes_per_s for d in devices] == close(uplinks, abs=0.06)
    assert [d.downlink_bytes_per_s for d in devices] == close(downlinks, abs=0.06)


def test_that_the_figures_variant_changes_only_the_compute_of_the_second_device():
    table, figure = (generate("csgo-table1", variant=name) for name in ("table", "figure"))
    assert figure.devices[1].flops_per_s == close(table.devices[1].flops_per_s * 0.5 / 0.7)
    restored = replace(figure.devices[1], flops_per_s=table.devices[1].flops_per_s)
    devices = (figure.devices[0], restored, *figure.devices[2:])
    assert (figure.blocks, devices) == (table.blocks, table.devices)
    assert figure.name != table.name


@pytest.mark.parametrize("preset", PRESETS)
def test_that_every_preset_takes_a_seed_and_a_loading_mode(preset):
    instance = generate(preset, seed=3, loading="layerwise")
    assert instance.loading == "layerwise"
    assert generate(preset, seed=3).loading == "whole-run"


@pytest.mark.parametrize("preset", RANDOM)
def test_that_the_same_seed_gives_the_same_instance_and_another_one_another(preset):
    assert generate(preset, seed=5) == generate(preset, seed=5)
    assert generate(preset, seed=5).devices != generate(preset, seed=6).devices


@pytest.mark.parametrize("preset", RANDOM)
def test_that_the_name_tells_instances_apart(preset):
    variants = [{}, {"seed": 1}, {"blocks": 41}, {"tokens": 512}, {"spread": 0.3}, {"slack": 2.0}]
    variants += [{"loading": "layerwise"}]
    variants += [{"types": 3}, {"per_type": 2}] if preset == "typed" else [{"devices": 5}]
    names = {generate(preset, **options).name for options in variants}
    assert len(names) == len(variants)


@pytest.mark.parametrize("preset", RANDOM)
def test_that_numbers_are_whole_so_that_files_are_short_and_exact(preset):
    instance = generate(preset, spread=0.3)
    entries = [vars(entry) for entry in (*instance.blocks, *instance.devices)]
    numbers = [value for entry in entries for value in entry.values() if value != entry.get("name")]
    assert all(value == int(value) for value in numbers)


@pytest.mark.parametrize("seed", range(10))
def test_that_random_devices_lie_in_their_ranges_with_enough_memory(seed):
    instance = generate("random-edge", seed=seed, devices=12)
    for device in instance.devices:
        assert 2e12 <= device.flops_per_s <= 60e12
        assert 0.5e9 <= device.load_bytes_per_s <= 6e9
        assert 20e6 <= device.uplink_bytes_per_s <= 400e6
        assert 20e6 <= device.downlink_bytes_per_s <= 400e6
    assert memory(instance) >= 1.6 * weights(instance) * (1 - 1e-9)


def test_that_ample_memory_is_not_scaled():
    memories = {d.memory_bytes for d in generate("random-edge", devices=12).devices}
    assert memories <= {4e9, 6e9, 8e9, 12e9, 16e9, 24e9}


def test_that_a_spread_varies_each_size_of_each_block_on_its_own():
    blocks = generate("random-edge", spread=0.3, tokens=1024).blocks
    middle = QWEN3_14B.block(1024)
    for size in ("flops", "weight_bytes", "activation_bytes"):
        ratios = [getattr(block, size) / getattr(middle, size) for block in blocks]
        assert 0.7 <= min(ratios) < 0.85
        assert 1.15 < max(ratios) <= 1.3
    work, weight = ([getattr(b, s) for b in blocks] for s in ("flops", "weight_bytes"))
    assert len({w / p for w, p in zip(work, weight, strict=True)}) == len(blocks)


def test_that_typed_devices_are_copies_of_a_few_draws():
    devices = generate("typed", types=3, per_type=4).devices
    assert len(devices) == 12
    assert len({replace(device, name="") for device in devices}) == 3
    assert len({device.name for device in devices}) == 12


def test_that_homogeneous_devices_are_copies_of_one_draw():
    devices = generate("homogeneous", devices=7).devices
    assert len(devices) == 7
    assert len({replace(device, name="") for device in devices}) == 1


@pytest.mark.parametrize(
    ("preset", "slack"), [("typed", 1.6), ("homogeneous", 1.6), ("tight", 1.15)]
)
def test_that_memory_is_scaled_to_exactly_the_slack(preset, slack):
    instance = generate(preset)
    assert memory(instance) == close(slack * weights(instance), rel=1e-6)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("seed", -1),
        ("devices", 0),
        ("devices", 1001),
        ("blocks", 0),
        ("blocks", 10_001),
        ("tokens", 0),
        ("spread", 1.5),
        ("slack", 0),
        ("slack", math.nan),
    ],
)
def test_that_a_parameter_out_of_range_is_refused_by_name(option, value):
    with pytest.raises(InputError, match=option):
        generate("random-edge", **{option: value})


def test_that_an_unknown_preset_gets_the_nearest_name():
    with pytest.raises(InputError, match="did you mean random-edge"):
        generate("random-egde")


def test_that_a_preset_refuses_an_option_that_it_does_not_have():
    with pytest.raises(InputError, match="devices"):
        generate("csgo-table1", devices=3)
