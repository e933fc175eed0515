"""The checker: every rule is named when it is broken, and no broken plan passes."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from partition_schedule.draws import random_plan, tiny_instances
from partition_schedule.instances import make, one_long_request
from shardopt.models.partition_schedule.check import check, tolerance_s
from shardopt.models.partition_schedule.data import Assignment, Request, Solution
from shardopt.models.partition_schedule.evaluate import objective, timeline
from shardopt.models.partition_schedule.tables import make_tables

# Runs of 2 and 4 blocks: 1 s per token on a1, 0.5 s on a2, 1 s on b1. The transfer takes 0.5 s.
INSTANCE = make(
    [(6, 1, 3, 4)], [[(2, 99), (4, 6)], [(4, 12)]], [(0.25, 16)], [(0, 1), (1, 1)], "mean-latency"
)
PLAN = Solution(
    (2,), (Assignment(0, ("a1", "b1"), (0.0, 1.5)), Assignment(1, ("a1", "b1"), (1.0, 2.5)))
)
VALUE = (2.5 + 2.5) / 2


def row(n: int, plan: Solution = PLAN, **changes) -> Solution:
    """Return the plan with fields of its n-th assignment replaced."""
    rows = list(plan.assignments)
    rows[n] = replace(rows[n], **changes)
    return replace(plan, assignments=tuple(rows))


def broken(instance, plan) -> set[str]:
    return {violation.constraint for violation in check(instance, plan).violations}


def test_that_a_feasible_plan_is_accepted_with_its_objective():
    report = check(INSTANCE, PLAN)
    assert report.feasible
    assert report.objective == objective(INSTANCE, PLAN) == VALUE


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("constraint", "where", "amount", "plan"),
    [
        ("cut-order", "cuts", 1, replace(PLAN, cuts=())),
        ("cut-order", "cuts", 1, replace(PLAN, cuts=(2, 3))),
        ("cut-order", "cuts[0]", 1, replace(PLAN, cuts=(0,))),
        ("cut-order", "cuts[0]", 3, replace(PLAN, cuts=(-2,))),
        ("cut-order", "cuts[0]", 1, replace(PLAN, cuts=(6,))),
        ("cut-order", "cuts[0]", 0.25, replace(PLAN, cuts=(2.25,))),
        ("cut-order", "cuts[0]", 1, replace(PLAN, cuts=(NAN,))),
        ("cut-order", "cuts[0]", 1, replace(PLAN, cuts=(INF,))),
        ("served-once", "assignments", 1, replace(PLAN, assignments=PLAN.assignments[:1])),
        ("served-once", "assignments[2].request", 1, replace(
            PLAN, assignments=(*PLAN.assignments, PLAN.assignments[0])
        )),
        ("served-once", "assignments[2].request", 4, replace(
            PLAN, assignments=(*PLAN.assignments, replace(PLAN.assignments[0], request=5))
        )),
        ("served-once", "assignments[2].request", 1, replace(
            PLAN, assignments=(*PLAN.assignments, replace(PLAN.assignments[0], request=-1))
        )),
        ("node-of-tier", "assignments[0].nodes[0]", 1, row(0, nodes=("b1", "b1"))),
        ("node-of-tier", "assignments[1].nodes[1]", 1, row(1, nodes=("a1", "ghost"))),
        ("node-of-tier", "assignments[0].nodes", 1, row(0, nodes=("a1",))),
        ("node-of-tier", "assignments[0].nodes", 1, row(0, nodes=("a1", "b1", "b1"))),
        ("node-of-tier", "assignments[1].start_s", 1, row(1, start_s=(1.0,))),
        ("node-of-tier", "assignments[1].start_s", 2, row(1, start_s=(1.0, 2.5, 4.0, 5.0))),
        ("start", "assignments[0].start_s[1]", 1, row(0, start_s=(0.0, NAN))),
        ("start", "assignments[1].start_s[0]", 1, row(1, start_s=(INF, 2.5))),
    ],
)  # fmt: skip
def test_that_a_broken_structure_is_named_alone_and_leaves_no_objective(
    constraint, where, amount, plan
):
    report = check(INSTANCE, plan)
    (violation,) = report.violations
    assert (violation.constraint, violation.where, violation.amount) == (constraint, where, amount)
    assert violation.message
    assert report.objective is None
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("constraint", "where", "amount", "plan", "value"),
    [
        # a2 holds 6 bytes: two blocks, not three.
        (
            "memory", "assignments[0].nodes[0]", 3,
            row(1, row(0, replace(PLAN, cuts=(3,)), nodes=("a2", "b1")), start_s=(1.0, 3.0)),
            (2.25 + 2.75) / 2,
        ),
        # b1 holds 12 bytes: four blocks, not five. It is named once, though both use it.
        (
            "memory", "assignments[0].nodes[1]", 3,
            row(1, replace(PLAN, cuts=(1,)), start_s=(1.0, 3.0)),
            (2.75 + 3.25) / 2,
        ),
        ("arrival", "assignments[1].start_s[0]", 0.5, row(
            1, nodes=("a2", "b1"), start_s=(0.5, 2.5)), VALUE),
        ("precedence", "assignments[0].start_s[1]", 0.25, row(0, start_s=(0.0, 1.25)), 4.75 / 2),
        ("no-overlap", "assignments[1].start_s[1]", 0.25, row(
            1, nodes=("a2", "b1"), start_s=(1.0, 2.25)), 4.75 / 2),
    ],
)  # fmt: skip
def test_that_a_broken_rule_of_memory_or_time_is_named_and_keeps_the_objective(
    constraint, where, amount, plan, value
):
    report = check(INSTANCE, plan)
    (violation,) = report.violations
    assert (violation.constraint, violation.where, violation.amount) == (constraint, where, amount)
    assert report.objective == pytest.approx(value)


def test_that_every_broken_rule_of_one_kind_is_reported():
    structure = Solution(
        (9,), (Assignment(3, ("b1", "a1"), (0.0, NAN)), Assignment(3, ("a1",), (1.0, 2.0)))
    )
    assert broken(INSTANCE, structure) == {"cut-order", "served-once", "node-of-tier", "start"}
    times = Solution(
        (3,), (Assignment(0, ("a2", "b1"), (-1.0, 0.0)), Assignment(1, ("a1", "b1"), (1.0, 0.0)))
    )
    assert broken(INSTANCE, times) == {"memory", "arrival", "precedence", "no-overlap"}


def test_that_the_rules_of_time_hold_for_a_bottleneck_too():
    one = replace(INSTANCE, requests=(Request(1.0, 1),), objective="bottleneck")
    plan = Solution((2,), (Assignment(0, ("a1", "b1"), (0.0, 1.0)),))
    report = check(one, plan)
    assert broken(one, plan) == {"arrival", "precedence"}
    assert report.objective == 1.5


@pytest.mark.parametrize(("early", "fine"), [(0.9, True), (1.1, False)])
def test_that_starts_may_be_early_by_a_share_of_the_whole_time(early, fine):
    eps = 2e-9 * 3.5  # the last completion is at 3.5
    for plan in (
        row(1, nodes=("a2", "b1"), start_s=(1.0 - early * eps, 2.5)),
        row(0, start_s=(0.0, 1.5 - early * eps)),
        row(1, start_s=(1.0 - early * eps, 2.5), nodes=("a2", "b1")),
        row(1, nodes=("a2", "b1"), start_s=(1.0, 2.5 - early * eps)),
    ):
        assert check(INSTANCE, plan).feasible == fine


def test_that_far_from_zero_starts_may_be_early_by_the_grain_of_their_clock():
    late = 2.0**40
    instance = replace(INSTANCE, requests=(Request(late, 1), Request(late + 1, 1)))
    plan = Solution(
        (2,),
        tuple(replace(a, start_s=tuple(s + late for s in a.start_s)) for a in PLAN.assignments),
    )
    assert check(instance, plan).objective == VALUE
    grain = math.ulp(late)
    assert tolerance_s(timeline(instance, plan)) == 4 * grain
    for early, fine in ((4, True), (5, False)):
        moved = row(1, plan, nodes=("a2", "b1"), start_s=(late + 1 - early * grain, late + 2.5))
        assert check(instance, moved).feasible == fine


def test_that_bytes_are_compared_to_the_last_one():
    instance = make([(1, 1, 10**30, 0)], [[(1, 10**30 - 1)]], [], [(0, 1)], "makespan")
    (violation,) = check(instance, Solution((), (Assignment(0, ("a1",), (0.0,)),))).violations
    assert (violation.constraint, violation.amount) == ("memory", 1.0)


def test_that_a_service_too_short_to_matter_may_lie_anywhere_near_the_start_of_another():
    """Of two orders the one that is less early counts."""
    instance = make([(1, 1, 1, 0)], [[(1, 9)]], [], [(0, 10**9), (0, 1)], "makespan")
    plan = Solution((), (Assignment(0, ("a1",), (0.0,)), Assignment(1, ("a1",), (0.25,))))
    assert check(instance, plan).feasible  # eps is 2 s
    plan = Solution((), (Assignment(0, ("a1",), (0.0,)), Assignment(1, ("a1",), (2.0,))))
    assert broken(instance, plan) == {"no-overlap"}


def test_that_a_service_inside_a_long_one_is_found_behind_others():
    plan = Solution(
        (),
        tuple(Assignment(r, ("a1",), (start,)) for r, start in enumerate((0.0, 2.0, 11.0, 8.0))),
    )
    report = check(one_long_request("makespan"), plan)
    assert [(v.where, v.amount) for v in report.violations] == [
        ("assignments[0].start_s[0]", 3.0),
        ("assignments[3].start_s[0]", 2.0),
    ]
    assert "request 0 ends" in report.violations[1].message


def test_that_absurdly_large_starts_are_reported_in_numbers():
    far = 1.7e308
    plan = row(0, row(1, start_s=(far, -far)), start_s=(far, -far))
    report = check(INSTANCE, plan)
    assert broken(INSTANCE, plan) == {"precedence"}
    json.dumps(report.to_json(), allow_nan=False)


def test_that_the_order_of_assignments_means_nothing():
    turned = replace(PLAN, assignments=PLAN.assignments[::-1])
    assert check(INSTANCE, turned).objective == VALUE


def test_that_a_plan_of_many_requests_is_checked():
    count = 50_000
    instance = replace(INSTANCE, requests=tuple(Request(float(r), 1) for r in range(count)))
    rows = [Assignment(r, ("a1", "b1"), (float(r), r + 1.5)) for r in range(count)]
    assert check(instance, Solution((2,), tuple(rows))).objective == 2.5
    rows[700] = replace(rows[700], start_s=(700.0, 701.75))
    assert broken(instance, Solution((2,), tuple(rows))) == {"no-overlap"}


# Mutations of random plans.


@st.composite
def planned(draw, least_requests=1, least_tiers=1):
    instance = draw(tiny_instances())
    assume(len(instance.requests) >= least_requests and len(instance.tiers) >= least_tiers)
    plan = random_plan(instance, draw(st.integers(0, 1000)))
    assume(plan is not None)
    return instance, plan


@given(planned())
def test_that_every_drawn_plan_is_feasible(case):
    assert broken(*case) == set()


@given(planned(), st.data())
def test_that_a_start_before_the_arrival_is_refused(case, data):
    instance, plan = case
    n = data.draw(st.integers(0, len(plan.assignments) - 1))
    arrival = instance.requests[plan.assignments[n].request].arrival_s
    starts = (arrival - 0.1, *plan.assignments[n].start_s[1:])
    assert "arrival" in broken(instance, row(n, plan, start_s=starts))


@given(planned(least_tiers=2), st.data())
def test_that_a_start_before_the_transfer_has_ended_is_refused(case, data):
    instance, plan = case
    n = data.draw(st.integers(0, len(plan.assignments) - 1))
    j = data.draw(st.integers(1, len(instance.tiers) - 1))
    times = timeline(instance, plan)
    starts = list(plan.assignments[n].start_s)
    starts[j] = float(times.end_s[n, j - 1] + times.transfer_s[n, j - 1] + times.origin_s) - 1e-3
    assert "precedence" in broken(instance, row(n, plan, start_s=tuple(starts)))


@given(planned(least_requests=2), st.data())
def test_that_two_requests_at_once_on_one_node_are_refused(case, data):
    instance, plan = case
    n, other = data.draw(st.permutations(range(len(plan.assignments))).map(lambda p: p[:2]))
    j = data.draw(st.integers(0, len(instance.tiers) - 1))
    nodes, starts = list(plan.assignments[n].nodes), list(plan.assignments[n].start_s)
    nodes[j] = plan.assignments[other].nodes[j]
    starts[j] = plan.assignments[other].start_s[j]
    moved = row(n, plan, nodes=tuple(nodes), start_s=tuple(starts))
    assert "no-overlap" in broken(instance, moved)


@given(planned(least_tiers=2), st.data())
def test_that_nodes_of_other_tiers_are_refused(case, data):
    instance, plan = case
    n = data.draw(st.integers(0, len(plan.assignments) - 1))
    turned = plan.assignments[n].nodes[::-1]
    assume(turned != plan.assignments[n].nodes)
    expected = "node-of-tier"
    assert expected in broken(instance, row(n, plan, nodes=turned))


@given(planned(least_tiers=2), st.data())
def test_that_cuts_out_of_order_or_range_are_refused(case, data):
    instance, plan = case
    n = data.draw(st.integers(0, len(plan.cuts) - 1))
    before = plan.cuts[n - 1] if n else 0
    wrong = data.draw(st.sampled_from([before, len(instance.blocks), -1, plan.cuts[n] + 0.5]))
    cuts = (*plan.cuts[:n], wrong, *plan.cuts[n + 1 :])
    assert "cut-order" in broken(instance, replace(plan, cuts=cuts))


@given(planned(least_tiers=2))
def test_that_memory_is_refused_exactly_where_the_tables_say_so(case):
    instance, plan = case
    tables = make_tables(instance)
    for cut in range(1, len(instance.blocks) - len(plan.cuts) + 1):
        cuts = tuple(range(cut, cut + len(plan.cuts)))
        runs = tables.runs(cuts)
        fits = all(
            tables.eligible(j, *runs[j])[tables.nodes[j].index(name)]
            for assignment in plan.assignments
            for j, name in enumerate(assignment.nodes)
        )
        assert ("memory" in broken(instance, replace(plan, cuts=cuts))) == (not fits)


@given(planned(), st.data())
def test_that_a_request_lost_or_served_twice_is_refused(case, data):
    instance, plan = case
    n = data.draw(st.integers(0, len(plan.assignments) - 1))
    rows = plan.assignments
    for changed in (rows[:n] + rows[n + 1 :], (*rows, rows[n])):
        assert broken(instance, replace(plan, assignments=changed)) == {"served-once"}
