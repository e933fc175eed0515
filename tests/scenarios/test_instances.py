"""What instances say of the machines and the model of a scenario."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import shardopt
from scenarios.files import TEXT, instance, scenario, write
from shardopt.export.deployment import Pipeline
from shardopt.instances.catalogue.transformer import (
    Block,
    Experts,
    Part,
    Precision,
    Transformer,
)
from shardopt.instances.files import instance_from_json, instance_to_json
from shardopt.instances.replica_clustering import devices
from shardopt.instances.scenario.build import instance_of
from shardopt.instances.scenario.data import Scenario
from shardopt.instances.scenario.read import read_scenario
from shardopt.instances.scenario.roofline import Times
from shardopt.models.discover import part, problem_ids
from shardopt.models.errors import InputError
from shardopt.models.replica_clustering.data import Workload

HIDDEN, LAYERS, VOCABULARY = 2048, 16, 128_256  # of Llama 3.2 1B
CACHE = 2 * 2 * 512  # keys and values of 8 heads of 64 at 16 bits
BLOCK = 2 * (2 * HIDDEN * (HIDDEN + 512) + 3 * HIDDEN * 8192 + 2 * HIDDEN)
EMBEDDING = 2 * HIDDEN * VOCABULARY
CACHED = 2 * (512 + 128)


@pytest.mark.parametrize("problem", problem_ids())
def test_that_an_instance_of_a_scenario_is_what_its_file_says(tmp_path: Path, problem: str) -> None:
    made = instance(tmp_path, problem)
    assert instance_from_json(instance_to_json(made)) == made
    assert made.name == "home"
    assert "llama-3.2-1b on 3 machines" in made.source


def test_that_a_machine_is_what_programs_reach_of_it(tmp_path: Path) -> None:
    box, jetson, old = scenario(tmp_path).machines
    assert box.memory_bytes == pytest.approx(0.8 * 12e9)
    assert box.memory_bytes_per_s == pytest.approx(0.35 * 3.6e11)
    assert box.flops_per_s == pytest.approx(0.4 * 2.55e13)
    assert box.load_bytes_per_s == pytest.approx(0.8 * 3.5e9)
    assert jetson.load_bytes_per_s == 1e9  # a rate is taken as it is
    assert box.link_bytes_per_s == pytest.approx(0.92 * 1.25e8)
    assert (old.memory_bytes_per_s, old.flops_per_s) == pytest.approx((0.35 * 4e10, 0.4 * 2e12))
    assert (old.title, old.place) == ("own figures", "machines[2]")


def test_that_own_figures_go_before_the_catalogue_s(tmp_path: Path) -> None:
    own = 'device = "rtx-3060"\nmemory = "10 GB"\nusable = 0.5\nspeed = "20 TFLOP/s"'
    machine = scenario(tmp_path, ('device = "rtx-3060"', own)).machines[0]
    assert machine.memory_bytes == 5e9
    assert machine.flops_per_s == pytest.approx(0.4 * 20e12)
    assert machine.memory_bytes_per_s == pytest.approx(0.35 * 3.6e11)


def test_that_half_of_wifi_and_all_of_a_measured_link_is_reached(tmp_path: Path) -> None:
    def link(name: str) -> float:
        return scenario(tmp_path, ("ethernet-1g", name)).machines[0].link_bytes_per_s

    assert link("wifi-6-80mhz-2") == pytest.approx(0.5 * 1.501e8)
    assert link("lan-920m") == 1.15e8
    assert link("800 Mbit/s") == 1e8


def test_that_a_file_of_a_profile_is_taken_as_measured(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        """
        [sources]
        profile = "a test"
        [[devices]]
        name = "my-cpu"
        title = "My processor"
        kind = "machine"
        memory_bytes = { value = 1e10, flag = "measured", source = "profile" }
        memory_bytes_per_s = { value = 2e10, flag = "measured", source = "profile" }
        fp16_flops_per_s = { value = 1e11, flag = "measured", source = "profile" }
        [[storage]]
        name = "my-cpu-disk"
        title = "Its disk"
        read_bytes_per_s = { value = 3e9, flag = "measured", source = "profile" }
        """,
        encoding="utf-8",
    )
    changes = ('device = "rtx-3060"\nstorage = "nvme-gen3"', 'device = "mine.toml"')
    machine = scenario(tmp_path, changes).machines[0]
    assert (machine.name, machine.title) == ("box", "My processor")
    assert (machine.memory_bytes_per_s, machine.flops_per_s) == (2e10, 1e11)
    assert machine.load_bytes_per_s == 3e9


def test_that_equal_machines_are_numbered(tmp_path: Path) -> None:
    made = scenario(tmp_path, ('name = "jetson"', 'name = "jetson"\ncount = 2'))
    assert [m.name for m in made.machines] == ["box", "jetson-1", "jetson-2", "old"]
    made = scenario(tmp_path, ('name = "jetson"\n', "count = 2\n"))
    assert [m.name for m in made.machines][1:3] == ["orin-nano-8-1", "orin-nano-8-2"]
    with pytest.raises(InputError, match="1002 machines, expected at most 1000"):
        scenario(tmp_path, ('name = "jetson"', 'name = "jetson"\ncount = 1000'))


def test_that_the_roofline_is_that_of_the_published_testbed(tmp_path: Path) -> None:
    """The preset's figures are checked to ten digits against its page."""
    attention, expert = Part(devices.ATTENTION), Part(devices.EXPERT)
    experts = Experts(devices.EXPERTS, devices.ACTIVE_EXPERTS, expert)
    cached = devices.CACHE_BYTES // devices.BYTES_PER_NUMBER
    sizes = Transformer(
        family="by hand",
        blocks=(Block(attention, experts, cached, 0, 0),) * devices.BLOCKS,
        hidden=devices.HIDDEN,
        vocabulary=devices.VOCABULARY,
        tied=False,
        embedding=devices.HIDDEN * devices.VOCABULARY,
        head=devices.HIDDEN * devices.VOCABULARY,
        norms=0,
        precision=Precision("mxfp4", 2.0, 16.0, devices.MXFP4_BITS),
    )
    made = scenario(tmp_path, ("= 512", "= 576"), ("= 128", "= 588"))
    made = replace(made, model=replace(made.model, sizes=sizes))
    machine = replace(
        made.machines[0],
        memory_bytes_per_s=devices.REACHED_BANDWIDTH * 672e9,
        flops_per_s=devices.REACHED_PEAK * 30.9e12,
    )
    times, block = Times(made, machine), sizes.blocks[0]
    asked = Workload(576.0, 588.0, 0.5, 15.0, 16)
    preset = devices.roofline("rtx5070", 672e9, 30.9e12, 12e9, asked)
    batches = range(1, 17)
    assert times.prefill_s(block) / 576 == pytest.approx(preset.prefill_s_per_token_per_block)
    assert [times.decode_s(block, q) for q in batches] == pytest.approx(preset.decode_s_per_block)
    assert [times.head_s(q) for q in batches] == pytest.approx(preset.head_decode_s)


