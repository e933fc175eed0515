"""The tables say what the checker and the evaluator say, to the last bit."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from replica_clustering.draws import random_plan, tiny_instance, tiny_instances
from replica_clustering.hand import AB_BEST, make, uniform_links, with_links
from shardopt.instances.replica_clustering.presets import PRESETS
from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.data import TOLERANCE, Instance
from shardopt.models.replica_clustering.evaluate import need_bytes, replica_times
from shardopt.models.replica_clustering.tables import make_tables

ROLES = ("prefill", "decode")


def test_that_the_tables_hold_what_the_page_defines():
    instance = make("ab", memory=70.0, cache=0.05, activation=2.0, link=(1000.0, 0.5))
    tables = make_tables(instance)
    assert (tables.device_count, tables.block_count, tables.max_batch) == (2, 4, 2)
    assert tables.memory.tolist() == [70.0, 70.0]
    assert tables.prefill_s.tolist() == pytest.approx([0.1, 0.2])
    assert tables.decode_s.tolist() == [[0.01, 0.015], [0.02, 0.03]]
    assert tables.decode_head_s.tolist() == [[0.0, 0.0]] * 2
    assert tables.hop_bytes("prefill", 1) == 200.0
    assert tables.hop_bytes("decode", 2) == 4.0
    assert tables.hop_s("prefill", 1)[0, 1] == pytest.approx(0.7)
    assert tables.cache_tokens("prefill", 1, 3) == 300.0
    assert tables.cache_tokens("decode", 2, 3) == 900.0
    assert tables.most_blocks("decode", 1, 1, False).tolist() == [4, 4]
    assert tables.most_blocks("decode", 2, 1, False).tolist() == [2, 2]
    assert tables.uniform


@given(tiny_instances(), st.integers(0, 2**32 - 1))
def test_that_tables_and_evaluator_agree_to_the_last_bit(instance, seed):
    assume(len(instance.devices) > 1)
    tables, index = make_tables(instance), instance.device_index()
    for one in random_plan(instance, seed).replicas:
        times = replica_times(instance, one)
        at = [index[stage.device] for stage in one.stages]
        for k, (i, stage) in enumerate(zip(at, one.stages, strict=True)):
            if one.role == "prefill":
                block_s, head_s = tables.prefill_s[i], tables.prefill_head_s[i]
            else:
                block_s = tables.decode_s[i, one.batch - 1]
                head_s = tables.decode_head_s[i, one.batch - 1]
            head = head_s if stage.device == one.master else 0.0
            assert (stage.stop - stage.start) * block_s + head == times.stage_s[k]
        hops = tables.hop_s(one.role, one.batch)
        assert tuple(hops[i, j] for i, j in itertools.pairwise(at)) == times.hop_s


@given(tiny_instances(), st.integers(0, 2**32 - 1))
def test_that_tables_and_checker_agree_on_memory_and_token_rate(instance, seed):
    assume(len(instance.devices) > 1)
    tables, index = make_tables(instance), instance.device_index()
    solution = random_plan(instance, seed)
    found = {(v.constraint, v.where) for v in check(instance, solution).violations}
    for n, one in enumerate(solution.replicas):
        stages = len(one.stages)
        for k, stage in enumerate(one.stages):
            head = stage.device == one.master
            most = tables.most_blocks(one.role, one.batch, stages, head)[index[stage.device]]
            too_much = stage.stop - stage.start > most
            assert too_much == (("memory", f"replicas[{n}].stages[{k}]") in found)
        if one.role == "decode":
            allowed = tables.rate_allowed(stages, replica_times(instance, one).slowest_s)
            assert allowed == (("token-rate", f"replicas[{n}]") not in found)


@pytest.mark.parametrize("steps", range(-3, 4))
def test_that_a_token_rate_is_allowed_to_the_last_bit_as_by_the_checker(steps):
    least = (1 + TOLERANCE) / 0.06
    for _ in range(abs(steps)):
        least = math.nextafter(least, math.inf if steps > 0 else 0)
    instance = make("ab", least_rate=least)
    slowest = replica_times(instance, AB_BEST.replicas[1]).slowest_s
    allowed = make_tables(instance).rate_allowed(1, slowest)
    assert allowed == check(instance, AB_BEST).feasible


def most_by_counting(instance: Instance, role, q: int, stages: int, head: bool) -> list[int]:
    def fits(memory: float, blocks: int) -> bool:
        need = need_bytes(instance, role, q * stages, blocks, head)
        return need <= memory * (1 + TOLERANCE)

    counts = range(instance.model.blocks + 1)
    return [
        max((c for c in counts if fits(device.memory_bytes, c)), default=-1)
        for device in instance.devices
    ]


sizes = st.sampled_from(
    [st.integers(1, 9).map(float), st.integers(1, 9).map(lambda n: n / 10), st.floats(1e-15, 1e30)]
)


@given(sizes.flatmap(lambda size: st.tuples(size, size, size)), st.data())
def test_that_most_blocks_agrees_with_the_checker_where_a_count_just_fits(drawn, data):
    weight, head, cache = drawn
    instance = make("a")
    model = replace(
        instance.model,
        blocks=7,
        block_weight_bytes=weight,
        head_weight_bytes=head,
        cache_bytes_per_token_per_block=cache,
    )
    role, is_head = data.draw(st.sampled_from(ROLES)), data.draw(st.booleans())
    q, stages = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 3))
    instance = replace(instance, model=model)
    memories = []
    for blocks in range(8):
        need = need_bytes(instance, role, q * stages, blocks, is_head)
        limit = need / (1 + TOLERANCE)
        # The limit itself and its neighbours: one of them is the last that does not fit.
        memories += [limit, math.nextafter(limit, 0), math.nextafter(limit, math.inf)]
    devices = tuple(
        replace(instance.devices[0], name=f"d{k}", memory_bytes=max(memory, 1e-15))
        for k, memory in enumerate(memories)
    )
    instance = replace(instance, devices=devices)
    found = make_tables(instance).most_blocks(role, q, stages, is_head)
    assert found.tolist() == most_by_counting(instance, role, q, stages, is_head)


def test_that_most_blocks_agrees_with_the_checker_where_blocks_are_lost_in_rounding():
    instance = make("ab")
    model = replace(instance.model, blocks=10_000, block_weight_bytes=1e-3, head_weight_bytes=1e16)
    devices = tuple(
        replace(d, memory_bytes=memory / (1 + TOLERANCE))
        for d, memory in zip(instance.devices, (1e16, 1e16 + 4), strict=True)
    )
    instance = replace(instance, model=model, devices=devices)
    found = make_tables(instance).most_blocks("decode", 1, 1, True).tolist()
    assert found == most_by_counting(instance, "decode", 1, 1, True)
    assert found[0] not in (0, 10_000)


def test_that_a_head_alone_may_be_too_much():
    instance = make("a", memory=5.0)
    heavy = replace(instance, model=replace(instance.model, head_weight_bytes=6.0))
    assert make_tables(heavy).most_blocks("prefill", 1, 1, True).tolist() == [-1]
    assert make_tables(heavy).most_blocks("prefill", 1, 1, False).tolist() == [0]


@given(tiny_instances())
def test_that_a_uniform_lan_and_the_same_in_matrices_have_the_same_tables(instance):
    assume(instance.link is not None)
    one, other = make_tables(instance), make_tables(uniform_links(instance))
    assert (one.uniform, other.uniform) == (True, False)
    assert one.types == other.types
    off_diagonal = ~np.eye(one.device_count, dtype=bool)
    for role in ROLES:
        hops = one.hop_s(role, 1)[off_diagonal], other.hop_s(role, 1)[off_diagonal]
        assert hops[0].tolist() == hops[1].tolist()


# Types.


def swapped(instance: Instance, i: int, j: int) -> Instance:
    """Return the instance with two devices in each other's place, names staying where they are."""
    order = list(range(len(instance.devices)))
    order[i], order[j] = j, i
    names = [d.name for d in instance.devices]
    devices = tuple(replace(instance.devices[k], name=n) for k, n in zip(order, names, strict=True))
    links = instance.links
    if links is not None:
        bytes_per_s, latency_s = (
            tuple(tuple(matrix[a][b] for b in order) for a in order)
            for matrix in (links.bytes_per_s, links.latency_s)
        )
        links = replace(links, bytes_per_s=bytes_per_s, latency_s=latency_s)
    return replace(instance, devices=devices, links=links)


