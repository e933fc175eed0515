"""The evaluator: the page's formula, worked out by hand."""

import pytest

from block_placement import golden
from block_placement.hand import make
from shardopt.models.block_placement.data import Hosting, Route, Solution
from shardopt.models.block_placement.evaluate import blocks_run, objective, route_s, stops_of

INSTANCE = make(5, [(99.0, 0.1, 0.3), (99.0, 0.2, 0.5)], [(1, (1.0, 2.0)), (3, (4.0, 8.0))])
PLAN = Solution(
    (Hosting("s0", 0, 3), Hosting("s1", 0, 5)),
    (
        Route("c0", ("s0", "s1"), 1),
        Route("c1", ("s0", "s1"), 2),
        Route("c1", ("s1",), 1),
    ),
)


def test_that_a_server_entered_late_runs_only_the_rest_of_its_run():
    assert blocks_run(stops_of(PLAN), ("s0", "s1")) == [3, 2]
    assert blocks_run(stops_of(PLAN), ("s1",)) == [5]


def test_that_decode_counts_each_round_trip_and_block_once_per_token():
    near, far, direct = 1 + 0.3 + 2 + 0.4, 4 + 0.3 + 8 + 0.4, 8 + 1.0
    costs = [route_s(INSTANCE, PLAN, route) for route in PLAN.routes]
    assert costs == pytest.approx([near, far, direct])
    assert objective(INSTANCE, PLAN) == pytest.approx((near + 2 * far + direct) / 4)


def test_that_a_session_pays_the_prompt_once_and_every_token_but_the_first():
    session = make(5, [(99.0, 0.1, 0.3), (99.0, 0.2, 0.5)], [(1, (1.0, 2.0))], cost="session")
    plan = Solution(PLAN.placement, PLAN.routes[:1])
    prompt = 2 + 0.9 + 4 + 1.0
    assert objective(session, plan) == pytest.approx(prompt + (3 - 1) * (1 + 0.3 + 2 + 0.4))


@pytest.mark.parametrize("name", ["clustered-9-r150", "tiny-a", "tiny-b"])
def test_that_golden_plans_have_their_golden_objective(name):
    plan = golden.optimal_plan(name)
    known = golden.expected(name)["optimum"]
    assert objective(golden.instance(name), plan) == pytest.approx(known, rel=1e-11)


def test_that_the_published_path_has_the_published_session_time():
    instance = golden.instance("clustered-9-r8-session")
    plan = Solution((Hosting("s8", 0, 56), Hosting("s9", 14, 70)), (Route("c1", ("s8", "s9"), 8),))
    assert objective(instance, plan) == pytest.approx(82.198649, abs=5e-7)


def test_that_the_order_of_routes_does_not_change_a_digit():
    backwards = Solution(PLAN.placement, PLAN.routes[::-1])
    assert objective(INSTANCE, PLAN) == objective(INSTANCE, backwards)
