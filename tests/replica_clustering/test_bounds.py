"""The additive bound: never above the optimum, and what its definition says."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replica_clustering.brute import brute_force
from replica_clustering.draws import tiny_instance, tiny_instances
from replica_clustering.hand import AB_BEST, HAND, make
from shardopt.instances.replica_clustering.presets import PRESETS
from shardopt.models.replica_clustering.bounds import additive_bound, best_shares, most_requests
from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.data import TOLERANCE, Instance, Role
from shardopt.models.replica_clustering.evaluate import hop_s, need_bytes, stage_s
from shardopt.models.replica_clustering.tables import make_tables

close = pytest.approx
SLACK = 1 + 1e-12
ROLES: tuple[Role, ...] = ("prefill", "decode")


def assert_below_the_optimum(instance: Instance) -> None:
    bound, optimum = additive_bound(make_tables(instance)), brute_force(instance).value
    assert 0 < bound <= (math.inf if optimum is None else optimum * SLACK)


@given(tiny_instances())
def test_that_the_bound_is_never_above_the_optimum(instance):
    assert_below_the_optimum(instance)


@pytest.mark.long
@pytest.mark.parametrize("links", [False, True])
def test_that_the_bound_is_never_above_any_of_hundreds_of_optima(links):
    for seed in range(500):
        assert_below_the_optimum(tiny_instance(seed, links, max_devices=5))


@pytest.mark.parametrize("name", HAND)
def test_that_the_bound_holds_on_instances_worked_out_by_hand(name):
    instance, optimum = HAND[name]
    bound = additive_bound(make_tables(instance))
    assert 0 < bound <= (math.inf if optimum is None else optimum * SLACK)


def test_that_the_bound_is_what_can_be_worked_out_by_hand():
    """Alone, a serves 2.5 prompts/s or 2/3 answers/s, and b half of both."""
    shares = [best_shares(make_tables(make("ab")), role).tolist() for role in ROLES]
    assert shares == [close([2.5, 1.25]), close([2 / 3, 1 / 3])]
    # With x of all time at prefill, 3.75 x prompts/s and 1 - x answers/s are as many.
    assert additive_bound(make_tables(make("ab"))) == close(1 + 1 / 3.75)


def test_that_the_bound_is_the_optimum_where_splitting_is_no_gain():
    """One device hardly decodes, the other hardly prefills."""
    instance = make("ab")
    a, b = instance.devices
    a = replace(a, decode_s_per_block=(1e9, 1e9))
    b = replace(b, prefill_s_per_token_per_block=1e9)
    bound = additive_bound(make_tables(replace(instance, devices=(a, b))))
    assert bound == close(50 * 0.12 / 2, rel=1e-6)


def shares_by_definition(instance: Instance, role: Role) -> list[float]:
    """Return the largest share of each device over all modes and counts."""
    blocks, devices = instance.model.blocks, instance.devices
    workload = instance.workload
    best = [0.0] * len(devices)
    for stages in range(1, min(blocks, len(devices)) + 1):
        most = 1 if role == "prefill" else workload.max_batch // stages
        for q in range(1, most + 1):
            hop = 0.0
            if stages > 1 and instance.link is not None:
                hop = hop_s(instance, role, q, 0, 1)
            counts = [blocks] if stages == 1 else range(1, blocks - stages + 2)
            for i, device in enumerate(devices):
                for c in counts:
                    head = stages == 1
                    need = need_bytes(instance, role, q * stages, c, head)
                    slowest = max(hop, stage_s(instance, device, role, q, c, head))
                    allowed = need <= device.memory_bytes * (1 + TOLERANCE)
                    if role == "decode":
                        rate = stages * slowest * workload.min_tokens_per_s
                        allowed = allowed and rate <= 1 + TOLERANCE
                    per_s = 1 / slowest
                    if role == "decode":
                        per_s *= q / workload.output_tokens
                    if allowed:
                        best[i] = max(best[i], per_s * c / blocks)
    return best


@given(tiny_instances(), st.sampled_from(ROLES))
def test_that_one_and_two_stages_give_the_largest_share_of_all_modes(instance, role):
    found = best_shares(make_tables(instance), role).tolist()
    assert found == close(shares_by_definition(instance, role), rel=1e-12)


rates = st.one_of(st.just(0.0), st.integers(1, 5).map(float), st.floats(1e-40, 1e40))


@given(st.lists(st.tuples(rates, rates), min_size=1, max_size=8))
def test_that_the_cut_is_the_optimum_of_the_linear_programme(pairs):
    """Its dual: the least over weights a of the sum of max(a P, (1 - a) D), at a kink."""
    prefill, decode = (np.array(values) for values in zip(*pairs, strict=True))
    # Numbers of very different size are compared without forming 1 - a.
    kinks = [(0.0, 1.0), (1.0, 0.0), *((d, p) for p, d in pairs if p > 0 and d > 0)]
    dual = min(np.maximum(a * (prefill / (a + b)), b * (decode / (a + b))).sum() for a, b in kinks)
    assert most_requests(prefill, decode) == close(float(dual), rel=1e-9, abs=0)


def test_that_devices_with_one_role_each_are_not_split():
    assert most_requests(np.array([0.5, 0.0]), np.array([0.0, 0.25])) == 0.25
    assert most_requests(np.array([0.0, 0.5]), np.array([0.75, 0.0])) == 0.5


def test_that_a_token_rate_within_its_tolerance_does_not_rule_a_plan_out():
    """Alone and as a pair, where the token rate is what limits the blocks."""
    alone = make("ab", least_rate=(1 + TOLERANCE / 2) / 0.06)
    assert check(alone, AB_BEST).feasible
    assert additive_bound(make_tables(alone)) <= 1.5
    pairs = make("aabb", memory=25.0, least_rate=(1 + TOLERANCE / 2) / (2 * 0.02))
    assert_below_the_optimum(pairs)
    assert additive_bound(make_tables(pairs)) < math.inf
    hops = make("aabb", memory=25.0, activation=1.0, link=(1000.0, 0.051 - 0.001),
                least_rate=(1 + TOLERANCE / 2) / (2 * 0.051))  # fmt: skip
    assert_below_the_optimum(hops)
    assert additive_bound(make_tables(hops)) < math.inf


def test_that_no_device_or_no_memory_leaves_no_requests():
    nothing = np.zeros(3)
    assert most_requests(nothing, nothing) == 0.0
    assert most_requests(nothing, np.ones(3)) == 0.0
    assert additive_bound(make_tables(make("ab", memory=5.0))) == math.inf


def test_that_a_token_rate_that_nobody_reaches_leaves_no_plan():
    assert additive_bound(make_tables(make("aabb", least_rate=1000.0))) == math.inf


@pytest.mark.parametrize("devices", [1, 2, 20, 1000])
def test_that_any_number_of_devices_has_a_bound(devices):
    tables = make_tables(PRESETS["random-edge"](devices=devices, blocks=10_000 // devices))
    assert 0 < additive_bound(tables) <= math.inf


def test_that_more_of_anything_never_raises_the_bound():
    for seed in range(40):
        instance = tiny_instance(seed, seed % 2 == 1)
        bound = additive_bound(make_tables(instance))
        workload = instance.workload
        roomier = tuple(replace(d, memory_bytes=1.5 * d.memory_bytes) for d in instance.devices)
        slack = replace(workload, min_tokens_per_s=workload.min_tokens_per_s / 2)
        for better in (
            replace(instance, devices=roomier),
            replace(instance, workload=slack),
            replace(instance, workload=replace(workload, arrival_period_s=9.0)),
        ):
            assert additive_bound(make_tables(better)) <= bound * SLACK