@given(tiny_instances())
def test_that_two_devices_are_of_one_type_exactly_when_swapping_them_changes_nothing(instance):
    members = make_tables(instance).types.members
    type_of = {i: t for t, group in enumerate(members) for i in group}
    assert sorted(type_of) == list(range(len(instance.devices)))
    needed = instance.workload.max_batch
    devices = tuple(
        replace(d, decode_s_per_block=d.decode_s_per_block[:needed],
                head_decode_s=d.head_decode_s[:needed])
        for d in instance.devices
    )  # fmt: skip
    instance = replace(instance, devices=devices)
    for i, j in itertools.combinations(type_of, 2):
        assert (type_of[i] == type_of[j]) == (swapped(instance, i, j) == instance)


def test_that_types_are_in_the_order_of_their_first_device():
    types = make_tables(make("baab")).types
    assert types.members == ((0, 3), (1, 2))
    assert types.count.tolist() == [2, 2]


def test_that_profiles_beyond_the_largest_batch_tell_nothing_apart():
    instance = make("aa", batch=1)
    longer = replace(instance.devices[1], decode_s_per_block=(0.01, 9.0, 9.0))
    tables = make_tables(replace(instance, devices=(instance.devices[0], longer)))
    assert tables.types.members == ((0, 1),)
    assert tables.decode_s.shape == (2, 1)


