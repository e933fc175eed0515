"""The evaluator: the page's formulas, worked out by hand."""

import pytest

from partition_schedule.instances import judged_by, make
from shardopt.models.partition_schedule.data import Assignment, Solution
from shardopt.models.partition_schedule.evaluate import objective, timeline

close = pytest.approx

INSTANCE = make(
    [(1, 2, 1, 6), (1, 4, 1, 5), (2, 3, 1, 1)],
    [[(2, 9), (4, 9)], [(3, 9)]],
    [(0.5, 10)],
    [(3, 2), (2, 1)],
    "mean-latency",
)
# Behind cut 2: 3 or 1.5 s per token on tier 0, 2 s on tier 1; transfers of 0.5 + 0.5 n.
PLAN = Solution(
    (2,), (Assignment(1, ("a1", "b1"), (2.0, 6.0)), Assignment(0, ("a2", "b1"), (3.0, 8.0)))
)


def test_that_services_and_transfers_grow_with_tokens():
    times = timeline(INSTANCE, PLAN)
    assert times.runs == ((0, 2), (2, 4))
    assert times.origin_s == 2.0
    assert times.arrival_s.tolist() == [0.0, 1.0]
    assert times.service_s.tolist() == [[3.0, 2.0], [3.0, 4.0]]
    assert times.transfer_s.tolist() == [[1.0], [1.5]]
    assert times.end_s.tolist() == [[3.0, 6.0], [4.0, 10.0]]


def test_that_mean_latency_counts_from_each_arrival_to_its_completion():
    assert objective(INSTANCE, PLAN) == ((8 - 2) + (12 - 3)) / 2


def test_that_the_makespan_counts_from_the_first_arrival_to_the_last_completion():
    assert objective(judged_by(INSTANCE, "makespan"), PLAN) == 12 - 2


@pytest.mark.parametrize(("node", "value"), [("a1", 6 + 1.5), ("a2", 4 + 1.5)])
def test_that_the_bottleneck_is_the_longest_stage_plus_all_transfers(node, value):
    one = judged_by(INSTANCE, "bottleneck")
    for start in (3.0, 50.0):
        plan = Solution((2,), (Assignment(0, (node, "b1"), (start, start + 90.0)),))
        assert objective(one, plan) == close(value)


def test_that_one_tier_needs_no_link():
    one = make([(3, 1, 1, 9)], [[(2, 9)]], [], [(1, 4)], "mean-latency")
    assert objective(one, Solution((), (Assignment(0, ("a1",), (1.0,)),))) == 6.0


def test_that_the_order_of_assignments_does_not_change_a_digit():
    turned = Solution(PLAN.cuts, PLAN.assignments[::-1])
    assert objective(INSTANCE, PLAN) == objective(INSTANCE, turned)


def test_that_small_latencies_survive_late_arrivals():
    late = make([(1, 1, 1, 0)], [[(8, 9)]], [], [(2.0**30, 1), (2.0**30, 1)], "mean-latency")
    plan = Solution((), tuple(Assignment(r, ("a1",), (2.0**30 + r / 8,)) for r in range(2)))
    assert objective(late, plan) == (1 / 8 + 2 / 8) / 2
