"""Compiled rates of all sets of devices, and of lists of sets, against one replica at a time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from replica_clustering.draws import tiny_instance
from shardopt.instances.replica_clustering.presets import links, random_edge, typed
from shardopt.models.replica_clustering.inside import replica_rate
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.replica_clustering.rates import (
    ROLES,
    pair_count,
    rate_model,
    rate_sets,
    rate_states,
    state_count,
)

RULES = ("best", "largest")


def members(model, count):
    """Return devices for counts by type: the first of each."""
    groups = model.tables.types.members
    return [k for group, n in zip(groups, count, strict=True) for k in group[:n]]


def assert_rated_alike(instance, rule):
    """Compare all sets of an instance, three ways."""
    model = rate_model(make_tables(instance))
    rated = rate_states(model, Budget(), batch_rule=rule)
    counts = rated.counts(range(len(rated.rate)))[1:]
    sets = [model.set_of(members(model, count)) for count in counts]
    rate, batch = rate_sets(model, sets, rule)
    assert np.array_equal(rate, rated.rate[1:])
    assert np.array_equal(batch, rated.batch[1:])
    for n, count in enumerate(counts):
        for role in (0, 1):
            one = replica_rate(model.tables, ROLES[role], members(model, count), rule)
            assert rate[n, role] == pytest.approx(one[0], rel=1e-14)
            assert batch[n, role] == one[1]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("unequal", [False, True])
def test_that_all_sets_of_tiny_instances_have_the_rates_of_their_replicas(rule, unequal):
    for seed in range(12):
        assert_rated_alike(tiny_instance(seed, unequal), rule)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("preset", [random_edge, links, typed])
def test_that_all_sets_of_real_sizes_have_the_rates_of_their_replicas(rule, preset):
    assert_rated_alike(preset(seed=5, devices=6, memory=0.5), rule)


def test_that_a_set_in_one_neighbourhood_has_the_rate_it_has_among_all():
    model = rate_model(make_tables(typed(seed=2, types=4, devices=9)))
    everything = rate_states(model, Budget())
    kind, available = np.array([1, 3]), np.array([2, 1])
    part = rate_states(model, Budget(), kind=kind, available=available)
    for state, count in enumerate(part.counts(range(len(part.rate)))):
        assert np.array_equal(part.rate[state], everything.rate[count @ everything.place])


def test_that_sets_and_pairs_are_counted_without_overflow():
    available = np.array([1, 2, 3])
    vectors = list(itertools.product(range(2), range(3), range(4)))
    pairs = sum(all(x <= y for x, y in zip(a, b, strict=True)) for a in vectors for b in vectors)
    assert state_count(available) == len(vectors)
    assert pair_count(available) == pairs
    many = np.ones(1000, dtype=np.int64)
    assert state_count(many) == 2**1000
    assert pair_count(many) == np.inf


def test_that_long_pipelines_on_unequal_links_get_a_rate_no_better_than_the_best_order():
    # Beyond twelve stages a list's order is made by insertion; all sets together have the best.
    model = rate_model(make_tables(links(seed=1, devices=14)))
    exact = rate_states(model, Budget())
    whole = len(exact.rate) - 1
    rate, _ = rate_sets(model, [model.set_of(range(14))], "best")
    assert 0.0 < rate[0, 0] <= exact.rate[whole, 0]