def test_that_one_odd_link_tells_twins_apart():
    fast, slow = 100.0, 50.0
    rates = ((0.0, fast, fast), (fast, 0.0, fast), (fast, fast, 0.0))
    latencies = ((0.0,) * 3,) * 3
    assert make_tables(with_links(make("aaa"), rates, latencies)).types.members == ((0, 1, 2),)
    odd = (rates[0], (fast, 0.0, slow), rates[2])
    assert make_tables(with_links(make("aaa"), odd, latencies)).types.members == ((0,), (1,), (2,))
    # Both hops between 1 and 2 are slow: they may be swapped with each other.
    both = (rates[0], (fast, 0.0, slow), (fast, slow, 0.0))
    assert make_tables(with_links(make("aaa"), both, latencies)).types.members == ((0,), (1, 2))


def test_that_twins_must_be_linked_to_the_same_devices_and_not_only_as_well():
    slow, fast = 50.0, 100.0
    rates = [[0.0 if i == j else slow for j in range(4)] for i in range(4)]
    rates[2][0] = rates[3][1] = fast
    latencies = ((0.0,) * 4,) * 4
    linked = with_links(make("aaaa"), tuple(map(tuple, rates)), latencies)
    assert len(make_tables(linked).types.members) == 4
    late = tuple(tuple(1 / v if v else 0.0 for v in row) for row in rates)
    linked = with_links(make("aaaa"), ((slow,) * 4,) * 4, late)
    assert len(make_tables(linked).types.members) == 4


def test_that_drawn_instances_have_types_of_several_devices():
    members = [make_tables(tiny_instance(seed, seed % 2 == 1)).types.members for seed in range(60)]
    for links in (0, 1):
        assert any(len(group) > 1 for types in members[links::2] for group in types)


def test_that_a_thousand_devices_have_tables_without_matrices_of_their_own():
    tables = make_tables(PRESETS["random-edge"](devices=1000))
    assert tables.hop_s("decode", 3).strides == (0, 0)
    assert len(tables.types.members) == 1000


def test_that_a_thousand_linked_devices_are_grouped():
    instance = uniform_links(PRESETS["typed"](devices=1000, types=3))
    assert make_tables(instance).types.count.tolist() == [334, 333, 333]
