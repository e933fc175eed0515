"""`bottleneck-dp`, against full enumeration and what can be worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from partition_schedule.brute import brute_force
from partition_schedule.draws import tiny_instance
from partition_schedule.instances import GOLDEN, HAND, golden, make, two_by_two
from shardopt.instances.partition_schedule.presets import random
from shardopt.models.partition_schedule.data import Block, Instance, Link, Node, Request, Tier
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.partition_schedule.bottleneck import Found, bottleneck_dp, least_bottleneck


def assert_solves(instance: Instance, optimum: float | None, rel: float = 1e-12) -> None:
    result = bottleneck_dp(instance)
    assert result.faults == ()
    assert result.termination == "completed"
    if optimum is None:
        assert result.status == "infeasible"
    else:
        assert result.status == "optimal"
        assert result.objective == pytest.approx(optimum, rel=rel)
        assert result.bound == result.objective


@pytest.mark.parametrize("seed", range(100))
def test_that_it_finds_the_optimum_of_tiny_instances(seed):
    instance = tiny_instance(seed, "bottleneck")
    assert_solves(instance, brute_force(instance).value)


@pytest.mark.long
@pytest.mark.parametrize("block", range(5))
def test_that_it_finds_the_optimum_of_a_thousand_tiny_instances(block):
    for seed in range(1000 + 200 * block, 1200 + 200 * block):
        instance = tiny_instance(seed, "bottleneck")
        assert_solves(instance, brute_force(instance).value)


@pytest.mark.parametrize("seed", range(20))
def test_that_it_finds_the_optimum_over_four_tiers(seed):
    instance = random(seed=seed, blocks=8, tiers=4, nodes=3, objective="bottleneck")
    assert_solves(instance, brute_force(instance).value)


def many_trade_offs(seed: int) -> Instance:
    """Sixty blocks over three tiers: balanced stages pull one way, activations another."""
    rng = np.random.default_rng(seed)
    count = 60
    weights = rng.integers(1, 100, count)
    memory = weights.sum() / 3 * rng.choice([1.1, 1.5, 3.0])
    blocks = zip(
        rng.uniform(0.1, 1.0, count).tolist(),
        weights.tolist(),
        rng.integers(1, 1000, count).tolist(),
        strict=True,
    )
    rate = float(rng.choice([20.0, 100.0, 500.0]))
    return Instance(
        "trade-offs",
        "tests",
        tuple(itertools.starmap(Block, blocks)),
        tuple(
            Tier(
                f"t{j}",
                tuple(
                    Node(
                        f"{j}-{k}",
                        float(rng.uniform(1.0, 3.0)),
                        int(memory * rng.uniform(0.6, 1.4)),
                    )
                    for k in range(3)
                ),
            )
            for j in range(3)
        ),
        tuple(Link(0.25, rate * float(rng.uniform(0.5, 2.0))) for _ in range(2)),
        (Request(0.0, 3),),
        "bottleneck",
    )


def least_over_all_cuts(instance: Instance) -> float | None:
    """Look every pair of cuts up in a table of stages and one of transfers."""
    n, tokens = len(instance.blocks), instance.requests[0].tokens
    work = np.cumsum([0.0, *(block.flops_per_token for block in instance.blocks)])
    weight = np.cumsum([0, *(block.weight_bytes for block in instance.blocks)])
    stage = np.full((3, n + 1, n + 1), np.inf)
    for j, tier in enumerate(instance.tiers):
        for node in tier.nodes:
            time = tokens * (work - work[:, None]) / node.flops_per_s
            fits = weight - weight[:, None] <= node.memory_bytes
            stage[j] = np.minimum(stage[j], np.where(fits, time, np.inf))
    handed = tokens * np.array([0, *(b.activation_bytes_per_token for b in instance.blocks)])
    send = [link.latency_s + handed / link.bytes_per_s for link in instance.links]
    p, q = np.triu_indices(n - 1, 1)
    p, q = p + 1, q + 1
    largest = np.maximum(np.maximum(stage[0, 0, p], stage[1, p, q]), stage[2, q, n])
    least = float((largest + send[0][p] + send[1][q]).min())
    return least if least < np.inf else None


@pytest.mark.parametrize("seed", range(12))
def test_that_it_weighs_stages_against_transfers(seed):
    instance = many_trade_offs(seed)
    assert_solves(instance, least_over_all_cuts(instance))


@pytest.mark.long
@pytest.mark.parametrize("block", range(5))
def test_that_it_weighs_stages_against_transfers_many_times(block):
    for seed in range(100 + 40 * block, 140 + 40 * block):
        instance = many_trade_offs(seed)
        assert_solves(instance, least_over_all_cuts(instance))


@pytest.mark.parametrize("name", [n for n in HAND if HAND[n][0].objective == "bottleneck"])
def test_that_it_finds_what_is_worked_out_by_hand(name):
    assert_solves(*HAND[name])


def test_that_the_cuts_worked_out_by_hand_are_found():
    assert bottleneck_dp(HAND["three-tiers"][0]).solution.cuts == (1, 3)


@pytest.mark.parametrize("preset", [p for p, objective in GOLDEN if objective == "bottleneck"])
def test_that_it_finds_the_golden_values(preset):
    assert_solves(golden(preset, "bottleneck"), GOLDEN[preset, "bottleneck"][0], rel=1e-10)


@pytest.mark.parametrize("objective", ["mean-latency", "makespan"])
def test_that_it_says_which_objective_it_is_made_for(objective, caplog):
    result = bottleneck_dp(two_by_two(objective))
    assert (result.status, result.termination) == ("unknown", "completed")
    assert result.bound is None
    assert "bottleneck only" in result.extra["reason"]
    assert "bottleneck only" in caplog.text


def test_that_blocks_of_very_different_size_are_not_lost_in_rounding():
    """2^60 FLOP come first: beside them the others would vanish in a sum."""
    instance = make(
        [(1, 2.0**60, 1, 0), (5, 1, 1, 0)],
        [[(2.0**60, 1)], [(2, 9)], [(1, 9)]],
        [(0, 1)] * 2,
        [(0, 1)],
        "bottleneck",
    )
    assert_solves(instance, 2.0)


def test_that_weights_beyond_what_int64_holds_are_compared_exactly():
    size = 2**70
    instance = make(
        [(4, 1, size, 0)],
        [[(4, size), (1, 2 * size), (9, 2 * size - 1)], [(1, 2 * size), (2, 3 * size)]],
        [(0, 1)],
        [(0, 1)],
        "bottleneck",
    )
    assert_solves(instance, 1.5)
    assert bottleneck_dp(instance).solution.cuts == (1,)


def test_that_out_of_time_before_anything_is_found_it_knows_nothing():
    result = bottleneck_dp(random(seed=0, blocks=50, objective="bottleneck"), time_limit=1e-9)
    assert (result.status, result.termination) == ("unknown", "time-limit")


def test_that_stopped_halfway_it_has_cuts_and_a_bound():
    """Stopped at its first report, where the bound is not met yet."""
    stopped = 0
    for seed in range(12):
        found, optimum = stopped_at_once(seed), least_over_all_cuts(many_trade_offs(seed))
        if optimum is not None:
            assert found.bound <= optimum * (1 + 1e-12)
            assert optimum <= found.value * (1 + 1e-12)
            stopped += found.bound < found.value
    assert stopped > 3


def stopped_at_once(seed: int) -> Found:
    budget = Budget(on_progress=lambda _: setattr(budget, "interrupted", True))
    return least_bottleneck(make_tables(many_trade_offs(seed)), budget)
