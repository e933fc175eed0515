"""The chain bound is never above the optimum, and what it says is proven."""

import itertools

import numpy as np
import pytest
from hypothesis import given

from block_placement import golden
from block_placement.brute import brute_force
from block_placement.hand import make
from block_placement.instances import tiny_instance, tiny_instances
from shardopt.models.block_placement.bounds import (
    chain_bound,
    chain_costs,
    chain_costs_through,
    too_few_blocks,
    within,
)
from shardopt.models.block_placement.formulations.common import layout
from shardopt.models.block_placement.tables import make_tables


def test_that_the_bound_is_never_above_the_optimum():
    met = below = 0
    for seed in range(100):
        instance = tiny_instance(seed)
        optimum, bound = brute_force(instance).value, chain_bound(make_tables(instance))
        if optimum is not None:
            assert bound <= optimum * (1 + 1e-12)
            met += bound == pytest.approx(optimum, rel=1e-9)
            below += bound < optimum * (1 - 1e-6)
    assert met
    assert below


def test_that_too_few_blocks_are_found_and_only_where_there_is_no_plan():
    found = 0
    for seed in range(100):
        instance = tiny_instance(seed)
        tables = make_tables(instance)
        assert too_few_blocks(tables) == (chain_bound(tables) is None)
        if too_few_blocks(tables):
            assert brute_force(instance).value is None
            found += 1
    assert found


def choices(tables, c):
    """Yield blocks per server, L in all, and what they cost client c."""
    for choice in itertools.product(*(range(most + 1) for most in tables.U)):
        if sum(choice) == tables.block_count:
            steps = (
                tables.fixed[c, j] + tables.per_block[c, j] * k for j, k in enumerate(choice) if k
            )
            yield choice, sum(steps)


@given(tiny_instances())
def test_that_each_client_pays_for_its_cheapest_choice_of_blocks(instance):
    tables = make_tables(instance)
    for c, cheapest in enumerate(chain_costs(tables)):
        costs = [cost for _, cost in choices(tables, c)]
        assert cheapest == pytest.approx(min(costs, default=np.inf), rel=1e-12, abs=1e-15)


@given(tiny_instances())
def test_that_a_chain_through_a_server_is_the_cheapest_that_has_blocks_there(instance):
    tables = make_tables(instance)
    for c, through in enumerate(chain_costs_through(tables)):
        for j, cheapest in enumerate(through):
            costs = [cost for choice, cost in choices(tables, c) if choice[j]]
            assert cheapest == pytest.approx(min(costs, default=np.inf), rel=1e-12, abs=1e-15)


def test_that_an_optimal_plan_keeps_the_limits_that_its_cost_sets():
    binding = 0
    for seed in range(150):
        instance = tiny_instance(seed)
        optimum, tables = brute_force(instance), make_tables(instance)
        if optimum.value is None:
            continue
        limit = within(tables, optimum.value).limit
        binding += (limit < tables.limit).any()
        visits = layout(tables, optimum.solution).visits
        for (c, j, _), sessions in visits.items():
            assert sessions <= limit[c, j], seed
    assert binding > 10


@pytest.mark.parametrize("name", ["clustered-9-r1", "clustered-9-r8", "clustered-9-r8-session"])
def test_that_it_proves_the_optimum_where_memory_is_loose(name):
    bound = chain_bound(make_tables(golden.instance(name)))
    assert bound == pytest.approx(golden.expected(name)["optimum"], rel=1e-9)


def test_that_it_is_what_the_page_says_where_memory_is_tight():
    assert chain_bound(make_tables(golden.instance("clustered-9-r150"))) == pytest.approx(
        0.625379, abs=5e-7
    )


def test_that_clients_weigh_by_their_sessions():
    instance = make(2, [(99.0, 0.1, 0.1)], [(1, (1.0,)), (3, (2.0,))])
    assert chain_bound(make_tables(instance)) == pytest.approx((1.2 + 3 * 2.2) / 4)
