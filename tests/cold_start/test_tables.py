"""The tables that formulations and solvers use, against plain recomputation."""

import math
from dataclasses import replace
from itertools import accumulate, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cold_start.strategies import instances, planned
from shardopt.models.cold_start.data import MEMORY_TOLERANCE, Block, Device, Instance
from shardopt.models.cold_start.evaluate import need_bytes, timeline, transfer_s
from shardopt.models.cold_start.tables import make_tables

close = pytest.approx


def naive_reach(instance: Instance) -> list[list[int]]:
    """Return ``reach[k][a]`` by asking the checker's question of every run."""
    count = len(instance.blocks)
    return [
        [
            max(
                (
                    b
                    for b in range(a + 1, count + 1)
                    if need_bytes(instance, a, b) <= device.memory_bytes * (1 + MEMORY_TOLERANCE)
                ),
                default=a,
            )
            for a in range(count)
        ]
        for device in instance.devices
    ]


@given(instances())
def test_that_reach_agrees_with_the_checker(instance):
    assert make_tables(instance).reach.tolist() == naive_reach(instance)


kinds_of_sizes = st.sampled_from(
    [
        st.integers(0, 9).map(float),
        st.integers(0, 9).map(lambda n: n / 10),  # sums that no float holds exactly
        st.floats(0, 1e30),
    ]
)


@given(
    kinds_of_sizes.flatmap(
        lambda size: st.lists(st.tuples(size, size), min_size=1, max_size=8),
    ),
    st.data(),
)
def test_that_reach_agrees_with_the_checker_where_a_run_just_fits(drawn, data):
    blocks = tuple(Block(1.0, weight, activation) for weight, activation in drawn)
    instance = Instance("ties", "hypothesis", blocks, (), "whole-run")
    memories = []
    for _ in range(3):
        start = data.draw(st.integers(0, len(blocks) - 1))
        need = need_bytes(instance, start, data.draw(st.integers(start + 1, len(blocks))))
        limit = need / (1 + MEMORY_TOLERANCE)
        # The limit itself and its neighbours: one of them is the last that does not fit.
        step = data.draw(st.sampled_from([-math.inf, math.inf]))
        memories += [need, limit, math.nextafter(limit, step)]
    devices = tuple(
        Device(f"d{k}", 1.0, 1.0, max(memory, 1e-9), 1.0, 1.0) for k, memory in enumerate(memories)
    )
    instance = replace(instance, devices=devices)
    assert make_tables(instance).reach.tolist() == naive_reach(instance)


@given(instances(max_blocks=12))
def test_that_reach_never_falls(instance):
    assert (np.diff(make_tables(instance).reach, axis=1) >= 0).all()


@given(st.lists(st.floats(0, 1e18), min_size=1, max_size=12))
def test_that_each_prefix_sum_is_rounded_once(flops):
    blocks = tuple(Block(work, 0.0, 0.0) for work in flops)
    devices = (Device("d", 1.0, 1.0, 1.0, 1.0, 1.0),)
    tables = make_tables(Instance("sums", "hypothesis", blocks, devices, "whole-run"))
    prefixes = accumulate(([work] for work in flops), initial=[])
    assert tables.work.tolist() == [math.fsum(prefix) for prefix in prefixes]


@given(planned())
def test_that_the_tables_give_the_times_of_the_evaluator(case):
    instance, plan = case
    tables, index = make_tables(instance), instance.device_index()
    finish, sender = 0.0, None
    for row in timeline(instance, plan):
        k = index[row.device]
        assert tables.load_s(k, row.start, row.stop) == close(row.load_end_s, rel=1e-9, abs=1e-6)
        transfer = 0.0
        if sender is not None:
            transfer = tables.transfer_s(index[sender], k, row.start)
            assert transfer == close(transfer_s(instance, sender, row.device, row.start))
        work = tables.comp_s(k, row.start, row.stop)
        load = tables.load_s(k, row.start, row.stop)
        if tables.layerwise:
            expected = max(finish + transfer + work, tables.own_s(k, row.start, row.stop))
        else:
            expected = max(load, finish) + transfer + work
        assert row.finish_s == close(expected, rel=1e-9, abs=1e-6)
        finish, sender = row.finish_s, row.device


def swapped(instance: Instance, i: int, j: int) -> tuple[object, ...]:
    """Return all that a plan could notice after devices ``i`` and ``j`` changed places."""
    order = list(range(len(instance.devices)))
    order[i], order[j] = j, i
    devices = [replace(instance.devices[k], name="") for k in order]
    links = instance.links_bytes_per_s
    if links is None:
        return (*devices,)
    bare = [replace(d, uplink_bytes_per_s=None, downlink_bytes_per_s=None) for d in devices]
    return (*bare, *(links[d][e] for d in order for e in order if d != e))


few = st.sampled_from([1.0, 2.0])


@st.composite
def alike(draw) -> Instance:
    """Draw devices of few kinds, so that many are interchangeable."""
    count = draw(st.integers(1, 5))
    devices = tuple(
        Device(f"d{k}", draw(few), 1.0, draw(few), 1.0, draw(few)) for k in range(count)
    )
    links = None
    if draw(st.booleans()):
        rate = st.one_of(st.just(1.0), few)
        links = tuple(
            tuple(0.0 if d == e else draw(rate) for e in range(count)) for d in range(count)
        )
    blocks = (Block(1.0, 1.0, 1.0),)
    return Instance("alike", "hypothesis", blocks, devices, "whole-run", links)


@given(alike())
def test_that_devices_share_a_type_exactly_when_swapping_them_changes_nothing(instance):
    types = make_tables(instance).types
    for i, j in combinations(range(len(instance.devices)), 2):
        same = swapped(instance, i, j) == swapped(instance, i, i)
        assert (types.type_of[i] == types.type_of[j]) == same


def test_that_devices_that_are_reached_differently_do_not_share_a_type():
    # What d0 and d1 send is alike; what they receive is only alike after sorting.
    links = ((0, 1, 3, 3), (1, 0, 3, 3), (1, 2, 0, 5), (2, 1, 5, 0))
    devices = tuple(Device(f"d{k}", 1.0, 1.0, 1.0, None, None) for k in range(4))
    blocks = (Block(1.0, 1.0, 1.0),)
    instance = Instance("links", "by hand", blocks, devices, "whole-run", links)
    assert make_tables(instance).types.members == ((0,), (1,), (2,), (3,))


@given(alike())
def test_that_types_list_every_device_once_in_file_order(instance):
    types = make_tables(instance).types
    assert sorted(k for group in types.members for k in group) == list(range(len(types.type_of)))
    assert [group[0] for group in types.members] == sorted(group[0] for group in types.members)
    assert types.count.tolist() == [len(group) for group in types.members]
    for number, group in enumerate(types.members):
        assert set(types.type_of[list(group)]) == {number}
