"""ARTS: the policy object, and the solvers `arts` and `bsdp+arts`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from partition_schedule.brute import all_cuts, brute_force
from partition_schedule.draws import tiny_instance
from partition_schedule.events import by_arts
from partition_schedule.instances import (
    four_at_once,
    golden,
    judged_by,
    make,
    no_memory,
    one_long_request,
    slow_twin,
    small_and_large_memory,
    too_few_blocks,
    two_by_two,
    unequal_activations,
)
from shardopt import solve
from shardopt.instances.partition_schedule.presets import PRESETS, random
from shardopt.models.errors import InputError
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.partition_schedule import Arts, arts, bsdp_arts
from shardopt.solvers.partition_schedule import dispatch_kernels as kernels
from shardopt.solvers.partition_schedule.dispatch import arts_rule, line
from shardopt.solvers.registry import find_solver

SCHEDULED = ("mean-latency", "makespan")
close = pytest.approx

# -- the policy object ---------------------------------------------------------------------------


def test_that_a_request_goes_where_it_ends_first():
    policy = Arts([1.0, 4.0])
    assert policy.choose([0.0, 0.0], 8.0, [0, 1]) == 1
    assert policy.choose([0.0, 23.0], 8.0, [0, 1]) == 1  # 7.75 s against 8
    assert policy.choose([0.0, 25.0], 8.0, [0, 1]) == 0


def test_that_only_eligible_nodes_are_chosen():
    assert Arts([1.0, 9.0, 2.0]).choose([0.0, 0.0, 0.0], 1.0, [0, 2]) == 2


def test_that_a_tie_goes_to_the_first_in_the_order_of_the_file():
    policy = Arts([1.0, 1.0 + 1e-13, 1.0])
    assert policy.choose([0.0, 0.0, 0.0], 5.0, [0, 1, 2]) == 0
    assert policy.choose([0.0, 0.0, 0.0], 5.0, [2, 0, 1]) == 2


def test_that_beliefs_move_a_fifth_of_the_way_to_what_was_measured():
    policy = Arts([10.0, 10.0])
    policy.completed(0, flops=40.0, busy_s=8.0)
    assert policy.believed_flops_per_s == [close(9.0), 10.0]
    policy.completed(0, flops=5.0, busy_s=1.0)
    assert policy.believed_flops_per_s == [close(8.2), 10.0]


def test_that_beliefs_that_are_right_stay_right():
    policy = Arts([3.0])
    for _ in range(1000):
        policy.completed(0, flops=1.0, busy_s=1.0 / 3.0)
    assert policy.believed_flops_per_s == [close(3.0, rel=1e-14)]


def test_that_a_node_believed_slow_is_avoided():
    policy = Arts([5.0, 4.0])
    assert policy.choose([0.0, 0.0], 1.0, [0, 1]) == 0
    for _ in range(3):
        policy.completed(0, flops=1.0, busy_s=1.0)
    assert policy.choose([0.0, 0.0], 1.0, [0, 1]) == 1


# -- the same policy, compiled -------------------------------------------------------------------


def assert_same_as_the_policy(instance, cuts):
    tables = make_tables(instance)
    expected = by_arts(tables, cuts)
    node, start = np.zeros_like(expected.node), np.zeros_like(expected.start)
    assert kernels.queue_shortest(line(tables, cuts), node, start, np.zeros(1, np.uint8))
    np.testing.assert_array_equal(node, expected.node)
    np.testing.assert_array_equal(start, expected.start)


@pytest.mark.parametrize("seed", range(60))
def test_that_the_solver_does_what_the_policy_does_event_by_event(seed):
    instance = tiny_instance(seed, "makespan")
    for cuts in filter(make_tables(instance).fits, all_cuts(instance)):
        assert_same_as_the_policy(instance, cuts)


@pytest.mark.parametrize(("tiers", "nodes", "requests"), [(2, 5, 300), (4, 3, 200), (3, 16, 2000)])
def test_that_it_does_so_with_many_requests(tiers, nodes, requests):
    instance = random(seed=4, blocks=12, tiers=tiers, nodes=nodes, requests=requests)
    fitting = list(filter(make_tables(instance).fits, all_cuts(instance)))
    for cuts in fitting[:: max(1, len(fitting) // 3)]:
        assert_same_as_the_policy(instance, cuts)


def test_that_both_call_scores_equal_within_the_same_share():
    """Twins that differ by less than the share: the first one is taken by both."""
    twins = [(1.0, 9), (1.0 + 5e-13, 9), (1.0, 9)]
    instance = make([(2, 1, 1, 0)], [twins, twins[::-1]], [(0.5, 1)], [(0, 1)] * 7, "makespan")
    assert_same_as_the_policy(instance, (1,))


def test_that_a_node_that_falls_free_when_a_request_arrives_is_free():
    instance = make([(1, 2, 1, 0)], [[(1, 9), (1, 9)]], [], [(0, 1), (0, 2), (2, 1)], "makespan")
    starts = [(a.nodes, a.start_s) for a in arts(instance).solution.assignments]
    assert starts == [(("a1",), (0.0,)), (("a2",), (0.0,)), (("a1",), (2.0,))]


def test_that_requests_that_arrive_together_are_served_by_index():
    instance = make([(1, 1, 1, 0)], [[(1, 9)]], [], [(0, 3), (0, 1), (0, 2)], "mean-latency")
    assert [a.start_s for a in arts(instance).solution.assignments] == [(0.0,), (3.0,), (4.0,)]


# -- the solvers ---------------------------------------------------------------------------------

TWO_BY_TWO = {"mean-latency": (271 / 60, 241 / 60), "makespan": (8.65, 7.45)}
TESTBED = {
    ("hyperion-llama3-8b", "mean-latency"): (0.4401177418, 0.2216954354),
    ("hyperion-llama3-8b", "makespan"): (0.8867961522, 0.5231198070),
    ("hyperion-phi3-medium", "mean-latency"): (0.9066908556, 0.4463993336),
    ("hyperion-phi3-medium", "makespan"): (1.5549426829, 0.8997427753),
}
"""`arts` and `bsdp+arts` on the fixed testbed (spec section 8)."""
SURROGATES = {
    "hyperion-llama3-8b": (0.1099329783, 0.10821499136),
    "hyperion-phi3-medium": (0.1625731712, 0.159217728),
}
"""P0 on the fixed testbed: capacity mean, sum or min, and max."""


@pytest.mark.parametrize("objective", SCHEDULED)
def test_that_the_solvers_find_what_is_worked_out_by_hand(objective):
    values = tuple(solver(two_by_two(objective)).objective for solver in (arts, bsdp_arts))
    assert values == close(TWO_BY_TWO[objective], rel=1e-14)


@pytest.mark.parametrize(("objective", "value"), [("mean-latency", 6.5), ("makespan", 9.5)])
def test_that_the_two_stages_are_optimal_on_one_node_per_tier_and_equal_requests(objective, value):
    assert bsdp_arts(four_at_once(objective)).objective == close(value, rel=1e-14)


@pytest.mark.parametrize(("objective", "value"), [("mean-latency", 10.75), ("makespan", 13.0)])
def test_that_online_nobody_waits_for_the_short_ones(objective, value):
    assert arts(one_long_request(objective)).objective == close(value, rel=1e-14)


@pytest.mark.parametrize(
    ("instance", "options", "value"),
    [
        (slow_twin(), {"capacity": "mean"}, 1.4),
        (slow_twin(), {"capacity": "sum"}, 1.0),
        (slow_twin(), {"capacity": "max"}, 1.0),
        (slow_twin(), {"capacity": "min"}, 2.4),
        (small_and_large_memory(), {}, 3.5),
        (small_and_large_memory(), {"memory": "all"}, 3.5),
        (unequal_activations(), {}, 4.0),
    ],
)
def test_that_on_one_request_the_two_stages_give_what_is_worked_out_by_hand(
    instance, options, value
):
    assert bsdp_arts(instance, **options).objective == close(value, rel=1e-14)


@pytest.mark.parametrize(("preset", "objective"), TESTBED)
def test_that_the_solvers_find_the_golden_values(preset, objective):
    instance = golden(preset, objective)
    values = tuple(solver(instance).objective for solver in (arts, bsdp_arts))
    assert values == close(TESTBED[preset, objective], abs=6e-11)


@pytest.mark.parametrize("preset", SURROGATES)
@pytest.mark.parametrize("capacity", ["mean", "sum", "max", "min"])
def test_that_each_surrogate_finds_its_golden_value(preset, capacity):
    value = bsdp_arts(golden(preset, "bottleneck"), capacity=capacity).objective
    assert value == close(SURROGATES[preset][capacity == "max"], abs=6e-11)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("seed", range(5))
def test_that_every_plan_keeps_the_rules(preset, seed):
    instance = PRESETS[preset](seed=seed, requests=40)
    for solver in (arts, bsdp_arts):
        result = solver(judged_by(instance, "makespan"))
        assert result.faults == ()
        assert result.solution is None or check(instance, result.solution).feasible


def test_that_late_arrivals_change_nothing_but_the_clock():
    requests = [(0, 2), (1, 2), (1.5, 4)]
    late = [(arrival + 2.0**30, tokens) for arrival, tokens in requests]
    blocks, tiers, links = [(6, 1, 1, 0)], [[(1, 9), (4, 9)], [(4, 9), (5, 9)]], [(0.25, 1)]
    early, later = (
        bsdp_arts(make(blocks, tiers, links, given, "mean-latency")) for given in (requests, late)
    )
    assert later.solution.cuts == early.solution.cuts
    for one, other in zip(early.solution.assignments, later.solution.assignments, strict=True):
        assert one.nodes == other.nodes
        assert other.start_s == close([start + 2.0**30 for start in one.start_s], rel=1e-15)


def test_that_more_memory_may_worsen_the_two_stages():
    """Other cuts balance better then, and serve these requests worse."""
    poor = random(seed=3, blocks=10, tiers=3, nodes=2, requests=6)
    tiers = tuple(
        replace(tier, nodes=tuple(replace(n, memory_bytes=2 * n.memory_bytes) for n in tier.nodes))
        for tier in poor.tiers
    )
    rich = replace(poor, tiers=tiers)
    assert bsdp_arts(rich).objective > 2 * bsdp_arts(poor).objective


def test_that_a_faster_node_may_worsen_the_two_stages():
    """The tier looks faster in the mean and gets a block more, too much for its fast node."""
    poor = random(seed=196, blocks=10, tiers=3, nodes=2, requests=6)
    *others, last = poor.tiers
    node = replace(last.nodes[0], flops_per_s=1.5 * last.nodes[0].flops_per_s)
    rich = replace(poor, tiers=(*others, replace(last, nodes=(node, *last.nodes[1:]))))
    assert bsdp_arts(rich).objective > 2 * bsdp_arts(poor).objective


@pytest.mark.parametrize("instance", [no_memory(), too_few_blocks()], ids=lambda i: i.name)
def test_that_without_cuts_the_two_stages_prove_that_there_is_no_plan(instance):
    assert brute_force(instance).value is None
    result = bsdp_arts(instance)
    assert (result.status, result.termination) == ("infeasible", "completed")


@pytest.mark.parametrize("instance", [no_memory(), too_few_blocks()], ids=lambda i: i.name)
def test_that_without_cuts_that_fit_all_nodes_nothing_is_known(instance):
    result = bsdp_arts(instance, memory="all")
    assert (result.status, result.termination) == ("unknown", "completed")
    assert "no cuts fit every node" in result.extra["reason"]


def test_that_equal_cuts_that_do_not_fit_say_nothing_about_other_cuts():
    instance = make([(4, 1, 1, 0)], [[(1, 1)], [(1, 3)]], [(0, 1)], [(0, 1)], "makespan")
    result = arts(instance)
    assert (result.status, result.termination) == ("unknown", "completed")
    assert "equal cuts fit no node" in result.extra["reason"]
    assert bsdp_arts(instance).status == "feasible"


def test_that_out_of_time_nothing_is_known():
    for solver in (arts, bsdp_arts):
        result = solver(no_memory(), time_limit=1e-9)
        assert (result.status, result.termination) == ("unknown", "time-limit")


def test_that_dispatching_stops_when_told():
    tables = make_tables(two_by_two("makespan"))
    budget = Budget()
    budget.stop[0] = 1
    assert arts_rule(tables, (3,), budget) is None


@pytest.mark.parametrize("alias", ["heuristic", "bsdp"])
def test_that_the_aliases_mean_the_two_stages(alias):
    assert find_solver("partition-schedule", alias).name == "bsdp+arts"


def test_that_an_unknown_capacity_is_refused():
    with pytest.raises(InputError, match="one of mean, sum, max, min"):
        solve(slow_twin(), "bsdp", capacity="median")
