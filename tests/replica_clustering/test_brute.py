"""The reference itself, against the values worked out by hand and against all plans there are."""

from __future__ import annotations

import pytest

from replica_clustering.brute import all_plans, brute_force, replicas
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
