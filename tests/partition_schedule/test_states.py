"""What the search does with a state, against the best completion from it by full enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from partition_schedule.brute import all_cuts
from shardopt.instances.partition_schedule.presets import random
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.solvers.partition_schedule.frame import make_frame
from shardopt.solvers.partition_schedule.schedule_kernels.bounds import state_bound
from shardopt.solvers.partition_schedule.schedule_kernels.layout import make_room
from shardopt.solvers.partition_schedule.schedule_kernels.level import dominates, make_level
from shardopt.solvers.partition_schedule.schedule_kernels.lone import lone_passage
from shardopt.solvers.partition_schedule.schedule_kernels.states import dispatch, settle

SCHEDULED = ("mean-latency", "makespan")
ROUNDING = 1 + 1e-12


def some_state(seed, objective):
    """Return the tiers under some cuts and a state after some dispatches: pipe and state.

    The state is (stage, ready, free, cost).
    """
    rng = np.random.default_rng(seed)
    while True:
        draw = int(rng.integers(1_000_000))
        instance = random(seed=draw, blocks=5, tiers=2, nodes=2, requests=4, objective=objective)
        frame = make_frame(make_tables(instance))
        fitting = [cuts for cuts in all_cuts(instance) if frame.tables.fits(cuts)]
        if fitting:
            break
    pipe = frame.pipe(fitting[rng.integers(len(fitting))])
    requests, tiers, first = 4, 2, pipe[8]
    stage, ready = np.zeros(requests, dtype=np.int64), frame.arrays[2].copy()
    free, cost = np.zeros(len(pipe[7])), 0.0
    for _ in range(rng.integers(3, 5)):
        row = rng.choice(np.flatnonzero(stage < tiers))
        node = rng.integers(first[stage[row]], first[stage[row] + 1])
        scratch = np.zeros(requests, dtype=np.int64), np.zeros(len(free), dtype=np.int64)
        cost = dispatch(pipe, stage, ready, free, cost, row, node, *scratch)
    return pipe, (stage, ready, free, cost)


def best_completion(pipe, state) -> float:
    """Return the least sum (the greatest) of completions over all orders and nodes."""
    makespan, tokens, flops, latency, transfer, _, _, speed, first, _, _ = pipe
    stage, ready, free, cost = state
    best = np.inf
    for r in np.flatnonzero(stage < len(flops)):
        j = stage[r]
        for k in range(first[j], first[j + 1]):
            after = stage.copy(), ready.copy(), free.copy()
            end = max(ready[r], free[k]) + tokens[r] * flops[j] / speed[k]
            after[0][r], after[2][k] = j + 1, end
            after[1][r] = end + (latency[j] + tokens[r] * transfer[j])
            worth = cost
            if j + 1 == len(flops):
                worth = max(cost, end) if makespan else cost + end
            best = min(best, best_completion(pipe, (*after, worth)))
    return cost if best == np.inf else best


def raised(pipe, state):
    """Return the state as the search keeps it."""
    stage, ready, free, cost = (state[0].copy(), state[1].copy(), state[2].copy(), state[3])
    room = make_room(len(pipe[2]), len(stage), len(free))
    for r in np.flatnonzero(stage < len(pipe[2])):
        lone_passage(pipe, stage, ready, free, r, room[0], room[1])
    settle(pipe, stage, ready, free, room[0])
    return stage, ready, free, cost


def bound_of(pipe, state) -> float:
    stage, ready, free, cost = state
    room = make_room(len(pipe[2]), len(stage), len(free))
    bound: float = state_bound(pipe, stage, ready, free, cost, np.inf, room)
    return bound


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("seed", range(40))
def test_no_bound_of_a_state_lies_above_its_best_completion(objective, seed):
    pipe, state = some_state(seed, objective)
    best = best_completion(pipe, state)
    assert bound_of(pipe, state) <= best * ROUNDING
    assert bound_of(pipe, raised(pipe, state)) <= best * ROUNDING


@pytest.mark.parametrize("objective", SCHEDULED)
@pytest.mark.parametrize("seed", range(15))
def test_raising_times_that_play_no_part_leaves_the_best_completion_as_it_is(objective, seed):
    pipe, state = some_state(seed, objective)
    best = best_completion(pipe, state)
    assert best_completion(pipe, raised(pipe, state)) == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("objective", SCHEDULED)
def test_a_state_that_dominates_another_leads_to_nothing_worse(objective):
    dominated = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        pipe, one = some_state(seed, objective)
        stage, ready, free, cost = one
        shift = rng.uniform(0.0, 0.3)
        later = np.maximum(0.0, ready + shift * rng.uniform(-0.2, 1.0, len(ready)))
        busier = np.maximum(0.0, free + shift * rng.uniform(-0.2, 1.0, len(free)))
        other = (stage, later, busier, cost - shift * rng.choice([-1.0, 0.0, 1.0]))
        level = make_level(2, len(stage), len(free))
        for i, state in enumerate((one, other)):
            level[0][i], level[1][i], level[2][i], level[3][i] = state
            level[4][i] = bound_of(pipe, state)
        for a, b in ((0, 1), (1, 0)):
            if dominates(level, a, b, len(pipe[2]), objective == "makespan"):
                dominated += 1
                states = (one, other)
                better, worse = best_completion(pipe, states[a]), best_completion(pipe, states[b])
                assert better <= worse * ROUNDING
    assert dominated > 5
