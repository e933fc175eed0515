"""The dynamic programmes: `dp`, `dp-collapsed` and `dssr`, against brute force and each other."""

from __future__ import annotations

import _thread
import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cold_start.brute import brute_force
from cold_start.hand import no_plan_fits, one_device, three_equal_devices, two_stages
from cold_start.instances import LOADINGS, scaled, tiny_instance, tiny_instances, with_twins
from shardopt.instances.cold_start.presets import csgo_table1, random_edge, tight, typed
from shardopt.models.cold_start.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.cold_start import dp, dp_collapsed, dssr, order_search
from shardopt.solvers.cold_start.relaxation import relaxed_bound

METHODS = (dp, dp_collapsed, dssr)


def assert_solves(method, instance, optimum_s):
    result = method(instance)
    assert result.faults == ()
    if optimum_s is None:
        assert result.status == "infeasible"
    else:
        assert result.status == "optimal"
        assert result.objective == pytest.approx(optimum_s, rel=1e-9, abs=1e-12)
        assert result.bound == result.objective


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("loading", LOADINGS)
@pytest.mark.parametrize("seed", range(60))
def test_finds_the_optimum_of_tiny_instances(method, loading, seed):
    instance = tiny_instance(seed, loading)
    assert_solves(method, instance, brute_force(instance).value)


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("loading", LOADINGS)
@pytest.mark.parametrize("block", range(10))
def test_finds_the_optimum_of_hundreds_of_tiny_instances(method, loading, block):
    for seed in range(1000 + 40 * block, 1040 + 40 * block):
        instance = tiny_instance(seed, loading, max_devices=5, max_blocks=6)
        assert_solves(method, instance, brute_force(instance).value)


@pytest.mark.long
@pytest.mark.parametrize("loading", LOADINGS)
@pytest.mark.parametrize("seed", range(20))
def test_agree_where_brute_force_cannot_follow(loading, seed):
    rng = np.random.default_rng(seed)
    options = {"blocks": int(rng.integers(10, 40)), "seed": seed, "loading": loading}
    options["spread"] = float(rng.choice([0.0, 0.3, 0.9]))
    preset = (random_edge, tight, typed)[seed % 3]
    if preset is typed:
        instance = typed(types=3, per_type=3, **options)
    else:
        instance = preset(devices=int(rng.integers(5, 11)), **options)
    published = dp(instance)
    for method in (dp_collapsed, dssr):
        assert_solves(method, instance, published.objective)


@pytest.mark.parametrize("method", METHODS)
def test_finds_the_values_computed_by_hand(method):
    assert_solves(method, one_device(), 12.0)
    assert_solves(method, one_device("layerwise"), 9.0)
    assert_solves(method, three_equal_devices(), 8.0)
    assert method(two_stages()).objective <= 8.5
    assert_solves(method, no_plan_fits(), None)
    assert_solves(method, no_plan_fits("layerwise"), None)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("tokens", "loading", "optimum_s"),
    [
        (256, "whole-run", 2.463155305),
        (2048, "whole-run", 3.236062352),
        (8192, "whole-run", 6.952599904),
        (2048, "layerwise", 2.714784792),
    ],
)
def test_finds_the_optimum_of_the_published_instance(method, tokens, loading, optimum_s):
    result = method(csgo_table1(tokens=tokens, loading=loading))
    assert result.status == "optimal"
    assert result.objective == pytest.approx(optimum_s, abs=1e-9)


@given(instance=tiny_instances())
def test_bounds_rise_from_round_to_round_and_never_pass_the_optimum(instance):
    optimum_s = brute_force(instance).value
    bounds = [r["bound"] for r in dssr(instance).extra["rounds"]]
    for before, after in pairwise(bounds):
        assert after >= before * (1 - 1e-9)
    if optimum_s is not None:
        assert all(bound <= optimum_s * (1 + 1e-9) for bound in bounds)
        assert relaxed_bound(make_tables(instance), Budget()) <= optimum_s * (1 + 1e-9)


@given(instance=tiny_instances(), factor=st.sampled_from([1e-6, 0.5, 3.0, 1e6]))
def test_scaling_all_rates_divides_the_optimum(instance, factor):
    instance = replace(instance, link_latency_s=0.0)
    before, after = dssr(instance), dssr(scaled(instance, factor))
    assert after.status == before.status
    if before.objective is not None:
        assert after.objective * factor == pytest.approx(before.objective, rel=1e-9)


@given(instance=tiny_instances(), seed=st.integers(0, 1000))
def test_renaming_and_permuting_devices_changes_nothing(instance, seed):
    order = np.random.default_rng(seed).permutation(len(instance.devices))
    devices = tuple(replace(instance.devices[k], name=f"renamed {n}") for n, k in enumerate(order))
    links = instance.links_bytes_per_s
    if links is not None:
        links = tuple(tuple(links[d][e] for e in order) for d in order)
    other = replace(instance, devices=devices, links_bytes_per_s=links)
    assert_solves(dssr, other, dssr(instance).objective)


