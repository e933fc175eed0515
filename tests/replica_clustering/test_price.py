"""`columns/price`: pricing against enumeration, the golden relaxation, proofs and limits."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import shardopt.solvers.replica_clustering as solvers
from replica_clustering.brute import brute_force
from replica_clustering.draws import tiny_instance
from replica_clustering.hand import HAND
from replica_clustering.solving import assert_solved
from shardopt.instances.replica_clustering.presets import e2llm_testbed, links, random_edge, typed
from shardopt.models.formulation import TooLargeError
from shardopt.models.replica_clustering.bounds import additive_bound
from shardopt.models.replica_clustering.inside import best_cut, rate_at
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.solvers.backends.contract import Run
from shardopt.solvers.replica_clustering import column_generation, packing_dp
from shardopt.solvers.replica_clustering.modes import Prices, Pricing
from shardopt.solvers.replica_clustering.rates import ROLES, rate_model

pytestmark = pytest.mark.usefixtures("in_this_process")


def drawn_prices(model, seed):
    """Draw duals of about the size that a relaxation has."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.1, 0.9)
    cost = rng.uniform(0.0, 0.1, model.type_count) * (rng.random(model.type_count) < 0.8)
    return Prices(np.array([share, 1 - share]), cost)


def values(model, mode, prices):
    """Return the value of every set of a mode's size, by counts, where it has one."""
    found = {}
    ranges = [range(int(n) + 1) for n in model.available]
    for counts in itertools.product(*ranges):
        if sum(counts) != mode.stages:
            continue
        groups = zip(model.tables.types.members, counts, strict=True)
        devices = [k for group, n in groups for k in group[:n]]
        cut = best_cut(model.tables, ROLES[mode.role], mode.q, devices)
        if cut is None:
            continue
        time = max(cut.time_s, mode.hop)
        if mode.role == 0 or model.tables.rate_allowed(mode.stages, time):
            rate = rate_at(model.tables, ROLES[mode.role], mode.q, time)
            found[counts] = prices.weight[mode.role] * rate - np.dot(counts, prices.cost)
    return found


def instances():
    """Yield small instances with types, without, and with unequal links."""
    yield from (tiny_instance(seed, seed % 2 == 1) for seed in range(8))
    yield typed(seed=0, types=3, devices=7, memory=0.5)
    yield random_edge(seed=2, devices=6, memory=0.5)


def test_that_pricing_finds_the_best_set_of_every_mode():
    found = 0
    for n, instance in enumerate(instances()):
        model = rate_model(make_tables(instance))
        prices = drawn_prices(model, n)
        for mode in Pricing(model).modes:
            everything = values(model, mode, prices)
            value, counts = Pricing(model).best(mode, prices, -1e9)
            if not everything:
                assert counts is None
                continue
            found += 1
            assert value == pytest.approx(max(everything.values()), rel=1e-9, abs=1e-12)
            assert everything[tuple(counts)] == pytest.approx(value, rel=1e-9, abs=1e-12)
            assert Pricing(model).best(mode, prices, value + 1e-9) == (value + 1e-9, None)
    assert found > 50


def test_that_a_listing_has_every_set_above_a_limit_once():
    for n, instance in enumerate(instances()):
        model = rate_model(make_tables(instance))
        prices, pricing = drawn_prices(model, n), Pricing(model)
        for mode in pricing.modes:
            everything = values(model, mode, prices)
            for above in (-1e9, float(np.median([*everything.values(), 0.0]))):
                parts = list(pricing.listed(mode, prices, above, 10_000))
                listed = [tuple(c) for part in parts for c in part.tolist()]
                assert len(listed) == len(set(listed))
                assert set(listed) <= set(everything)
                assert {c for c, v in everything.items() if v > above + 1e-12} <= set(listed)


