"""Lower bounds: never above the optimum, and as tight as the page says where it says so."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partition_schedule.brute import all_cuts, best_for_cuts, brute_force
from partition_schedule.draws import tiny_instance, tiny_instances
from partition_schedule.instances import (
    GOLDEN,
    HAND,
    OBJECTIVES,
    golden,
    make,
    no_memory,
    one_long_request,
    too_few_blocks,
)
from shardopt.instances.partition_schedule.presets import PRESETS
from shardopt.models.partition_schedule import bounds
from shardopt.models.partition_schedule.bounds import alone_per_token, bound_of_cuts, lower_bound
from shardopt.models.partition_schedule.single_tier import (
    largest_tail_first,
    positional,
    shortest_remaining,
    suffix_bound,
)
from shardopt.models.partition_schedule.tables import make_tables

close = pytest.approx
SLACK = 1 + 1e-12


def array(*values):
    return np.array(values, dtype=float)


@given(tiny_instances())
@settings(max_examples=60)
def test_that_no_bound_is_above_the_optimum(instance):
    tables, optimum = make_tables(instance), brute_force(instance).value
    if optimum is None:
        assert lower_bound(tables) == math.inf
    else:
        assert 0 < lower_bound(tables) <= optimum * SLACK


@pytest.mark.long
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_that_no_bound_is_above_any_of_hundreds_of_optima(objective):
    for seed in range(400):
        instance = tiny_instance(seed, objective)
        optimum = brute_force(instance).value
        assert lower_bound(make_tables(instance)) <= (optimum or math.inf) * SLACK


@given(tiny_instances())
@settings(max_examples=30)
def test_that_no_bound_of_cuts_is_above_their_best_schedule(instance):
    tables = make_tables(instance)
    for cuts in all_cuts(instance):
        value = best_for_cuts(instance, cuts).value
        bound = bound_of_cuts(tables, cuts)
        assert bound == math.inf if value is None else bound <= value * SLACK


@given(seed=st.integers(0, 2**32 - 1), objective=st.sampled_from(OBJECTIVES))
@settings(max_examples=60)
def test_that_the_bound_for_too_many_cuts_to_enumerate_is_one_too(seed, objective):
    instance = tiny_instance(seed, objective)
    optimum = brute_force(instance).value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounds, "MOST_WORK", 0)
        weaker = lower_bound(make_tables(instance))
    if optimum is None:
        assert weaker == math.inf
    else:
        assert 0 < weaker <= lower_bound(make_tables(instance)) * SLACK
        assert weaker <= optimum * SLACK


@given(tiny_instances("bottleneck"))
def test_that_the_bound_of_a_bottleneck_is_its_optimum(instance):
    optimum = brute_force(instance).value
    assert lower_bound(make_tables(instance)) == (
        math.inf if optimum is None else close(optimum, rel=1e-12)
    )


@pytest.mark.parametrize("name", HAND)
def test_that_the_bounds_hold_on_instances_worked_out_by_hand(name):
    instance, optimum = HAND[name]
    assert 0.7 * optimum <= lower_bound(make_tables(instance)) <= optimum * SLACK


@pytest.mark.parametrize(("preset", "objective"), GOLDEN)
def test_that_the_bounds_come_near_the_golden_optima(preset, objective):
    optimum, cuts = GOLDEN[preset, objective]
    tables = make_tables(golden(preset, objective))
    bound = lower_bound(tables)
    assert 0.92 * optimum <= bound <= optimum * (1 + 1e-9)
    if cuts is not None:
        assert bound <= bound_of_cuts(tables, cuts) <= optimum * (1 + 1e-9)


@pytest.mark.parametrize("instance", [no_memory(), too_few_blocks()], ids=lambda i: i.name)
def test_that_the_bound_is_infinite_where_no_cuts_fit(instance):
    assert lower_bound(make_tables(instance)) == math.inf


@pytest.mark.parametrize("objective", ["mean-latency", "makespan"])
def test_that_thousands_of_requests_on_many_cuts_have_a_bound(objective):
    made = PRESETS["stress"](blocks=400, tiers=8, nodes=5, requests=20_000, objective=objective)
    tables = make_tables(made)
    work = float(tables.tokens.sum()) * tables.flops(0, 400)
    least_s = work / float(sum(speed.sum() for speed in tables.speed))
    assert lower_bound(tables) >= (least_s if objective == "makespan" else least_s / 10)


def test_that_a_request_alone_is_measured_over_all_cuts():
    for seed in range(60):
        instance = tiny_instance(seed, "makespan")
        tables = make_tables(replace(instance, requests=instance.requests[:1]))
        latency = float(tables.latency.sum())
        alone = [bound_of_cuts(tables, cuts) - latency for cuts in all_cuts(instance)]
        found = alone_per_token(tables) * tables.tokens[0]
        assert found == close(min(alone, default=math.inf), rel=1e-12)


def test_that_late_arrivals_leave_the_bound_where_it_is():
    for seed in range(20):
        instance = tiny_instance(seed, "mean-latency")
        later = tuple(replace(r, arrival_s=r.arrival_s + 2.0**20) for r in instance.requests)
        early = lower_bound(make_tables(instance))
        late = lower_bound(make_tables(replace(instance, requests=later)))
        assert late == early or late == close(early, rel=1e-8)


# Relaxations of one tier.


def test_that_the_shortest_remaining_job_is_served_first():
    """At 1 the long job has 9 left and waits for three short ones."""
    done = shortest_remaining(array(0, 1, 1, 1), array(10, 1, 1, 1), array(1))
    assert done.tolist() == [2, 3, 4, 13]


def test_that_a_job_is_served_by_one_node_at_a_time():
    assert shortest_remaining(array(0), array(6), array(1, 2)).tolist() == [3]
    assert shortest_remaining(array(0, 0), array(6, 6), array(1, 2)).tolist() == [2, 4]
    assert largest_tail_first(array(0), array(6), array(1), array(1, 2)) == 4
    assert suffix_bound(array(0), array(6), array(1), array(1, 2)) == 4


def test_that_jobs_wait_for_those_that_cannot_be_interrupted():
    """Served in turn 3 + 1 s end at 3 and 4, or at 1 and 4."""
    own = array(3, 1)
    assert positional(array(0, 0), array(3, 1), own, array(1)) == 1 + 4
    assert positional(array(0, 0, 0), array(3, 2, 1), array(3, 2, 1), array(1, 1)) == 7
    assert positional(array(0, 5), array(1, 1), array(1, 6), array(1)) == 7


def test_that_the_largest_tail_goes_first():
    """0 is served from 0 to 1 and from 3 to 4; 1, with a longer way to go, in between."""
    heads, works = array(0, 1), array(2, 2)
    assert largest_tail_first(heads, works, array(3, 9), array(1)) == 12
    assert largest_tail_first(heads, works, array(9, 3), array(1)) == 11


def test_that_idle_nodes_count_until_they_can_start_and_when_they_must_end():
    """Two jobs of 4 at 0 and 2, tails 0 and 1: C + (C - 3) = 8."""
    assert suffix_bound(array(0, 2), array(4, 4), array(0, 1), array(1, 1)) == 7.0
    assert suffix_bound(array(0, 0), array(4, 4), array(0, 1), array(1, 1)) == 5.0


@given(tiny_instances())
@settings(max_examples=60)
def test_that_one_tier_of_one_node_is_bounded_tightly(instance):
    """With preemption and jobs that are all there the shortest-first rule is the optimum."""
    if instance.objective == "bottleneck":
        return
    work = [(replace(r, arrival_s=0.0)) for r in instance.requests]
    one = make([(1, 1, 1, 0)], [[(2, 9)]], [], [], instance.objective)
    one = replace(one, requests=tuple(work))
    assert lower_bound(make_tables(one)) == close(brute_force(one).value, rel=1e-12)


def test_that_waiting_for_short_jobs_is_not_ruled_out():
    """With preemption the long job loses nothing by starting at once."""
    bound = lower_bound(make_tables(one_long_request("mean-latency")))
    assert bound == (13 + 1 + 2 + 3) / 4
