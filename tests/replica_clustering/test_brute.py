"""The reference itself, against the values worked out by hand and against all plans there are."""

from __future__ import annotations

import pytest

from replica_clustering.brute import all_plans, brute_force, replicas
from replica_clustering.draws import random_plan, tiny_instance
from replica_clustering.hand import HAND
from shardopt.models.replica_clustering.check import check


@pytest.mark.parametrize("name", HAND)
def test_that_the_reference_finds_the_optimum_worked_out_by_hand(name: str) -> None:
    instance, value = HAND[name]
    found = brute_force(instance).value
    assert found == (None if value is None else pytest.approx(value, rel=1e-9))


@pytest.mark.parametrize("name", [n for n, (i, _) in HAND.items() if len(i.devices) < 3])
def test_that_no_plan_is_better_than_the_reference(name: str) -> None:
    instance, _ = HAND[name]
    plans = all_plans(instance)
    best = min((value for _, value in plans), default=None)
    assert best == brute_force(instance).value
    assert all(check(instance, plan).feasible for plan, _ in plans)


def test_that_a_pair_of_devices_makes_every_order_cut_master_and_batch() -> None:
    instance, _ = HAND["a-b"]
    # Four blocks in two runs, two orders, two masters; two stages leave decode one batch only.
    assert len(list(replicas(instance, "decode", (0, 1)))) == 3 * 2 * 2
    assert len(list(replicas(instance, "prefill", (0, 1)))) == 3 * 2 * 2
    assert [r.batch for r, _ in replicas(instance, "decode", (0,))] == [1, 2]


@pytest.mark.parametrize("links", [False, True])
def test_that_the_reference_is_the_best_of_all_plans_that_the_checker_passes(links: bool) -> None:
    for seed in range(40):
        instance = tiny_instance(seed, links, max_devices=3, max_blocks=3)
        plans = dict(all_plans(instance))
        assert all(check(instance, plan).feasible for plan in plans)
        best = min(plans.values(), default=None)
        assert brute_force(instance).value == (best and pytest.approx(best, rel=1e-12))


@pytest.mark.parametrize("links", [False, True])
def test_that_every_plan_that_the_checker_passes_is_enumerated(links: bool) -> None:
    drawn = 0
    for seed in range(150):
        instance = tiny_instance(seed, links, max_devices=3, max_blocks=3)
        if len(instance.devices) < 2:
            continue
        plan = random_plan(instance, seed)
        if check(instance, plan).feasible:
            drawn += 1
            assert set(plan.replicas) in [set(one.replicas) for one, _ in all_plans(instance)]
    assert drawn > 10