def prefill_s(bandwidth: float, speed: float) -> float:
    """The time of a block for 512 tokens, by hand."""
    matrices = 2 * HIDDEN * (HIDDEN + 512) + 3 * HIDDEN * 8192
    flops = 2 * 512 * matrices + 4 * 512 * 512 * HIDDEN
    return 2e-5 + BLOCK / (0.35 * bandwidth) + flops / (0.4 * speed)


def test_that_cold_start_has_the_sizes_of_the_model(tmp_path: Path) -> None:
    made = instance(tmp_path, "cold-start")
    assert len(made.blocks) == LAYERS
    assert [b.weight_bytes for b in made.blocks[:2]] == [BLOCK + EMBEDDING, BLOCK]
    assert made.blocks[-1].weight_bytes == BLOCK + EMBEDDING  # tied, but another machine's copy
    assert {b.activation_bytes for b in made.blocks} == {512 * 2 * HIDDEN}
    old = made.devices[2]
    assert made.blocks[0].flops / old.flops_per_s == pytest.approx(prefill_s(4e10, 2e12))
    share = BLOCK / (BLOCK + CACHED * CACHE)
    assert old.memory_bytes == pytest.approx(0.8 * 16e9 * share)
    assert made.link_latency_s == 1e-3


def test_that_a_pair_s_own_way_takes_as_long_in_cold_start(tmp_path: Path) -> None:
    pair = TEXT + '[[network.pairs]]\nbetween = ["box", "old"]\nlink = "10 MB/s"\nlatency = "9 ms"'
    made = instance_of(read_scenario(write(tmp_path, pair)), "cold-start")
    activation = made.blocks[0].activation_bytes
    rates = made.links_bytes_per_s
    assert made.link_latency_s + activation / rates[0][2] == pytest.approx(9e-3 + activation / 1e7)
    assert made.link_latency_s + activation / rates[0][1] == pytest.approx(
        1e-3 + activation / 1.15e8
    )
    assert made.devices[0].uplink_bytes_per_s is None


