"""Generator presets: the published constants, and what each random preset promises."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import shardopt
from block_placement import golden
from shardopt.instances.block_placement.bloom import WEIGHT_BYTES
from shardopt.instances.block_placement.presets import PRESETS
from shardopt.instances.files import instance_from_json, instance_to_json
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.errors import InputError

SCATTERED = [name for name in PRESETS if name.startswith("bloom-") and "clustered" not in name]
RANDOM = ["random-tight", "random-loose", "multi-client", "typed"]


def generate(preset, **options):
    return shardopt.generate("block-placement", preset, **options)


def without_text(instance):
    return replace(instance, name="", source="")


def test_that_all_presets_of_the_page_are_there():
    assert list(PRESETS) == [
        "bloom-clustered-9",
        "bloom-abvt-9",
        "bloom-bellcanada-26",
        "bloom-gtsce-26",
        "bloom-gtsce-60",
        "random-tight",
        "random-loose",
        "multi-client",
        "typed",
        "witness",
    ]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clustered-9-r1", {"sessions": 1}),
        ("clustered-9-r8", {}),
        ("clustered-9-r150", {"sessions": 150}),
        ("clustered-9-r8-session", {"cost": "session"}),
    ],
)
def test_that_the_clustered_testbed_is_the_golden_one_to_the_last_digit(name, options):
    made, known = generate("bloom-clustered-9", **options), golden.instance(name)
    assert made.name == known.name
    assert without_text(made) == without_text(known)


def test_that_the_shipped_instance_is_the_clustered_testbed(tmp_path):
    folder = shardopt.instances.__path__[0]
    shipped = shardopt.load(f"{folder}/library/block-placement/clustered-9-r8.json")
    assert without_text(shipped) == without_text(generate("bloom-clustered-9"))


def test_that_the_witness_is_the_golden_one():
    assert without_text(generate("witness")) == without_text(golden.instance("witness-2"))


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_that_the_witness_has_room_for_one_whole_session_on_each_server(blocks):
    instance = generate("witness", blocks=blocks)
    tables = make_tables(instance)
    assert len(instance.servers) == instance.session_count == blocks**2
    assert set(tables.slots[:, blocks]) == {blocks}


def test_that_the_clustered_overheads_are_shorter_by_50_and_12_ms():
    usual = generate("bloom-clustered-9").clients[0]
    shorter = generate("bloom-clustered-9", overheads="clustered").clients[0]
    decode = np.subtract(usual.decode_rtt_s, shorter.decode_rtt_s)
    prefill = np.subtract(usual.prefill_rtt_s, shorter.prefill_rtt_s)
    assert decode == pytest.approx(np.full(9, 0.050))
    assert prefill == pytest.approx(np.full(9, 0.012))


@pytest.mark.parametrize("preset", PRESETS)
def test_that_what_a_preset_makes_is_a_valid_file(preset):
    instance = generate(preset, seed=3)
    assert instance_from_json(instance_to_json(instance)) == instance


@pytest.mark.parametrize("preset", SCATTERED)
def test_that_a_scattered_testbed_has_the_published_servers(preset):
    instance = generate(preset, seed=1)
    servers = int(preset.rsplit("-", 1)[1])
    fast = [s for s in instance.servers if s.decode_s_per_block == 0.0032197]
    slices = [s for s in instance.servers if s.decode_s_per_block == 0.0162488]
    assert len(instance.servers) == servers == len(fast) + len(slices)
    assert len(fast) == round(0.2 * servers)
    assert {s.max_blocks for s in slices} == {4}
    assert {s.max_blocks for s in fast} == {None}
    memory = (79.13e9, 8.2e9) if "abvt" in preset else (84.973e9, 10.2e9)
    assert ({s.memory_bytes for s in fast}, {s.memory_bytes for s in slices}) == (
        {memory[0]},
        {memory[1]},
    )
    assert instance.weight_bytes == pytest.approx(1323397667.2)
    assert instance.cache_bytes_per_session == 4 * 14336 * 148


@pytest.mark.parametrize("preset", SCATTERED)
def test_that_round_trips_are_pings_and_overheads(preset):
    instance = generate(preset, seed=2, clients=3, input_tokens=50)
    ping = np.array(instance.petals.client_ping_s)
    decode = np.array([client.decode_rtt_s for client in instance.clients])
    prefill = np.array([client.prefill_rtt_s for client in instance.clients])
    assert decode - ping == pytest.approx(np.full(ping.shape, 0.100))
    assert prefill - ping == pytest.approx(np.full(ping.shape, 0.067 + 50 * 0.0007049))
    between = np.array(instance.petals.server_ping_s)
    assert np.array_equal(between, between.T)
    assert np.count_nonzero(between == 0.0) == len(instance.servers)  # no two at one node


def test_that_eta_is_the_share_of_large_servers():
    instance = generate("bloom-gtsce-26", eta=0.5, servers=20)
    assert Counter(s.max_blocks for s in instance.servers) == {4: 10, None: 10}


@pytest.mark.parametrize("preset", [*SCATTERED, *RANDOM])
def test_that_the_same_seed_gives_the_same_instance_and_another_one_another(preset):
    assert generate(preset, seed=5) == generate(preset, seed=5)
    assert generate(preset, seed=5).clients != generate(preset, seed=6).clients


@pytest.mark.parametrize("preset", PRESETS)
def test_that_the_name_tells_instances_apart(preset):
    options = {
        "bloom-clustered-9": [{"overheads": "clustered"}, {"a100_gb": 86.13}, {"mig_gb": 9.1}],
        "witness": [{"blocks": 3}, {"rtt_s": 2.0}, {"decode_s_per_block": 0.2}],
    }.get(preset, [{"seed": 1}, {"clients": 2}])
    if preset in SCATTERED:
        options += [{"servers": 8}, {"eta": 0.5}, {"a100_gb": 80.0}, {"mig_gb": 9.1}]
    if preset in RANDOM:
        options += [{"slack": 3.3}, {"blocks": 20}]
        options += [{"types": 5}, {"per_type": 2}] if preset == "typed" else [{"servers": 7}]
    if preset != "witness":
        options += [{"sessions": 9}, {"input_tokens": 7}, {"output_tokens": 7}]
        options += [{"cost": "session"}]
    made = [generate(preset, **each) for each in ({}, *options)]
    assert len({instance.name for instance in made}) == len(made)
    assert len({without_text(instance) for instance in made}) == len(made)


@pytest.mark.parametrize("preset", [*SCATTERED, *RANDOM])
def test_that_sessions_are_shared_as_equally_as_possible(preset):
    instance = generate(preset, sessions=11, clients=3)
    assert [client.sessions for client in instance.clients] == [4, 4, 3]


@pytest.mark.parametrize("preset", RANDOM)
def test_that_memory_is_what_the_slack_says(preset):
    instance = generate(preset, slack=1.7, sessions=10)
    chain = instance.weight_bytes + 10 * instance.cache_bytes_per_session
    total = sum(server.memory_bytes for server in instance.servers)
    assert total == pytest.approx(1.7 * instance.block_count * chain, rel=1e-6)
    assert instance.weight_bytes == pytest.approx(WEIGHT_BYTES)


def test_that_typed_servers_are_interchangeable_within_their_types():
    types = make_tables(generate("typed", types=5, per_type=3, clients=2)).types
    assert sorted(map(len, types.members)) == [3] * 5


@pytest.mark.parametrize(
    ("preset", "options", "told"),
    [
        ("bloom-clustered-9", {"sessions": 0}, "sessions"),
        ("bloom-clustered-9", {"input_tokens": 0}, "input_tokens"),
        ("bloom-clustered-9", {"a100_gb": -1.0}, "a100_gb"),
        ("bloom-clustered-9", {"cost": "prefill"}, "cost"),
        ("bloom-abvt-9", {"servers": 23}, "servers"),
        ("bloom-abvt-9", {"clients": 0}, "clients"),
        ("bloom-abvt-9", {"clients": 5, "sessions": 4}, "sessions"),
        ("bloom-abvt-9", {"eta": 1.5}, "eta"),
        ("bloom-abvt-9", {"seed": -1}, "seed"),
        ("random-tight", {"slack": 0.0}, "slack"),
        ("random-tight", {"blocks": 10_001}, "blocks"),
        ("typed", {"types": 0}, "types"),
        ("typed", {"per_type": 0}, "per_type"),
        ("witness", {"blocks": 0}, "blocks"),
    ],
)
def test_that_options_out_of_range_are_refused(preset, options, told):
    with pytest.raises(InputError, match=told):
        generate(preset, **options)
