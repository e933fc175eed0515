"""`cg-bp` against the golden values, its own guarantee and a plain transcription of its steps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import shardopt
from block_placement import golden
from block_placement.draws import draw
from shardopt.models.block_placement.data import MEMORY_TOLERANCE, Instance
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.errors import InputError
from shardopt.solvers.block_placement import cg_bp
from shardopt.solvers.block_placement.greedy_placement import (
    block_counts,
    design,
    lowest_window,
    place,
    slowest_window,
)

CLUSTERED = ["clustered-9-r1", "clustered-9-r8", "clustered-9-r150"]
M_OF = {"clustered-9-r1": (4, 59), "clustered-9-r8": (4, 56), "clustered-9-r150": (3, 30)}


@pytest.mark.parametrize("name", CLUSTERED)
def test_that_the_published_testbed_is_placed_and_routed_as_golden(name):
    known = golden.expected(name)["cg-bp"]
    result = cg_bp(golden.instance(name))
    assert golden.runs(result.solution) == known["runs"]
    assert [list(route.path) for route in result.solution.routes] == [known["path"]]
    assert result.objective == pytest.approx(known["objective_s_per_token"], rel=1e-9)
    assert result.extra["guarantee"] == pytest.approx(known["guarantee_B_s_per_token"], rel=1e-9)


@pytest.mark.parametrize("name", CLUSTERED)
def test_that_servers_join_in_the_golden_order_with_the_golden_sizes(name):
    instance = golden.instance(name)
    plan = design(make_tables(instance), instance.session_count)
    names = [instance.servers[j].name for j in plan.order]
    assert names == golden.expected(name)["cg-bp"]["join_order"]
    assert (plan.size[0], plan.size[8]) == M_OF[name]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("clustered-9-r8-session", "objective_s"),
        ("witness-2", "objective_s_per_token"),
        ("tiny-a", "objective"),
        ("tiny-b", "objective"),
    ],
)
def test_that_the_other_golden_instances_get_the_golden_value(name, key):
    result = cg_bp(golden.instance(name))
    assert result.objective == pytest.approx(golden.expected(name)["cg-bp"][key], rel=1e-9)


def test_that_a_session_of_the_golden_paths_takes_the_golden_seconds():
    for name, seconds in zip(CLUSTERED, [82.198649, 82.198649, 154.169605], strict=True):
        result = cg_bp(replace(golden.instance(name), cost="session"))
        assert result.objective == pytest.approx(seconds, abs=1e-6)


def test_that_80_gb_beside_53_blocks_hold_21_sessions():
    instance = golden.instance("clustered-9-r8")
    large = replace(instance.servers[8], memory_bytes=80e9)
    tables = make_tables(replace(instance, servers=(*instance.servers[:8], large)))
    assert tables.slots[8, 53] // 53 == 21


def test_that_heuristic_means_cg_bp():
    assert shardopt.solve(golden.instance("tiny-a"), "heuristic").solver == "cg-bp"


def test_that_the_guarantee_is_never_a_bound_and_never_below_the_plan():
    seen = 0
    for seed in range(200):
        instance = replace(draw(seed), cost="decode")
        result = cg_bp(instance)
        assert result.bound is None
        if result.objective is not None:
            seen += 1
            assert result.objective <= result.extra["guarantee"] * (1 + 1e-9)
    assert seen > 50


def test_that_there_is_no_guarantee_for_sessions_or_for_a_design_that_is_too_small():
    instance = golden.instance("clustered-9-r8")
    assert cg_bp(replace(instance, cost="session")).extra["guarantee"] is None
    assert cg_bp(instance, design_sessions=7).extra["guarantee"] is None
    assert cg_bp(instance, design_sessions=9).extra["guarantee"] is not None


def test_that_a_design_for_fewer_sessions_is_routed_within_memory():
    instance = golden.instance("witness-2")
    result = cg_bp(instance, design_sessions=1)
    assert (result.status, result.faults) == ("feasible", ())
    assert result.objective == pytest.approx(1.2)  # the whole model on each server


def test_that_a_design_for_too_few_sessions_may_find_nothing_and_proves_nothing():
    instance = golden.instance("clustered-9-r150")
    result = cg_bp(instance, design_sessions=1)
    assert (result.status, result.bound, result.faults) == ("unknown", None, ())


def test_that_memory_counts_with_the_tolerance_of_the_checker():
    instance = golden.instance("witness-2")
    one_block = 3.6e9  # w + 4 c
    for short, size in [(0.5e-9, 1), (2e-9, 0)]:
        server = replace(instance.servers[0], memory_bytes=one_block * (1 - short))
        assert block_counts(make_tables(replace(instance, servers=(server,))), 4).tolist() == [size]


@pytest.mark.parametrize("design_sessions", [0, -3])
def test_that_a_design_for_no_session_is_refused(design_sessions):
    with pytest.raises(InputError, match="design_sessions"):
        cg_bp(golden.instance("tiny-a"), design_sessions=design_sessions)


def test_that_too_little_memory_for_the_design_finds_nothing_and_proves_nothing():
    instance = golden.instance("clustered-9-r8")
    result = cg_bp(instance, design_sessions=10_000)
    assert (result.status, result.solution) == ("unknown", None)


def test_that_too_little_memory_for_one_session_is_proof_of_infeasibility():
    instance = golden.instance("witness-2")
    small = tuple(replace(server, memory_bytes=1.7e9) for server in instance.servers)
    assert cg_bp(replace(instance, servers=small)).status == "infeasible"


def transcribed(instance: Instance, sessions: int) -> dict[int, tuple[int, int]] | None:
    """Return the run of each server by steps 1 to 3, written down as they stand on the page."""
    count, w, c = instance.block_count, instance.weight_bytes, instance.cache_bytes_per_session
    size, capacity, time = {}, {}, {}
    for j, server in enumerate(instance.servers):
        memory = server.memory_bytes * (1 + MEMORY_TOLERANCE)
        most = min(server.max_blocks or count, count)
        m = max((m for m in range(most + 1) if m * (w + c * sessions) <= memory), default=0)
        if m:
            farthest = max(client.decode_rtt_s[j] for client in instance.clients)
            size[j], time[j] = m, server.decode_s_per_block + farthest / m
            capacity[j] = math.floor((memory - w * m) / (c * m))
    if sum(size.values()) < count:
        return None
    worst = max(time.values()) + 1
    C, T, runs = [0] * count, [sessions * worst] * count, {}
    for j in sorted(size, key=lambda j: (time[j], j)):
        windows = [range(a, a + size[j]) for a in range(count - size[j] + 1)]
        if min(C) < sessions:
            open_ = [win for win in windows if any(C[b] < sessions for b in win)]
            window = max(open_, key=lambda win: (round(math.fsum(T[b] for b in win), 7), -win[0]))
        else:
            window = min(windows, key=lambda win: (sorted(C[b] for b in win), win[0]))
        for b in window:
            T[b] -= (worst - time[j]) * min(max(sessions - C[b], 0), capacity[j])
            C[b] += capacity[j]
        runs[j] = (window[0], window[0] + size[j])
    return runs


@pytest.mark.parametrize("seed", range(100))
def test_that_placements_are_those_of_the_transcription(seed):
    instance = draw(seed, blocks=None if seed % 2 else 12)
    for sessions in {1, 2, instance.session_count}:
        plan = design(make_tables(instance), sessions)
        known = transcribed(instance, sessions)
        assert (plan is None) == (known is None)
        if plan is not None:
            runs = place(plan, instance.block_count)
            assert {j: tuple(runs[j]) for j in plan.order} == known


def test_that_equal_windows_go_to_the_smallest_start_whatever_the_order_of_summation():
    time = np.array([0.1, 0.2, 0.3, 0.3, 0.2, 0.1])
    assert slowest_window(time, 3, np.array([True, False, False, False, False, True])) == 0
    assert slowest_window(time, 3, np.array([False, False, False, False, False, True])) == 3


def test_that_the_lowest_window_is_the_one_that_sorted_values_say():
    random = np.random.default_rng(0)
    for _ in range(300):
        level = random.integers(0, 4, int(random.integers(1, 12))).astype(float)
        m = int(random.integers(1, level.size + 1))
        windows = [sorted(level[a : a + m]) for a in range(level.size - m + 1)]
        assert lowest_window(level, m) == windows.index(min(windows))
