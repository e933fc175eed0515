"""The clairvoyant reference: against brute force, and its two models against each other."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

import shardopt
from block_placement import hand
from block_placement.draws import draw
from shardopt.models.block_placement.formulations.hindsight import (
    Horizon,
    Option,
    Start,
    reachable,
)
from shardopt.models.block_placement.formulations.hindsight_counts import build
from shardopt.models.requests import Requests
from shardopt.solvers.block_placement.online.clairvoyant import ClairvoyantRun
from shardopt.solvers.block_placement.online.hindsight_search import Search, scheduled, total_s

POLICIES = ("ws-rr", "optimized-rr", "petals")


def horizon_of(seed: int, sessions: int = 4) -> Horizon:
    """Return sessions of two kinds, or one, that crowd on three servers."""
    rng = np.random.default_rng(seed)
    capacity = rng.integers(2, 6, 3)
    kinds = []
    for _ in range(int(rng.integers(1, 3))):
        options = []
        for _ in range(int(rng.integers(1, 4))):
            servers = np.sort(rng.choice(3, int(rng.integers(1, 3)), replace=False))
            slots = tuple(int(rng.integers(1, capacity[j] + 1)) for j in servers)
            options.append(Option(float(rng.uniform(3, 9)), tuple(servers.tolist()), slots))
        kinds.append(tuple(options))
    arrival = np.concatenate([[0.0], np.cumsum(rng.exponential(1.5, sessions - 1))])
    which = rng.integers(0, len(kinds), sessions)
    return Horizon(
        tuple(arrival.tolist()), tuple(capacity.tolist()), tuple(kinds[k] for k in which)
    )


def earliest(horizon: Horizon, placed: list[tuple[float, Option]], r: int, option: Option) -> float:
    """Return when a session can start beside others, by looking at all times that matter."""
    arrival = horizon.arrival_s[r]
    for t in sorted(
        {arrival, *(s + o.duration_s for s, o in placed if s + o.duration_s > arrival)}
    ):
        stop = t + option.duration_s
        for moment in [t, *(s for s, _ in placed if t < s < stop - 1e-9)]:
            inside = [o for s, o in placed if s <= moment + 1e-9 < s + o.duration_s]
            used = dict.fromkeys(range(len(horizon.capacity)), 0.0)
            for o in [*inside, option]:
                for j, slots in zip(o.servers, o.slots, strict=True):
                    used[j] += slots
            if any(used[j] > n + 1e-9 for j, n in enumerate(horizon.capacity)):
                break
        else:
            return t
    raise AssertionError("it never fits")


def brute(horizon: Horizon) -> tuple[float, list[Start]]:
    """Return the least mean time over all orders and all options."""
    count = len(horizon.arrival_s)
    best, plan = math.inf, []
    for choice in itertools.product(*(range(len(options)) for options in horizon.options)):
        for order in itertools.permutations(range(count)):
            placed, starts, total = [], [Start(0.0, 0)] * count, 0.0
            for r in order:
                option = horizon.options[r][choice[r]]
                start = earliest(horizon, placed, r, option)
                placed.append((start, option))
                starts[r] = Start(start, choice[r])
                total += start + option.duration_s - horizon.arrival_s[r]
                if total >= best:
                    break
            else:
                best, plan = total, starts
    return best / count, plan


def solved(horizon: Horizon, steps: int, until: float, groups: int = 99):
    """Return the formulation by counts, its rows, and the optimum of its model."""
    formulation = build(horizon, steps, until, groups)
    arrays = formulation.model.arrays()
    rows = csr_array(
        (arrays.coefficient, arrays.column, arrays.row_start),
        shape=(arrays.row_lower.size, arrays.cost.size),
    )
    found = milp(
        arrays.cost,
        constraints=LinearConstraint(rows, arrays.row_lower, arrays.row_upper),
        bounds=Bounds(arrays.lower, arrays.upper),
        integrality=arrays.integer.astype(int),
        options={"mip_rel_gap": 1e-9},
    )
    return formulation, arrays, rows, found


@pytest.mark.parametrize("seed", range(12))
def test_that_counting_starts_never_says_more_than_the_optimum(seed):
    horizon = horizon_of(seed)
    best, plan = brute(horizon)
    last = max(start.start_s for start in plan)
    cases = ((4, last + 3.0, 9), (15, last + 3.0, 9), (7, last / 2 + 0.1, 9), (8, last + 3.0, 1))
    for steps, until, groups in cases:
        formulation, arrays, rows, found = solved(horizon, steps, until, groups)
        bound = found.fun * formulation.unit + formulation.offset
        assert bound <= best + 1e-7
        encoded = formulation.encode(plan)
        assert (rows @ encoded <= arrays.row_upper + 1e-7).all()
        assert (rows @ encoded >= arrays.row_lower - 1e-7).all()
        assert arrays.cost @ encoded * formulation.unit + formulation.offset <= best + 1e-7
        decoded = scheduled(horizon, formulation.decode(found.x))
        assert total_s(horizon, decoded) / len(plan) >= best - 1e-7


def test_that_counting_starts_says_all_where_sessions_take_turns():
    # One at a time, 10 s each, one arrives each second: 10, 19, 28, 37, 46.
    horizon = Horizon((0.0, 1.0, 2.0, 3.0, 4.0), (1,), ((Option(10.0, (0,), (1,)),),) * 5)
    formulation, _, _, found = solved(horizon, 10, 60.0)
    bound = found.fun * formulation.unit + formulation.offset
    assert bound == pytest.approx(28.0, rel=1e-5) and bound <= 28.0


@pytest.mark.parametrize("seed", range(3))
def test_that_the_search_finds_the_optimum_and_proves_it(seed):
    horizon = horizon_of(100 + seed)
    start = scheduled(horizon, [Start(float(n), 0) for n in range(4)])
    search = Search(horizon, start, 0.0, 0)
    search.run(20.0)
    assert search.mean_s == pytest.approx(brute(horizon)[0], rel=1e-6)
    assert search.closed()


@pytest.mark.parametrize(
    ("capacity", "amounts", "filled"),
    [(17, [5], 15), (17, [5, 7], 17), (16, [5, 7], 15), (4, [5], 0), (9, [2.5], 9), (6, [], 0)],
)
def test_that_what_no_sessions_can_fill_is_no_capacity(capacity, amounts, filled):
    assert reachable(capacity, amounts) == filled


def test_that_filling_agrees_with_trying_all_sums():
    rng = np.random.default_rng(3)
    for _ in range(100):
        capacity, amounts = int(rng.integers(1, 60)), rng.integers(1, 20, 3).tolist()
        most = [range(capacity // a + 1) for a in amounts]
        sums = (
            sum(n * a for n, a in zip(counts, amounts, strict=True))
            for counts in itertools.product(*most)
        )
        assert reachable(capacity, amounts) == max(s for s in sums if s <= capacity)


@pytest.mark.parametrize("seed", [14, 38])
def test_that_nobody_does_better_than_the_clairvoyant_where_many_wait(seed):
    instance = draw(seed, clients=2, blocks=4)
    rng = np.random.default_rng(seed)
    requests = Requests(
        np.cumsum(rng.exponential(0.2, 5)),
        5.0,
        input_tokens=np.full(5, 16),
        output_tokens=rng.choice([16, 32], 5),
        client=rng.integers(0, 2, 5),
    )
    found = shardopt.simulate(
        instance,
        ("clairvoyant", *POLICIES),
        arrivals=requests,
        solution=shardopt.solve(instance, "cg-bp", design_sessions=1).solution,
        no_backoff=True,
    )["policies"]
    assert found["ws-rr"]["wait_mean_s"] > 0
    best = found["clairvoyant"]
    assert best["rejected"] == 0
    for name in POLICIES:
        if found[name]["rejected"] == 0:
            assert best["session_mean_s"] <= found[name]["session_mean_s"] + 1e-9
    assert best["bound_any_placement"] <= best["bound"] + 1e-9
    assert best["bound"] <= best["session_mean_s"]
    assert best["gap"] < 1e-6


def test_that_a_crowd_on_one_server_is_closed():
    instance = hand.make(2, [(4.0, 1.0, 1.0)], [(1, (1.0,))])
    found = shardopt.simulate(
        instance, "clairvoyant", arrivals="period:1", requests=30, no_backoff=True
    )["policies"]["clairvoyant"]
    assert found["session_mean_s"] == pytest.approx(np.mean([10 + 9 * n for n in range(30)]))
    assert found["gap"] < 1e-5


def test_that_its_schedule_is_one(monkeypatch):
    kept = {}
    solve = ClairvoyantRun._solved

    def spy(self, horizon, numbers):
        kept["horizon"], kept["plan"] = horizon, solve(self, horizon, numbers)
        return kept["plan"]

    monkeypatch.setattr(ClairvoyantRun, "_solved", spy)
    monkeypatch.setattr(Search.run, "__defaults__", (1.5,))
    instance = shardopt.generate("block-placement", "bloom-clustered-9")
    shardopt.simulate(
        instance,
        "clairvoyant",
        arrivals="poisson:1",
        requests=25,
        solution=shardopt.solve(instance, "cg-bp", design_sessions=8).solution,
    )
    horizon = kept["horizon"]
    spans = [
        (start.start_s, options[start.option])
        for start, options in zip(kept["plan"], horizon.options, strict=True)
    ]
    assert all(s >= a - 1e-9 for (s, _), a in zip(spans, horizon.arrival_s, strict=True))
    for moment, _ in spans:
        inside = [o for s, o in spans if s <= moment + 1e-9 < s + o.duration_s]
        for j, capacity in enumerate(horizon.capacity):
            used = sum(o.slots[o.servers.index(j)] for o in inside if j in o.servers)
            assert used <= capacity + 1e-9