def test_that_block_placement_has_round_trips_and_the_room_of_sessions(tmp_path: Path) -> None:
    made = instance(tmp_path, "block-placement")
    client = made.clients[0]
    assert (made.weight_bytes, made.cache_bytes_per_session) == (BLOCK, 640 * CACHE)
    assert client.sessions == 2
    assert client.decode_rtt_s[0] == pytest.approx(0.05 + 2 * (1e-3 + 2 * HIDDEN / 1.15e8))
    assert client.prefill_rtt_s[0] == pytest.approx(0.055 + 2 * (1e-3 + 1024 * HIDDEN / 1.15e8))
    assert made.servers[2].prefill_s_per_block == pytest.approx(prefill_s(4e10, 2e12))
    assert made.servers[2].memory_bytes == pytest.approx(0.8 * 16e9)


def test_that_a_client_on_a_machine_is_near_and_keeps_the_ends_there(tmp_path: Path) -> None:
    client = ("[network]", '[network]\nclient = "old"\n')
    overhead = ('latency = "1 ms"', 'latency = "1 ms"\n[assumptions]\nround_trip_overhead = "0 s"')
    made = instance(tmp_path, "block-placement", client, overhead)
    assert made.clients[0].decode_rtt_s[2] == 0
    assert made.clients[0].decode_rtt_s[0] == pytest.approx(2 * (1e-3 + 2 * HIDDEN / 1.15e8))
    assert made.servers[2].memory_bytes == pytest.approx(0.8 * 16e9 - EMBEDDING)  # tied: once


def test_that_tiers_follow_from_the_speed(tmp_path: Path) -> None:
    made = instance(tmp_path, "partition-schedule")
    names = [[node.name for node in tier.nodes] for tier in made.tiers]
    assert names == [["old"], ["jetson", "box"]]
    assert [(r.arrival_s, r.tokens) for r in made.requests] == [(0, 512), (1, 512)]
    assert made.links[0].bytes_per_s == pytest.approx(1.15e8)
    total = sum(block.flops_per_token for block in made.blocks[:-1]) * 512
    old = made.tiers[0].nodes[0]
    assert total / old.flops_per_s == pytest.approx((LAYERS - 1) * prefill_s(4e10, 2e12))


def test_that_tiers_of_the_file_keep_its_order(tmp_path: Path) -> None:
    changes = (
        ('name = "box"', 'name = "box"\ntier = "near"'),
        ('name = "jetson"', 'name = "jetson"\ntier = "far"'),
        ('name = "old"', 'name = "old"\ntier = "near"'),
        ("sessions = 2", 'sessions = 2\nrequests = 3\narrival_period = "250 ms"'),
    )
    made = instance(tmp_path, "partition-schedule", *changes)
    found = {tier.name: [node.name for node in tier.nodes] for tier in made.tiers}
    assert found == {"near": ["box", "old"], "far": ["jetson"]}
    assert [r.arrival_s for r in made.requests] == [0, 0.25, 0.5]


