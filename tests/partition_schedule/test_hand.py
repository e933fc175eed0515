"""What can be worked out by hand is found again by full enumeration."""

import pytest

from partition_schedule.brute import brute_force
from partition_schedule.instances import GOLDEN, HAND, golden, no_memory, too_few_blocks, two_by_two
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.data import Assignment, Solution
from shardopt.models.partition_schedule.tables import make_tables

close = pytest.approx


@pytest.mark.parametrize("name", HAND)
def test_that_full_enumeration_finds_the_optimum_worked_out_by_hand(name):
    instance, value = HAND[name]
    assert brute_force(instance).value == close(value, rel=1e-14)


@pytest.mark.parametrize(("objective", "value"), [("mean-latency", 3.75), ("makespan", 6.75)])
def test_that_the_plan_on_the_page_has_the_value_on_the_page(objective, value):
    rows = [("a2", "b2", 0, 0.75), ("a2", "b1", 1, 1.75), ("a2", "b2", 1.5, 2.75)]
    plan = Solution((1,), tuple(Assignment(r, w[:2], w[2:]) for r, w in enumerate(rows)))
    report = check(two_by_two(objective), plan)
    assert report.feasible
    assert report.objective == close(value, rel=1e-14)


def test_that_less_memory_on_the_second_tier_rules_the_best_cut_out():
    fits = {cut: make_tables(two_by_two("makespan", 4)).fits((cut,)) for cut in range(1, 6)}
    assert fits == {1: False, 2: True, 3: True, 4: True, 5: True}


@pytest.mark.parametrize("instance", [no_memory(), too_few_blocks()], ids=lambda i: i.name)
def test_that_full_enumeration_says_when_there_is_no_plan(instance):
    assert brute_force(instance).value is None


def test_that_memory_may_suffice_in_total_but_not_in_the_order_of_the_tiers():
    instance = no_memory()
    weight = sum(block.weight_bytes for block in instance.blocks)
    most = sum(max(node.memory_bytes for node in tier.nodes) for tier in instance.tiers)
    assert weight <= most


@pytest.mark.parametrize(("preset", "objective"), GOLDEN)
def test_that_the_cuts_named_for_the_testbed_fit(preset, objective):
    _, cuts = GOLDEN[preset, objective]
    if cuts is not None:
        assert make_tables(golden(preset, objective)).fits(cuts)