@given(instance=tiny_instances(), data=st.data())
def test_more_of_anything_never_worsens_the_optimum(instance, data):
    k = data.draw(st.integers(0, len(instance.devices) - 1))
    device = instance.devices[k]
    names = [n for n, v in vars(device).items() if n != "name" and v is not None]
    name = data.draw(st.sampled_from(names))
    better = replace(device, **{name: getattr(device, name) * 2})
    richer = [
        replace(instance, devices=(*instance.devices[:k], better, *instance.devices[k + 1 :]))
    ]
    if instance.links_bytes_per_s is None:
        twin = replace(device, name="one more")
        richer.append(replace(instance, devices=(*instance.devices, twin)))
    before = dssr(instance).objective
    for other in richer:
        after = dssr(other).objective
        assert before is None or after <= before * (1 + 1e-9)


@given(instance=tiny_instances("whole-run"))
def test_layerwise_loading_is_never_slower(instance):
    slow, quick = dssr(instance), dssr(replace(instance, loading="layerwise"))
    assert slow.status == quick.status
    if slow.objective is not None:
        assert quick.objective <= slow.objective * (1 + 1e-12)


@given(instance=tiny_instances())
def test_twins_are_one_type_and_both_can_be_used(instance):
    if len(instance.devices) > 1 and instance.links_bytes_per_s is None:
        instance = with_twins(instance, 0, 1)
        assert make_tables(instance).types.count.max() >= 2
    assert_solves(dssr, instance, brute_force(instance).value)


@pytest.mark.parametrize("method", [dp_collapsed, dssr, order_search])
def test_a_warm_start_is_never_made_worse(method):
    instance = random_edge(devices=6, blocks=20, seed=3)
    best = dssr(instance)
    result = method(instance, start=best.solution, time_limit=1e-6)
    assert result.objective == pytest.approx(best.objective, rel=1e-12)


def test_order_search_is_a_heuristic_that_stays_above_the_optimum():
    for seed in range(5):
        instance = random_edge(devices=8, blocks=30, seed=seed)
        result, optimum = order_search(instance), dssr(instance)
        assert result.bound is None
        assert result.status == "feasible"
        assert optimum.objective * (1 - 1e-12) <= result.objective <= optimum.objective * 1.05


def test_order_search_repeats_itself_for_a_seed():
    instance = random_edge(devices=10, blocks=40, seed=1)
    first, again = order_search(instance, seed=5), order_search(instance, seed=5)
    assert first.solution == again.solution


@pytest.mark.parametrize("method", METHODS)
def test_a_table_that_does_not_fit_ends_with_memory_limit(method):
    instance = random_edge(devices=12, blocks=60, seed=0)
    result = method(instance, memory_limit_bytes=10_000)
    assert result.termination == "memory-limit"
    assert result.status in ("feasible", "unknown")
    assert result.faults == ()


@pytest.mark.parametrize("loading", LOADINGS)
@pytest.mark.parametrize(("devices", "blocks"), [(1000, 60), (3, 10_000), (40, 2000)])
def test_sizes_far_beyond_practice_end_in_good_order(loading, devices, blocks):
    instance = random_edge(devices=devices, blocks=blocks, seed=0, loading=loading)
    result = dssr(instance, time_limit=1.5)
    assert result.objective is not None
    assert 0.0 < result.bound <= result.objective
    assert result.termination in ("completed", "time-limit")


def test_exact_methods_agree_on_which_tight_instances_have_no_plan():
    found = set()
    for seed in range(12):
        instance = tight(devices=8, blocks=40, seed=seed)
        status = dp(instance).status
        found.add(status)
        assert dssr(instance).status == dp_collapsed(instance).status == status
    assert found == {"optimal", "infeasible"}


def test_ctrl_c_returns_the_incumbent_with_its_bound():
    instance = random_edge(devices=1000, blocks=100, seed=0)
    timer = threading.Timer(1.0, _thread.interrupt_main)
    timer.start()
    result = dssr(instance, time_limit=None)
    assert result.termination == "interrupted"
    assert result.status == "feasible"
    assert result.bound is not None


def test_the_published_dp_counts_the_bytes_of_its_table():
    result = dp(random_edge(devices=6, blocks=10))
    assert result.extra["table_bytes"] == 8 * 2**6 * 6 * 11


@pytest.mark.parametrize("method", [dp, dssr])
def test_zero_sizes_give_a_plan_of_zero_seconds(method):
    instance = csgo_table1()
    empty = replace(instance.blocks[0], flops=0.0, weight_bytes=0.0, activation_bytes=0.0)
    result = method(replace(instance, blocks=(empty,) * 5))
    assert (result.status, result.objective, result.bound) == ("optimal", 0.0, 0.0)


def test_sizes_of_very_different_magnitude_keep_their_bounds_valid():
    # A block of 1e30 bytes beside one of 1 byte: prefix sums lose the small one.
    for seed in range(40):
        instance = tiny_instance(seed, LOADINGS[seed % 2])
        first = replace(instance.blocks[0], flops=1e25, weight_bytes=1e25)
        devices = tuple(replace(d, memory_bytes=1e30) for d in instance.devices)
        instance = replace(instance, blocks=(first, *instance.blocks[1:]), devices=devices)
        optimum_s = brute_force(instance).value
        for method in METHODS:
            result = method(instance)
            assert result.bound is None or result.bound <= optimum_s * (1 + 1e-9)
            assert result.objective >= optimum_s * (1 - 1e-9)
