"""`gpipe` and `heft`, on equal cuts and on BSDP's."""

from __future__ import annotations

import numpy as np
import pytest

from partition_schedule.brute import all_cuts
from partition_schedule.draws import tiny_instance
from partition_schedule.events import by_rank, by_upward_rank
from partition_schedule.instances import (
    golden,
    judged_by,
    make,
    no_memory,
    too_few_blocks,
    two_by_two,
)
from shardopt.instances.partition_schedule.presets import PRESETS, random
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.partition_schedule import dispatch_kernels as kernels
from shardopt.solvers.partition_schedule import gpipe, gpipe_bsdp, heft, heft_bsdp
from shardopt.solvers.partition_schedule.dispatch import by_upward_rank as operations
from shardopt.solvers.partition_schedule.dispatch import (
    gpipe_schedule,
    heft_schedule,
    line,
)

SOLVERS = (gpipe, gpipe_bsdp, heft, heft_bsdp)
close = pytest.approx

BY_HAND = {
    "mean-latency": (10.15, 7.95, 307 / 60, 281 / 60),
    "makespan": (21.25, 16.25, 7.75, 6.95),
}
TESTBED = {
    ("hyperion-llama3-8b", "mean-latency"): (
        0.5669124723,
        0.3113251101,
        0.5760962601,
        0.2216954354,
    ),
    ("hyperion-llama3-8b", "makespan"): (
        0.8447602205,
        0.5231198070,
        0.8016567958,
        0.5231198070,
    ),
    ("hyperion-phi3-medium", "mean-latency"): (
        1.1249505172,
        0.6401315442,
        1.1473910783,
        0.5477112419,
    ),
    ("hyperion-phi3-medium", "makespan"): (
        1.5438736167,
        0.9610987477,
        1.4369657306,
        0.9030461908,
    ),
}
"""All four on the fixed testbed (spec section 8)."""


@pytest.mark.parametrize("objective", BY_HAND)
def test_that_they_find_what_is_worked_out_by_hand(objective):
    values = tuple(solver(two_by_two(objective)).objective for solver in SOLVERS)
    assert values == close(BY_HAND[objective], rel=1e-14)


@pytest.mark.parametrize(("preset", "objective"), TESTBED)
def test_that_they_find_the_golden_values(preset, objective):
    values = tuple(solver(golden(preset, objective)).objective for solver in SOLVERS)
    assert values == close(TESTBED[preset, objective], abs=6e-11)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_that_gpipe_on_one_node_per_tier_takes_what_the_closed_form_says(count):
    """Equal requests at once: sum of stages and links, and the largest stage for each more."""
    instance = make(
        [(2, 3, 1, 2), (3, 1, 1, 1), (2, 2, 1, 0)],
        [[(2, 9)], [(3, 9)], [(1, 9)]],
        [(0.5, 4), (0.25, 2)],
        [(0, 4)] * count,
        "makespan",
    )
    result, tables = gpipe(instance), make_tables(instance)
    cuts = result.solution.cuts
    stages = [tables.service_s(j, a, b)[0, 0] for j, (a, b) in enumerate(tables.runs(cuts))]
    links = [tables.transfer_s(j, cut)[0] for j, cut in enumerate(cuts)]
    expected = sum(stages) + sum(links) + (count - 1) * max(stages)
    assert result.objective == close(expected, rel=1e-14)


def test_that_gpipe_serves_in_the_order_of_reaching_a_tier_and_not_by_rank():
    """The second request is through the first tier before the first one."""
    instance = make(
        [(2, 1, 1, 0)], [[(1, 9), (4, 9)], [(1, 9)]], [(0, 1)], [(0, 4), (0, 2)], "mean-latency"
    )
    rows = [(a.nodes, a.start_s) for a in gpipe(instance).solution.assignments]
    assert rows == [(("a1", "b1"), (0.0, 4.0)), (("a2", "b1"), (0.0, 0.5))]