def test_that_replicas_hold_all_sessions_and_any_device_the_embedding(tmp_path: Path) -> None:
    made = instance(tmp_path, "replica-clustering")
    assert made.model.head_weight_bytes == EMBEDDING
    assert made.devices[2].memory_bytes == pytest.approx(0.8 * 16e9 - EMBEDDING)
    assert made.workload.max_batch == len(made.devices[0].decode_s_per_block) == 2
    assert made.devices[2].prefill_s_per_token_per_block == pytest.approx(
        prefill_s(4e10, 2e12) / 512
    )
    assert made.link is not None
    assert made.links is None
    wifi = ('name = "old"', 'name = "old"\nlink = "wifi-5-80mhz-2"')
    links = instance(tmp_path, "replica-clustering", wifi).links
    assert links.bytes_per_s[0][1] == pytest.approx(1.15e8)
    assert links.bytes_per_s[0][2] == pytest.approx(0.5 * 1.083e8)


@pytest.mark.parametrize(
    ("said", "bits"),
    [
        ('dtype = "float32"', 32.0),
        ("weight_bits = 4.5", 4.5),
        ('quantisation = "fp8"', 8.0),
        ('quantisation = "awq"', 4 + 20 / 128),
        ('quantisation = "none"', 16.0),
    ],
)
def test_that_weights_have_the_bits_that_are_asked_for(
    tmp_path: Path, said: str, bits: float
) -> None:
    made = scenario(tmp_path, ('"llama-3.2-1b"', f'"llama-3.2-1b"\n{said}'))
    sizes = made.model.sizes
    matrices = sizes.blocks[0].dense.matrices
    norms = 2 * HIDDEN * sizes.precision.plain_bytes
    assert sizes.block_weight_bytes(sizes.blocks[0]) == pytest.approx(matrices * bits / 8 + norms)


def test_that_a_quantised_model_stays_so_unless_told_otherwise(tmp_path: Path) -> None:
    own = scenario(tmp_path, ("llama-3.2-1b", "gpt-oss-20b")).model.sizes.precision
    assert (own.dense_bits, own.expert_bits) == (16.0, 4.25)
    plain = ('name = "llama-3.2-1b"', 'name = "gpt-oss-20b"\nquantisation = "none"')
    assert scenario(tmp_path, plain).model.sizes.precision.expert_bits == 16.0


def test_that_a_cache_of_eight_bits_takes_half(tmp_path: Path) -> None:
    changes = ('"llama-3.2-1b"', '"llama-3.2-1b"\ncache_dtype = "fp8"')
    made = instance(tmp_path, "block-placement", changes)
    assert made.cache_bytes_per_session == 640 * CACHE / 2


@pytest.mark.parametrize("problem", problem_ids())
@pytest.mark.parametrize("model", ["deepseek-v3", "gpt-oss-120b", "bloom-176b", "gpt-oss-20b"])
def test_that_models_with_unequal_blocks_and_experts_are_built(
    tmp_path: Path, problem: str, model: str
) -> None:
    made = instance(tmp_path, problem, ("llama-3.2-1b", model))
    assert instance_from_json(instance_to_json(made)) == made


@pytest.mark.parametrize("problem", problem_ids())
def test_that_one_machine_is_a_scenario(tmp_path: Path, problem: str) -> None:
    made = scenario(tmp_path).without("box").without("old")
    assert instance_of(made, problem).source.endswith("on 1 machine")


def test_that_a_machine_can_be_left_out(tmp_path: Path) -> None:
    whole = scenario(tmp_path, ("[network]", '[network]\nclient = "old"'))
    less = whole.without("jetson")
    assert [m.name for m in less.machines] == ["box", "old"]
    assert less.client == 1
    assert less.hop(0, 1) == whole.hop(0, 2)
    assert whole.without("old").client is None
    with pytest.raises(InputError, match="one of box, jetson, old"):
        whole.without("laptop")
    with pytest.raises(InputError, match="more than one"):
        less.without("box").without("old")


