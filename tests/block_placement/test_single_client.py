"""`chain` and `gsa`, the heuristics for one client."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

import shardopt
from block_placement import golden
from block_placement.draws import draw
from shardopt.models.block_placement.data import Client, Hosting, Instance, Route, Server, Solution
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.errors import InputError
from shardopt.solvers.block_placement import cg_bp, chain, gsa
from shardopt.solvers.block_placement.greedy_placement import block_counts


@pytest.mark.parametrize("solver", [chain, gsa])
def test_that_several_clients_get_nothing(solver):
    result = solver(golden.instance("tiny-a"))
    assert (result.status, result.solution, result.faults) == ("unknown", None, ())


def test_that_the_chain_takes_the_golden_time():
    result = chain(golden.instance("clustered-9-r150"))
    assert result.objective == pytest.approx(golden.expected("clustered-9-r150")["chain"], rel=1e-9)


def best_chain(instance: Instance) -> float | None:
    """Return the least cost of all chains that have room for all sessions."""
    most = block_counts(make_tables(instance), instance.session_count)
    values = []
    for sizes in itertools.product(*(range(int(m) + 1) for m in most)):
        if sum(sizes) == instance.block_count:
            values.append(shardopt.check(instance, chained(instance, sizes)).objective)
    return min(values, default=None)


def chained(instance: Instance, sizes) -> Solution:
    used = [j for j, size in enumerate(sizes) if size]
    stops = itertools.accumulate(sizes[j] for j in used)
    placement = tuple(
        Hosting(instance.servers[j].name, stop - sizes[j], stop)
        for j, stop in zip(used, stops, strict=True)
    )
    client = instance.clients[0]
    path = tuple(hosting.server for hosting in placement)
    return Solution(placement, (Route(client.name, path, client.sessions),))


@pytest.mark.parametrize("seed", range(60))
def test_that_the_chain_is_the_best_of_all_chains(seed):
    instance = draw(seed, clients=1)
    result = chain(instance)
    optimum = best_chain(instance)
    assert result.faults == ()
    if optimum is None:
        assert result.solution is None
    else:
        assert result.objective == pytest.approx(optimum, rel=1e-9)
        assert len(result.solution.routes) == 1


@pytest.mark.parametrize("seed", range(60))
def test_that_the_chain_is_never_worse_than_cg_bp(seed):
    instance = draw(seed, clients=1)
    published = cg_bp(instance).objective
    if published is not None:
        assert chain(instance).objective <= published * (1 + 1e-9)


def test_that_ties_of_the_chain_go_to_fewer_servers():
    slow = Server("slow", 9.0, 0.3, 0.0)
    fast = Server("fast", 9.0, 0.1, 0.0, max_blocks=1)
    instance = one_client([fast, replace(fast, name="twin"), slow], [0.2, 0.2, 0.0], blocks=2)
    assert chain(instance).solution.routes[0].path == ("slow",)  # 0.6, as fast and twin together


def one_client(servers, rtt, *, blocks, sessions=1) -> Instance:
    """Return an instance with w = 1 and c = 0.25."""
    times = tuple(map(float, rtt))
    client = Client("u", sessions, times, times)
    return Instance("hand", "tests", blocks, 1.0, 0.25, tuple(servers), (client,), 4, 4, "decode")


def test_that_gsa_assigns_the_fastest_servers_first_and_fills_them_in_order():
    # m = 1 for four sessions: each server holds one block and four sessions' caches.
    speeds = [0.3, 0.1, 0.2, 0.1, 0.5]
    servers = [Server(f"n{j}", 2.0, speed, 0.0) for j, speed in enumerate(speeds)]
    result = gsa(one_client(servers, [0.0] * 5, blocks=2, sessions=4))
    assert golden.runs(result.solution) == {
        "n1": [0, 1],
        "n3": [1, 2],
        "n2": [0, 1],
        "n0": [1, 2],
        "n4": [0, 1],
    }
    assert [(r.path, r.sessions) for r in result.solution.routes] == [(("n1", "n3"), 4)]


def test_that_gsa_splits_sessions_where_a_server_is_full():
    # Designed for two sessions: two blocks and room for two sessions on each server.
    servers = [Server(f"n{j}", 3.0, 0.1 * (j + 1), 0.0) for j in range(3)]
    instance = one_client(servers, [0.0] * 3, blocks=2, sessions=6)
    result = gsa(instance, design_sessions=2)
    assert golden.runs(result.solution) == {f"n{j}": [0, 2] for j in range(3)}
    assert [(r.path, r.sessions) for r in result.solution.routes] == [
        (("n0",), 2),
        (("n1",), 2),
        (("n2",), 2),
    ]
    assert (
        gsa(
            replace(instance, clients=(replace(instance.clients[0], sessions=7),)),
            design_sessions=2,
        ).status
        == "unknown"
    )


def test_that_gsa_gives_the_last_stage_the_rest_of_the_blocks():
    servers = [Server(f"n{j}", 3.0, 0.1, 0.0) for j in range(3)]
    result = gsa(one_client(servers, [0.0] * 3, blocks=5, sessions=2))
    assert golden.runs(result.solution) == {"n0": [0, 2], "n1": [2, 4], "n2": [4, 5]}


def test_that_gsa_finds_nothing_where_a_stage_is_left_without_a_server():
    assert gsa(golden.instance("clustered-9-r150")).status == "unknown"


@pytest.mark.parametrize("seed", range(60))
def test_that_the_plans_of_gsa_are_feasible(seed):
    instance = draw(seed, clients=1)
    for m in (None, 1, instance.block_count):
        result = gsa(instance, blocks_per_server=m)
        assert (result.faults, result.bound) == ((), None)
        assert result.status in {"feasible", "unknown", "infeasible"}


@pytest.mark.parametrize("m", [0, 71])
def test_that_gsa_refuses_impossible_stages(m):
    with pytest.raises(InputError, match="blocks_per_server"):
        gsa(golden.instance("clustered-9-r8"), blocks_per_server=m)