def test_that_heft_puts_short_requests_into_gaps():
    """The long one comes late and is placed first; the short one fits before it."""
    instance = make([(1, 1, 1, 0)], [[(1, 9)]], [], [(0, 1), (2, 5), (0.5, 3)], "makespan")
    starts = [a.start_s for a in heft(instance).solution.assignments]
    assert starts == [(0.0,), (2.0,), (7.0,)]


@pytest.mark.parametrize(("tokens", "order"), [(10**11, [2, 1, 0]), (10**13, [0, 1, 2])])
def test_that_heft_calls_ranks_equal_that_follow_each_other_closely(tokens, order):
    """One token more is 1e-11 of the rank, or 1e-13: then the lower index goes first."""
    requests = [(0, tokens + n) for n in range(3)]
    instance = make([(1, 1, 1, 0)], [[(1, 9)]], [], requests, "makespan")
    starts = [a.start_s for a in heft(instance).solution.assignments]
    assert sorted(range(3), key=starts.__getitem__) == order


def test_that_heft_chains_ranks_that_follow_each_other_closely():
    """The first and the last differ by more than the share, but not from the one between."""
    step = 8  # of 10^13: 0.8e-12
    requests = [(0, 10**13 + n * step) for n in range(3)]
    instance = make([(1, 1, 1, 0)], [[(1, 9)]], [], requests, "makespan")
    starts = [a.start_s[0] for a in heft(instance).solution.assignments]
    assert starts == sorted(starts)


@pytest.mark.parametrize("seed", range(60))
def test_that_compiled_they_do_what_plain_python_does_event_by_event(seed):
    instance = tiny_instance(seed, "makespan")
    for cuts in filter(make_tables(instance).fits, all_cuts(instance)):
        assert_same_as_plain_python(instance, cuts)


@pytest.mark.parametrize(("tiers", "nodes", "requests"), [(2, 5, 200), (4, 3, 150), (3, 2, 300)])
def test_that_they_do_so_with_many_requests(tiers, nodes, requests):
    instance = random(seed=4, blocks=12, tiers=tiers, nodes=nodes, requests=requests)
    fitting = list(filter(make_tables(instance).fits, all_cuts(instance)))
    for cuts in fitting[:: max(1, len(fitting) // 2)]:
        assert_same_as_plain_python(instance, cuts)


def assert_same_as_plain_python(instance, cuts):
    tables, goes_on = make_tables(instance), np.zeros(1, np.uint8)
    for plain, compiled, order in (
        (by_rank, kernels.round_robin, ()),
        (by_upward_rank, kernels.earliest_finish, (operations(tables, cuts),)),
    ):
        expected = plain(tables, cuts)
        node, start = np.zeros_like(expected.node), np.zeros_like(expected.start)
        assert compiled(line(tables, cuts), *order, node, start, goes_on)
        np.testing.assert_array_equal(node, expected.node)
        np.testing.assert_array_equal(start, expected.start)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("seed", range(5))
def test_that_every_plan_keeps_the_rules(preset, seed):
    instance = PRESETS[preset](seed=seed, requests=40)
    for solver in SOLVERS:
        result = solver(judged_by(instance, "makespan"))
        assert result.faults == ()
        assert result.solution is None or check(instance, result.solution).feasible


@pytest.mark.parametrize("instance", [no_memory(), too_few_blocks()], ids=lambda i: i.name)
def test_that_without_cuts_those_on_equal_cuts_know_nothing(instance):
    for solver in (gpipe, heft):
        result = solver(instance)
        assert (result.status, result.termination) == ("unknown", "completed")


@pytest.mark.parametrize("instance", [no_memory(), too_few_blocks()], ids=lambda i: i.name)
def test_that_without_cuts_those_on_the_cuts_of_bsdp_prove_that_there_is_no_plan(instance):
    for solver in (gpipe_bsdp, heft_bsdp):
        assert solver(instance).status == "infeasible"
        assert solver(instance, memory="all").status == "unknown"


@pytest.mark.parametrize("rule", [gpipe_schedule, heft_schedule])
def test_that_dispatching_stops_when_told(rule):
    budget = Budget()
    budget.stop[0] = 1
    assert rule(make_tables(two_by_two("makespan")), (3,), budget) is None
