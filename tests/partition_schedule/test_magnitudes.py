"""Formulations where sizes, times and speeds are far apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from partition_schedule.brute import brute_force
from partition_schedule.draws import tiny_instance
from partition_schedule.instances import make
from partition_schedule.methods import assert_optimal, methods, objectives, scheduled, solve
from shardopt.solvers.partition_schedule import bsdp_arts


@methods
@objectives
def test_a_run_that_is_one_byte_over_is_refused(method, objective):
    """40 GB but for a byte: in GB, that is far below every tolerance."""
    requests = [(0, 1), (0, 2)][: 1 if objective == "bottleneck" else 2]
    tiers = [[(4, 20_000_000_000), (1, 10**12)], [(3, 19_999_999_999), (0.5, 10**12)]]
    instance = make([(4, 1, 10**10, 0)], tiers, [(0.1, 1)], requests, objective)
    assert_optimal(solve(method, instance), brute_force(instance).value)


@methods
@objectives
def test_a_hopelessly_slow_node_spoils_nothing(method, objective):
    requests = [(0, 1), (0.5, 2)][: 1 if objective == "bottleneck" else 2]
    tiers = [[(2, 9), (1e-9, 9)], [(1e-9, 9), (3, 9), (2, 3)]]
    instance = make([(4, 2, 1, 1)], tiers, [(0.5, 2)], requests, objective)
    plan = bsdp_arts(instance, capacity="max").solution
    assert_optimal(solve(method, instance, plan), brute_force(instance).value)


@methods
@objectives
def test_blocks_of_very_different_size_are_not_lost_in_rounding(method, objective):
    """2^60 FLOP come first: beside them the others would vanish in a sum."""
    requests = [(0, 1), (0, 2), (1, 1)][: 1 if objective == "bottleneck" else 3]
    tiers = [[(2.0**60, 9)], [(1, 9), (2, 9)]]
    instance = make([(1, 2.0**60, 1, 0), (3, 1, 1, 0)], tiers, [(0, 1)], requests, objective)
    optimum = brute_force(instance)
    assert_optimal(solve(method, instance, optimum.solution), optimum.value)


@methods
@scheduled
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_scaling_all_times_scales_the_optimum(method, objective, factor):
    instance = tiny_instance(8, objective)
    scaled = replace(
        instance,
        blocks=tuple(
            replace(block, flops_per_token=factor * block.flops_per_token)
            for block in instance.blocks
        ),
        links=tuple(
            replace(k, latency_s=factor * k.latency_s, bytes_per_s=k.bytes_per_s / factor)
            for k in instance.links
        ),
        requests=tuple(replace(r, arrival_s=factor * r.arrival_s) for r in instance.requests),
    )
    assert_optimal(solve(method, scaled), factor * brute_force(instance).value)


@methods
@scheduled
def test_late_arrivals_change_little(method, objective):
    instance = tiny_instance(8, objective)
    later = replace(
        instance,
        requests=tuple(replace(r, arrival_s=r.arrival_s + 2.0**30) for r in instance.requests),
    )
    result = solve(method, later)
    assert (result.status, result.faults) == ("optimal", ())
    assert result.objective == pytest.approx(brute_force(instance).value, rel=1e-5)
