"""The tables say what the page's formulas say, to the last digit where that can matter."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given

from partition_schedule.brute import all_cuts
from partition_schedule.draws import random_plan, tiny_instances
from partition_schedule.instances import make
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.data import Request
from shardopt.models.partition_schedule.evaluate import timeline
from shardopt.models.partition_schedule.tables import make_tables

INSTANCE = make(
    [(1, 2, 1, 6), (1, 4, 2, 5), (2, 3, 3, 1)],
    [[(2, 3), (4, 2)], [(3, 9)]],
    [(0.5, 10)],
    [(3, 2), (2, 1)],
    "mean-latency",
)


def test_that_the_tables_hold_what_the_page_defines():
    tables = make_tables(INSTANCE)
    assert (tables.block_count, tables.tier_count, tables.request_count) == (4, 2, 2)
    assert tables.origin_s == 2.0
    assert tables.arrival_s.tolist() == [1.0, 0.0]
    assert tables.flops_before.tolist() == [0, 2, 6, 9, 12]
    assert tables.weights_before.tolist() == [0, 1, 3, 6, 9]
    assert tables.runs((2,)) == [(0, 2), (2, 4)]
    assert tables.eligible(0, 0, 2).tolist() == [True, False]
    assert tables.service_s(0, 0, 2).tolist() == [[6.0, np.inf], [3.0, np.inf]]
    assert tables.transfer_s(0, 2).tolist() == [1.5, 1.0]
    assert [tables.fits((cut,)) for cut in (1, 2, 3)] == [True, True, False]
    assert tables.reach(3).tolist() == [2, 2, 3, 4, 4]
    assert tables.reach(2).tolist() == [1, 2, 2, 3, 4]


@given(tiny_instances())
def test_that_tables_and_evaluator_agree_to_the_last_digit(instance):
    plan = random_plan(instance, 0)
    assume(plan is not None)
    tables, times = make_tables(instance), timeline(instance, plan)
    rows = [a.request for a in plan.assignments]
    for j, (a, b) in enumerate(tables.runs(plan.cuts)):
        chosen = [tables.nodes[j].index(assignment.nodes[j]) for assignment in plan.assignments]
        assert tables.service_s(j, a, b)[rows, chosen].tolist() == times.service_s[:, j].tolist()
        if j + 1 < tables.tier_count:
            assert tables.transfer_s(j, b)[rows].tolist() == times.transfer_s[:, j].tolist()


@given(tiny_instances())
def test_that_a_vector_of_cuts_fits_exactly_when_a_plan_with_it_passes_the_checker(instance):
    tables = make_tables(instance)
    plans = [random_plan(instance, seed) for seed in range(4)]
    assert all(tables.fits(plan.cuts) for plan in plans if plan)
    assert (plans[0] is None) == (not any(map(tables.fits, all_cuts(instance))))


@given(tiny_instances())
def test_that_a_plan_survives_the_way_through_arrays(instance):
    plan = random_plan(instance, 1)
    assume(plan is not None)
    tables = make_tables(instance)
    ordered = replace(
        plan, assignments=tuple(sorted(plan.assignments, key=lambda entry: entry.request))
    )
    node = np.array(
        [[tables.nodes[j].index(n) for j, n in enumerate(a.nodes)] for a in ordered.assignments]
    )
    start = np.array([a.start_s for a in ordered.assignments]) - tables.origin_s
    again = tables.to_solution(plan.cuts, node, start)
    assert again.cuts == ordered.cuts
    assert [a.nodes for a in again.assignments] == [a.nodes for a in ordered.assignments]
    assert check(instance, again).objective == pytest.approx(check(instance, plan).objective)


def test_that_times_relative_to_a_late_first_arrival_pass_the_checker():
    late = replace(INSTANCE, requests=(Request(1e9, 2), Request(1e9 + 0.3, 1)))
    tables = make_tables(late)
    service, transfer = tables.service_s(0, 0, 1), tables.transfer_s(0, 1)
    start = np.zeros((2, 2))
    start[:, 0] = tables.arrival_s
    start[1, 0] = start[0, 0] + service[0, 0]
    start[:, 1] = start[:, 0] + service[:, 0] + transfer
    start[1, 1] = max(start[1, 1], start[0, 1] + tables.service_s(1, 1, 4)[0, 0])
    plan = tables.to_solution((1,), np.zeros((2, 2), np.int64), start)
    assert check(late, plan).feasible


def test_that_blocks_of_very_different_size_do_not_swallow_each_other():
    instance = make([(1, 1e30, 1, 0), (1, 1e-9, 1, 0), (1, 1e30, 1, 0)],
                    [[(1, 9)]] * 3, [(0, 1)] * 2, [(0, 1)], "makespan")  # fmt: skip
    tables = make_tables(instance)
    assert tables.flops(1, 2) == 1e-9
    assert tables.flops(0, 3) == math.fsum([1e30, 1e-9, 1e30])
    assert tables.flops_before[3] == tables.flops(0, 3)


def test_that_weights_beyond_64_bits_are_compared_to_the_last_byte():
    huge = 10**30
    instance = make([(2, 1, huge, 0)], [[(1, huge - 1), (2, huge)], [(1, huge + 1)]],
                    [(0, 1)], [(0, 1)], "makespan")  # fmt: skip
    tables = make_tables(instance)
    assert tables.weight(0, 2) == 2 * huge
    assert tables.eligible(0, 0, 1).tolist() == [False, True]
    assert tables.fits((1,))


def test_that_memory_beyond_all_weights_does_not_leave_64_bits():
    instance = make([(2, 1, 3, 0)], [[(1, 10**30)], [(1, 5)]], [(0, 1)], [(0, 1)], "makespan")
    tables = make_tables(instance)
    assert [memory.tolist() for memory in tables.memory] == [[6], [5]]
    assert all(memory.dtype == np.int64 for memory in (*tables.memory, tables.weights_before))