def test_that_a_listing_that_is_too_long_says_so():
    model = rate_model(make_tables(random_edge(seed=2, devices=6)))
    pricing = Pricing(model)
    mode = next(m for m in pricing.modes if m.role == 0 and m.stages == 3)
    parts = pricing.listed(mode, drawn_prices(model, 0), -1e9, 2)
    assert any(part is None for part in parts)


def search_for(instance, plan=None, objective=math.inf):
    """Return a search of column generation that has not begun."""
    most = 1 / additive_bound(make_tables(instance))
    options = {"plan": plan, "objective": objective, "most": most}
    run = Run(0, 1, True, lambda: 60.0, lambda: False, lambda plan: None, lambda bound: None)
    return column_generation.Search(column_generation.build(instance, **options), run)


def test_that_the_relaxation_of_the_testbed_has_the_golden_value():
    search = search_for(e2llm_testbed())
    search._seed()
    assert search._generate() is not None
    assert search.bound() == pytest.approx(1.3438303542, abs=1e-9)


def test_that_the_relaxation_is_never_above_the_optimum():
    for seed in range(16):
        instance = tiny_instance(seed, seed % 2 == 1)
        optimum = brute_force(instance).value
        if optimum is not None:
            search = search_for(instance)
            search._seed()
            search._generate()
            assert search.bound() <= optimum * (1 + 1e-9)
            assert search.bound() >= additive_bound(make_tables(instance)) * (1 - 1e-9)


@pytest.mark.parametrize("name", HAND)
def test_that_the_optimum_is_as_worked_out_by_hand(name):
    instance, optimum = HAND[name]
    assert_solved(instance, solvers.price(instance), optimum)


@pytest.mark.parametrize(
    "instance",
    [
        random_edge(seed=1, devices=12),
        random_edge(seed=3, devices=11, memory=0.5),
        typed(seed=0, types=3, devices=15),
        links(seed=1, devices=9),
    ],
    ids=lambda instance: instance.name,
)
def test_that_the_optimum_is_that_of_packing_dp(instance):
    assert_solved(instance, solvers.price(instance), packing_dp(instance).objective)


@pytest.mark.long
@pytest.mark.parametrize("unequal", [False, True])
def test_that_the_optimum_of_hundreds_of_instances_is_found(unequal):
    for seed in range(4000, 4080):
        instance = tiny_instance(seed, unequal)
        assert_solved(instance, solvers.price(instance), brute_force(instance).value)


@pytest.mark.long
@pytest.mark.parametrize("preset", [random_edge, typed, links])
@pytest.mark.parametrize("memory", [0.35, 0.5, 1.0])
def test_that_it_agrees_where_brute_force_cannot_follow(preset, memory):
    for seed in range(4):
        instance = preset(seed=seed, devices=13, memory=memory)
        assert_solved(instance, solvers.price(instance), packing_dp(instance).objective)


def test_that_no_time_limit_is_no_limit():
    instance = random_edge(seed=1, devices=11)
    assert_solved(
        instance, solvers.price(instance, time_limit=None), packing_dp(instance).objective
    )


def test_that_more_sets_than_can_be_listed_end_with_a_plan_and_the_relaxation_s_bound(monkeypatch):
    instance = random_edge(seed=0, devices=12)
    monkeypatch.setattr(column_generation, "MOST_LISTED", 20)
    result = solvers.price(instance)
    assert result.termination == "memory-limit"
    assert result.status == "feasible"
    assert additive_bound(make_tables(instance)) < result.bound < result.objective


def test_that_tables_for_pricing_that_would_not_fit_are_refused():
    with pytest.raises(TooLargeError):
        search_for(random_edge(seed=0, devices=1000, blocks=10_000, memory=1000.0))


def test_that_time_runs_out_with_the_plan_of_a_short_search_and_a_bound():
    instance = random_edge(seed=0, devices=60)
    result = solvers.price(instance, time_limit=1.5)
    assert result.termination == "time-limit"
    assert result.status == "feasible"
    assert additive_bound(make_tables(instance)) <= result.bound < result.objective
