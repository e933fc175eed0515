"""`petals` and its ablations: golden values, and routing one by one written down plainly."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from block_placement import golden
from block_placement.draws import draw
from shardopt.models.block_placement.data import Instance, Petals
from shardopt.models.block_placement.tables import make_tables
from shardopt.solvers.block_placement import (
    petals,
    petals_optimized_number,
    petals_optimized_order,
    petals_optimized_routing,
)
from shardopt.solvers.block_placement.baselines import join_order, petals_counts, petals_pool
from shardopt.solvers.block_placement.petals_joining import join, throughput
from shardopt.solvers.block_placement.petals_routing import route_one_by_one

JOINED = "clustered-9-r8-join-1to9"
KEY = "objective_s_per_token"


def test_that_petals_places_the_golden_runs_and_takes_the_golden_time():
    known = golden.expected(JOINED)["petals"]
    result = petals(golden.instance(JOINED))
    assert golden.runs(result.solution) == known["runs"]
    assert result.objective == pytest.approx(known[KEY], rel=1e-9)


@pytest.mark.parametrize(
    ("ablation", "name"),
    [
        (petals_optimized_order, "petals-optimized-order"),
        (petals_optimized_number, "petals-optimized-number"),
    ],
)
def test_that_the_ablations_take_the_golden_time(ablation, name):
    result = ablation(golden.instance(JOINED))
    assert result.objective == pytest.approx(golden.expected(JOINED)[name][KEY], rel=1e-9)


@pytest.mark.parametrize(
    ("gigabytes", "count"),
    [(79.13, 49), (80.0, 49), (84.973, 53), (86.13, 53), (8.2, 3), (9.1, 4)],
)
def test_that_petals_hosts_the_golden_number_of_blocks(gigabytes, count):
    instance = golden.instance(JOINED)
    server = replace(instance.servers[8], memory_bytes=gigabytes * 1e9)
    assert petals_counts(replace(instance, servers=(server,))).tolist() == [count]


def test_that_the_pool_is_tokens_for_each_hosted_block():
    instance = golden.instance(JOINED)
    pool = petals_pool(make_tables(instance), petals_counts(instance))
    assert pool.room.tolist() == [27] * 9  # 4096 tokens for sessions of 148
    assert pool.slots.tolist() == [83] * 7 + [1356] * 2


def test_that_a_pool_of_whole_sessions_holds_all_of_them():
    instance = replace(golden.instance(JOINED), cache_bytes_per_session=1e7 / 3)
    for sessions in range(1, 60):
        whole = replace(instance, petals=Petals(pool_tokens=148.0 * sessions))
        pool = petals_pool(make_tables(whole), np.full(9, 1))
        assert pool.room.tolist() == [sessions] * 9


def test_that_a_server_too_small_for_the_reserve_hosts_nothing():
    instance = golden.instance("tiny-a")
    bare = replace(instance, petals=Petals(reserve_bytes=0.0, pool_tokens=1.0))
    none_left = replace(instance, petals=Petals(reserve_bytes=1e12))
    assert petals_counts(bare).min() > 0
    assert petals_counts(none_left).tolist() == [0, 0, 0]
    assert petals(none_left).status == "unknown"


def test_that_servers_join_in_a_random_order_of_the_seed_where_the_file_gives_none():
    instance = golden.instance("clustered-9-r8")
    unordered = replace(instance, petals=replace(instance.petals or Petals(), join_order=None))
    for seed in (0, 5):
        order = join_order(unordered, seed)
        assert order == np.random.default_rng(seed).permutation(9).tolist()
    assert join_order(golden.instance(JOINED), 5) == list(range(9))


def test_that_throughput_is_the_lesser_of_computing_and_network():
    instance = golden.instance(JOINED)
    own = throughput(instance, petals_counts(instance))
    assert own[0] == pytest.approx(2757.7243405599083 / 2.0)
    assert own[8] == pytest.approx(20829.38146541331 / 25.0)
    assert throughput(instance, np.zeros(9, dtype=np.int64))[8] == pytest.approx(3020.3700586885343)


def test_that_throughput_defaults_to_the_prefill_of_the_prompt():
    instance = replace(golden.instance(JOINED), petals=None)
    own = throughput(instance, np.full(9, 3))
    assert own[0] == pytest.approx(20 / 0.2084367 / 2.0)


def with_pools(instance: Instance, seed: int) -> Instance:
    """Return an instance with pools small enough to fill, and pings of their own for some."""
    random = np.random.default_rng(seed)
    servers, clients = len(instance.servers), len(instance.clients)
    pings = random.integers(1, 200, (clients + servers, servers)) / 1000
    known = random.random() < 0.5
    return replace(
        instance,
        clients=tuple(replace(client, sessions=client.sessions * 3) for client in instance.clients),
        petals=Petals(
            pool_tokens=float(random.integers(50, 600)),
            reserve_bytes=0.0,
            client_ping_s=tuple(map(tuple, pings[:clients])) if known else None,
            server_ping_s=tuple(map(tuple, pings[clients:])) if known else None,
        ),
    )


def plainly_routed(instance, runs, slots, room):
    """Return the path of every session, each the best of all paths at its turn."""
    p = instance.petals
    free, sessions, taken = list(slots), [0] * len(runs), []
    hosts = [j for j, (start, stop) in enumerate(runs) if stop > start]
    orders = [
        path
        for hops in range(1, len(hosts) + 1)
        for path in itertools.permutations(hosts, hops)
        if legal(instance, runs, path)
    ]
    for c, client in enumerate(instance.clients):
        ping = p.client_ping_s[c] if p.client_ping_s else client.decode_rtt_s
        for _ in range(client.sessions):
            costs = {}
            for path in orders:
                cost, at, fits = ping[path[-1]] / 2, 0, True
                for n, j in enumerate(path):
                    k = runs[j][1] - at
                    at = runs[j][1]
                    fits = fits and k <= free[j]
                    if n == 0:
                        cost += ping[j] / 2 + 0.018
                    elif p.server_ping_s is None:
                        cost += 0.15
                    else:
                        cost += p.server_ping_s[path[n - 1]][j] / 2 + 0.018
                    cost += instance.servers[j].decode_s_per_block * k
                    cost += 10.0 if room[j] - sessions[j] <= 0 else 0.0
                if fits:
                    costs[path] = cost
            if not costs:
                return None
            least = min(costs.values())
            ties = [path for path, cost in costs.items() if cost <= least + 1e-9]
            path = min(ties, key=lambda path: (len(path), path))
            at = 0
            for j in path:
                free[j] -= runs[j][1] - at
                sessions[j] += 1
                at = runs[j][1]
            taken.append((client.name, tuple(instance.servers[j].name for j in path)))
    return taken


def legal(instance, runs, path) -> bool:
    at = 0
    for j in path:
        if not runs[j][0] <= at < runs[j][1]:
            return False
        at = runs[j][1]
    return at == instance.block_count


@pytest.mark.parametrize("seed", range(80))
def test_that_sessions_take_the_paths_that_routing_one_by_one_gives(seed):
    instance = with_pools(draw(seed), seed)
    size = petals_counts(instance)
    pool = petals_pool(make_tables(instance), size)
    room = np.random.default_rng(seed).integers(0, 5, size.size)  # some are full before their pool
    runs = join(instance, size, join_order(instance, seed))
    known = plainly_routed(instance, runs.tolist(), pool.slots.tolist(), room.tolist())
    routes = route_one_by_one(instance, runs, pool.slots, room)
    if known is None:
        assert routes is None
        return
    found = {(route.client, route.path): route.sessions for route in routes}
    assert found == {route: known.count(route) for route in known}


@pytest.mark.parametrize("seed", range(40))
def test_that_the_plans_of_all_variants_are_feasible(seed):
    instance = with_pools(draw(seed), seed)
    for variant in (petals, petals_optimized_order, petals_optimized_number):
        result = variant(instance)
        assert (result.faults, result.bound) == ((), None)


@pytest.mark.usefixtures("in_this_process")
def test_that_exact_routing_in_the_pool_is_never_worse_than_routing_one_by_one():
    compared = 0
    for seed in range(60):
        instance = with_pools(draw(seed), seed)
        before = petals(instance).objective
        if before is None or math.isinf(before):
            continue
        result = petals_optimized_routing(instance, threads=1)
        assert (result.status, result.faults) == ("feasible", ())
        assert result.objective <= before * (1 + 1e-9)
        compared += 1
        if compared == 12:
            return
    raise AssertionError("too few instances with a plan")
