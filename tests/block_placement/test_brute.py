"""The brute force that everything exact is compared with is itself compared."""

import pytest

from block_placement import golden
from block_placement.brute import all_plans, brute_force
from block_placement.hand import more_sessions_than_fit, one_server, witness
from block_placement.instances import tiny_instance
from shardopt.models.block_placement.check import check


@pytest.mark.parametrize("name", ["tiny-a", "tiny-b", "witness-2", "highs-presolve"])
def test_that_it_finds_the_golden_optimum(name):
    assert brute_force(golden.instance(name)).value == pytest.approx(
        golden.expected(name)["optimum"], rel=1e-12
    )


def test_that_it_finds_what_was_worked_out_by_hand():
    assert brute_force(one_server()).value == pytest.approx(0.7)
    assert brute_force(one_server("session")).value == pytest.approx(1.4 + 2 * 0.7)
    assert brute_force(witness()).value == pytest.approx(1.2)
    assert brute_force(more_sessions_than_fit()).value is None


def test_that_runs_that_start_earlier_than_any_session_add_nothing():
    outcomes = set()
    for seed in range(150):
        instance = tiny_instance(seed, max_servers=2, max_blocks=3, max_sessions=4)
        plans = all_plans(instance)
        best = min((check(instance, plan).objective for plan in plans), default=None)
        found = brute_force(instance)
        assert found.value == (None if best is None else pytest.approx(best, rel=1e-12))
        outcomes.add(best is None)
    assert outcomes == {True, False}


def test_that_the_drawn_instances_cover_the_corners():
    drawn = [tiny_instance(seed) for seed in range(300)]
    feasible = [instance for instance in drawn if brute_force(instance).value is not None]
    assert 0.4 < len(feasible) / len(drawn) < 0.9
    assert {len(instance.clients) for instance in feasible} == {1, 2, 3}
    assert {len(instance.servers) for instance in feasible} == {1, 2, 3, 4}
    assert {instance.cost for instance in feasible} == {"decode", "session"}
    splits = [brute_force(instance).solution.routes for instance in feasible]
    assert sum(len(r) > len(i.clients) for r, i in zip(splits, feasible, strict=True)) > 10
