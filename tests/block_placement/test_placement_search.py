"""`placement-search`: what its kernels judge, and what it finds."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import shardopt
from block_placement import golden, hand
from block_placement.brute import brute_force
from block_placement.draws import draw
from block_placement.instances import tiny_instance
from shardopt.models.block_placement.check import check
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.errors import InputError
from shardopt.solvers.block_placement import placement_kernels as kernels
from shardopt.solvers.block_placement.placement_annealing import Search, searched
from shardopt.solvers.block_placement.placement_annealing import placement_search as search
from shardopt.solvers.budget import Budget

pytestmark = pytest.mark.usefixtures("in_this_process")


# One thread: HiGHS keeps the first number of threads that a process asks for.
placement_search = partial(search, threads=1)


def found(instance, seed=0, rounds=20):
    """Return the objective of the plan found before routes are made exact, as checked."""
    plan = searched(make_tables(instance), Budget(), seed=seed, rounds=rounds, start=None)
    return None if plan is None else check(instance, plan).objective


def judged_states(seed):
    """Make random moves; yield what serving everybody is said to cost, and the checker's report."""
    instance = draw(seed)
    tables = make_tables(instance)
    if tables.U.sum() < tables.block_count:
        return
    judge = Search(tables, Budget(), None)
    random = np.random.default_rng(seed)
    for _ in range(100):
        state = judge._state
        start, stop, _, early = state
        j, i = (int(random.integers(tables.server_count)) for _ in range(2))
        by, kind, where = int(random.choice([-2, -1, 1, 2])), random.random(), random.random()
        kernels.change(judge._swarm, state, j, i, by, kind, where, stop.copy())
        np.clip(start, 0, tables.block_count, out=start)
        np.clip(stop, start, np.minimum(start + tables.U, tables.block_count), out=stop)
        np.clip(early, 0, tables.sessions, out=early)
        value = judge._serve(state)
        plan = judge._plan()
        if plan is not None:
            yield value / instance.session_count, check(instance, plan)


def test_that_a_state_is_judged_by_the_cost_of_the_plan_that_is_made_of_it():
    judged = [pair for seed in range(60) for pair in judged_states(seed)]
    assert len(judged) > 500
    for value, report in judged:
        assert report.feasible, report.violations
        assert value == pytest.approx(report.objective)


def test_that_tiny_instances_are_mostly_solved():
    missed, solved = 0, 0
    for seed in range(100):
        instance = tiny_instance(seed)
        optimum = brute_force(instance).value
        value = found(instance, rounds=5)
        if optimum is None:
            assert value is None
        else:
            solved += 1
            missed += value is None or value > optimum * (1 + 1e-9)
    assert solved > 50
    assert missed <= solved // 20


@pytest.mark.parametrize(
    ("sessions", "optimum_s"), [(8, 0.625379), (112, 0.664192775), (165, 1.0967282)]
)
def test_that_the_optimum_of_the_published_testbed_is_found(sessions, optimum_s):
    instance = shardopt.generate("block-placement", "bloom-clustered-9", sessions=sessions)
    assert found(instance, rounds=200) == pytest.approx(optimum_s, rel=1e-6)


def test_that_it_ends_at_once_where_a_plan_meets_the_chain_bound(monkeypatch):
    monkeypatch.setattr(Search, "round", None)
    assert found(golden.instance("clustered-9-r8")) == pytest.approx(0.62537905)


def test_that_fast_servers_are_spared_by_a_few_so_that_all_others_have_them():
    # Both servers hold both blocks beside 3 slots (fast) and 100 (slow). Two sessions on the fast
    # one alone would need 4 slots; with one block on the slow one, three sessions get in.
    instance = hand.make(
        2, [(5.0, 1.0, 1.0), (102.0, 2.0, 2.0)], [(3, (0.0, 0.0))], weight=1.0, cache=1.0
    )
    optimum = brute_force(instance).value
    assert found(instance) == pytest.approx(optimum)


def test_that_routes_are_made_exact_at_the_end():
    instance = shardopt.generate("block-placement", "multi-client", servers=8, blocks=16, seed=1)
    greedy = found(instance, rounds=5)
    routed = placement_search(instance, rounds=5)
    assert routed.status == "feasible"
    assert routed.objective <= greedy * (1 + 1e-9)
    assert (routed.bound, routed.faults) == (None, ())


def test_that_the_same_seed_gives_the_same_plan():
    instance = shardopt.generate("block-placement", "random-tight", servers=8, blocks=16, seed=3)
    one, same, other = (placement_search(instance, seed=n, rounds=5) for n in (1, 1, 2))
    assert one.solution == same.solution
    assert one.solution != other.solution


def test_that_a_start_is_never_lost():
    instance = golden.instance("tiny-a")
    best = golden.optimal_plan("tiny-a")
    result = placement_search(instance, start=best, rounds=1)
    assert result.objective == pytest.approx(check(instance, best).objective)
    assert placement_search(instance, start=best, time_limit=1e-9).solution is not None
    hard, best = golden.instance("clustered-9-r150"), golden.optimal_plan("clustered-9-r150")
    assert found(hard, rounds=1) > 1.05
    result = placement_search(hard, start=best, rounds=1)
    assert result.objective == pytest.approx(1.0252415166666)


def test_that_nothing_is_found_where_nothing_is_and_only_too_few_blocks_prove_it():
    assert placement_search(hand.more_sessions_than_fit(), rounds=3).status == "unknown"
    few = hand.make(5, [(4.0, 0.1, 0.1)] * 2, [(1, (0.1, 0.1))])
    assert placement_search(few).status == "infeasible"


def test_that_a_server_nobody_reaches_spoils_nothing():
    instance = draw(5, clients=1)
    far = replace(instance.servers[0], name="far")
    client = instance.clients[0]
    client = replace(
        client,
        decode_rtt_s=(*client.decode_rtt_s, 1e9),
        prefill_rtt_s=(*client.prefill_rtt_s, 1e9),
    )
    farther = replace(instance, servers=(*instance.servers, far), clients=(client,))
    assert found(farther) == pytest.approx(found(instance))


@pytest.mark.parametrize("rounds", [0, -1, 10**7])
def test_that_bad_numbers_of_rounds_are_refused(rounds):
    with pytest.raises(InputError, match="rounds"):
        placement_search(golden.instance("tiny-a"), rounds=rounds)