def optimum(made: Scenario, problem: str) -> Any:
    result = shardopt.solve(instance_of(made, problem), time_limit=20)
    assert result.status in ("optimal", "infeasible")
    return math.inf if result.objective is None else result.objective


def scaled(made: Scenario, **factors: float) -> Scenario:
    """Return the scenario with some figures of every machine multiplied."""
    return replace(
        made,
        machines=tuple(
            replace(m, **{name: factor * getattr(m, name) for name, factor in factors.items()})
            for m in made.machines
        ),
    )


@pytest.mark.parametrize("problem", problem_ids())
def test_that_more_of_everything_never_makes_the_optimum_worse(
    tmp_path: Path, problem: str
) -> None:
    tight = scaled(scenario(tmp_path), memory_bytes=0.4)
    base = optimum(tight, problem)
    better = {
        "memory": scaled(tight, memory_bytes=2.0),
        "bandwidth": scaled(tight, memory_bytes_per_s=2.0),
        "speed": scaled(tight, flops_per_s=2.0),
        "disk": scaled(tight, load_bytes_per_s=2.0),
        "cache": replace(tight, model=replace(tight.model, cache_bytes_per_number=1.0)),
    }
    for name, made in better.items():
        assert optimum(made, problem) <= base * (1 + 1e-6), name


@pytest.mark.parametrize("problem", problem_ids())
def test_that_the_order_of_machines_does_not_matter(tmp_path: Path, problem: str) -> None:
    made = scenario(tmp_path, ('name = "old"', 'name = "old"\nlink = "wifi-5-80mhz-2"'))
    order = [2, 0, 1]
    permuted = replace(
        made,
        machines=tuple(made.machines[i] for i in order),
        hops=tuple(tuple(made.hops[i][j] for j in order) for i in order),
    )
    assert optimum(permuted, problem) == pytest.approx(optimum(made, problem), rel=1e-6)


def needed_bytes(made: Scenario, problem: str, pipeline: Pipeline, stage: int) -> float:
    """Return what an engine keeps on a stage: weights, caches, and the ends where it puts them."""
    sizes, asked = made.model.sizes, made.workload
    holding, last = pipeline.stages[stage], len(pipeline.stages) - 1
    tokens = asked.cached_tokens
    if problem == "replica-clustering":
        each = asked.input_tokens + (asked.output_tokens if pipeline.role == "decode" else 0)
        tokens = (pipeline.batch or 0) * len(pipeline.stages) * each
    need = sum(
        sizes.block_weight_bytes(block) + tokens * made.model.cache_bytes_per_token(block)
        for block in sizes.blocks[holding.start : holding.stop]
    )
    if problem == "block-placement":  # PETALS: at the client
        return need
    if last == 0:
        return need + made.model.ends_bytes
    return (
        need
        + (sizes.embedding_bytes if stage == 0 else 0)
        + (sizes.head_bytes if stage == last else 0)
    )


@pytest.mark.parametrize("problem", problem_ids())
def test_that_everything_that_an_engine_keeps_fits(tmp_path: Path, problem: str) -> None:
    made = scenario(tmp_path, ("sessions = 2", "sessions = 8"))
    used = 0.0
    for factor in (0.1, 0.25, 0.5):
        tight = scaled(made, memory_bytes=factor)
        plan = shardopt.solve(instance_of(tight, problem)).solution
        if plan is None:
            continue
        exported = part(problem, "", "export").deployment(instance_of(tight, problem), plan)
        room = {machine.name: machine.memory_bytes for machine in tight.machines}
        for pipeline in exported.pipelines:
            for stage, holding in enumerate(pipeline.stages):
                share = needed_bytes(tight, problem, pipeline, stage) / room[holding.device]
                assert share <= 1 + 1e-9
                used = max(used, share)
    assert used > 0.8  # and the room is not left empty
