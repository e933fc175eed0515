"""The tables say what the checker says, to the last byte."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from block_placement.hand import make, one_server
from block_placement.instances import tiny_instances, with_twins
from shardopt.models.block_placement.check import check
from shardopt.models.block_placement.data import MEMORY_TOLERANCE, Hosting, Route, Solution
from shardopt.models.block_placement.evaluate import step_s
from shardopt.models.block_placement.tables import MOST_SLOTS, make_tables


def fits(instance, hosted: int, sessions: int) -> bool:
    """Whether the checker accepts so many sessions on the only server, each on its whole run."""
    client = replace(instance.clients[0], sessions=sessions)
    instance = replace(instance, clients=(client,), block_count=hosted)
    plan = Solution((Hosting("s0", 0, hosted),), (Route("c0", ("s0",), sessions),))
    return check(instance, plan).feasible


sizes = st.floats(0.01, 10.0) | st.integers(1, 6).map(float) | st.sampled_from([0.1, 0.3, 1e9 / 3])


@given(sizes, sizes, sizes, st.integers(1, 8))
def test_that_slots_are_what_the_checker_leaves_room_for(weight, cache, more, hosted):
    one = one_server()
    memory = weight * hosted + cache * round(more)  # full, up to rounding
    server = replace(one.servers[0], memory_bytes=memory)
    instance = replace(
        one, weight_bytes=weight, cache_bytes_per_session=cache, block_count=9, servers=(server,)
    )
    tables = make_tables(instance)
    sessions = int(tables.slots[0, hosted]) // hosted
    assert sessions == 0 or fits(instance, hosted, sessions)
    assert not fits(instance, hosted, sessions + 1)


@given(tiny_instances())
def test_that_slots_and_limits_are_exact(instance):
    tables = make_tables(instance)
    w, c = Fraction(instance.weight_bytes), Fraction(instance.cache_bytes_per_session)
    for j, server in enumerate(instance.servers):
        limit = Fraction(server.memory_bytes * (1 + MEMORY_TOLERANCE))
        assert Fraction(tables.memory[j]) == limit
        rooms = [max(0, (limit - w * m) // c) for m in range(instance.block_count + 1)]
        assert list(tables.slots[j]) == rooms
        most = min(server.max_blocks or instance.block_count, instance.block_count)
        assert tables.U[j] == max(m for m in range(most + 1) if m * (w + c) <= limit)


def test_that_memory_full_to_the_last_byte_counts():
    tables = make_tables(make(3, [(4.0, 0.1, 0.1), (4.0 - 1e-6, 0.1, 0.1)], [(1, (0.0, 0.0))]))
    assert list(tables.U) == [2, 1]
    assert list(tables.slots[:, 2]) == [2, 1]


def test_that_a_server_too_small_for_a_block_hosts_none():
    tables = make_tables(make(3, [(0.5, 0.1, 0.1)], [(1, (0.0,))]))
    assert tables.U[0] == 0
    assert list(tables.slots[0]) == [0, 0, 0, 0]


def test_that_max_blocks_limits_blocks_and_leaves_slots_alone():
    free = make_tables(make(3, [(99.0, 0.1, 0.1)], [(1, (0.0,))]))
    held = make_tables(make(3, [(99.0, 0.1, 0.1)], [(1, (0.0,))], max_blocks=2))
    assert (free.U[0], held.U[0]) == (3, 2)
    assert np.array_equal(free.slots, held.slots)


def test_that_the_smallest_cache_overflows_nothing():
    servers, clients = [(1e18, 0.1, 0.1)], [(1, (0.0,))]
    tables = make_tables(make(2, servers, clients, weight=5e-324, cache=5e-324))
    assert tables.slots.min() == MOST_SLOTS


@given(tiny_instances(), st.integers(0, 5))
def test_that_a_step_costs_what_the_evaluator_says(instance, blocks):
    tables = make_tables(instance)
    cost = tables.fixed + tables.per_block * blocks
    expected = [
        [step_s(instance, c, j, blocks) for j in range(len(instance.servers))]
        for c in range(len(instance.clients))
    ]
    assert cost == pytest.approx(np.array(expected), rel=1e-13)


@given(tiny_instances())
def test_that_copies_of_a_server_share_its_type(instance):
    types = make_tables(with_twins(instance, 0, len(instance.servers) - 1)).types
    assert types.type_of[0] == types.type_of[-1]
    assert sorted(j for members in types.members for j in members) == list(
        range(len(types.type_of))
    )
    assert types.count.sum() == len(instance.servers)
    assert len(types.twins) == len(instance.servers) - len(types.members)


@pytest.mark.parametrize(
    ("other", "rtt"),
    [
        ((7.0, 0.1, 0.1), 0.2),  # memory
        ((9.0, 0.2, 0.1), 0.2),  # seconds per block
        ((9.0, 0.1, 0.1), 0.3),  # round trip
    ],
)
def test_that_servers_that_differ_in_what_matters_have_types_of_their_own(other, rtt):
    instance = make(3, [(9.0, 0.1, 0.1), other], [(1, (0.2, rtt))])
    assert len(make_tables(instance).types.members) == 2


def test_that_what_the_cost_ignores_makes_no_type():
    servers, clients = [(9.0, 0.1, 0.1), (9.0, 0.1, 0.7)], [(1, (0.2, 0.2))]
    assert len(make_tables(make(3, servers, clients)).types.members) == 1
    assert len(make_tables(make(3, servers, clients, cost="session")).types.members) == 2
