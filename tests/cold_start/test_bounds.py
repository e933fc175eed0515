"""The bounds in closed form: below every plan, and tight where the page says so."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cold_start.brute import all_plans
from cold_start.hand import make, three_equal_devices
from cold_start.instances import tiny_instances
from cold_start.strategies import instances
from shardopt.instances.cold_start.presets import csgo_table1
from shardopt.models.cold_start.bounds import closed_form_bound, lower_bound, work_bound
from shardopt.models.cold_start.data import Block
from shardopt.solvers.cold_start import dssr

PER_WORK = 4.0


def proportional(instance, sizes):
    """Return the instance, whole-run, with the same weights per work in every block."""
    blocks = tuple(Block(size, size * PER_WORK, 0.0) for size in sizes)
    return replace(instance, blocks=blocks, loading="whole-run")


proportional_instances = st.builds(
    proportional,
    tiny_instances("whole-run"),
    st.lists(st.integers(1, 5).map(float), min_size=1, max_size=5),
)


@given(st.one_of(instances(max_blocks=5, max_devices=4), tiny_instances(), proportional_instances))
def test_that_no_plan_is_below_a_bound(instance):
    bound = lower_bound(instance)
    assert all(value >= bound * (1 - 1e-9) for _, value in all_plans(instance))


@given(proportional_instances)
def test_that_the_closed_form_is_the_best_order_of_divisible_blocks(instance):
    work = sum(block.flops for block in instance.blocks)

    def time_s(order):
        share, after = 0.0, 1.0
        for device in reversed(order):
            kappa, rho = 1 / device.flops_per_s, PER_WORK / device.load_bytes_per_s
            share += after / (kappa + rho)
            after /= 1 + kappa / rho
        return work / share

    best = min(time_s(order) for order in permutations(instance.devices))
    assert closed_form_bound(instance) == pytest.approx(best, rel=1e-9)


def test_that_the_closed_form_is_reached_by_equal_devices_with_runs_of_1_2_4():
    assert closed_form_bound(three_equal_devices()) == pytest.approx(8.0, rel=1e-12)


def test_that_the_closed_form_is_the_work_bound_without_weights():
    instance = make([(3, 0, 1)] * 4, [(2, 1, 9, 1, 1), (3, 1, 9, 1, 1)])
    assert closed_form_bound(instance) == work_bound(instance) == 4.0


@pytest.mark.parametrize(
    "instance",
    [
        make([(1, 1, 0), (1, 2, 0)], [(1, 1, 9, 1, 1)]),
        make([(1, 1, 0), (0, 0, 0)], [(1, 1, 9, 1, 1)]),
        make([(1, 1, 0)], [(1, 1, 9, 1, 1)], "layerwise"),
    ],
    ids=["unequal", "no-work", "layerwise"],
)
def test_that_there_is_no_closed_form_where_the_page_gives_none(instance):
    assert closed_form_bound(instance) is None


@pytest.mark.parametrize("tokens", [256, 2048, 8192])
def test_that_the_closed_form_is_above_the_work_bound_and_below_the_published_optimum(tokens):
    instance = csgo_table1(tokens=tokens)
    bound = closed_form_bound(instance)
    assert work_bound(instance) < bound <= dssr(instance).objective
