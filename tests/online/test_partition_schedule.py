"""`partition-schedule` online: what its solvers plan, policies reach; and what disturbs them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import shardopt
from online.tiers import FAST_AND_SLOW, TWINS, at, close, logged, one
from partition_schedule.brute import all_cuts
from partition_schedule.draws import tiny_instance
from partition_schedule.instances import (
    four_at_once,
    golden,
    judged_by,
    make,
    no_memory,
    two_by_two,
)
from shardopt.instances.partition_schedule.presets import PRESETS, random
from shardopt.models.errors import InputError, NoPlanError
from shardopt.models.partition_schedule.data import Request, Solution
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.online.disturbances import Disturbances
from shardopt.solvers.partition_schedule.dispatch import (
    arts_schedule,
    gpipe_schedule,
    heft_schedule,
)
from shardopt.solvers.partition_schedule.online.pipeline import Plan, Run
from shardopt.solvers.partition_schedule.online.simulation import POLICIES

OFFLINE = {"arts": arts_schedule, "round-robin": gpipe_schedule, "heft": heft_schedule}
"""Policies, and the rule that makes the same schedule of requests that are known."""


def in_order(instance):
    """Number the requests by their arrival, as a stream does."""
    requests = sorted(instance.requests, key=lambda request: request.arrival_s)
    return replace(instance, requests=tuple(requests))


def simulated(tables, cuts, policy, plan=None):
    """Return ``node[r, j]`` and ``start[r, j]`` of a run on the requests of the tables."""
    shape = (tables.request_count, tables.tier_count)
    node, start = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    run = Run(tables, cuts, POLICIES[policy], Disturbances(), 0, plan=plan)
    for j, view in enumerate(run.views):
        for k, machine in enumerate(view.machines):

            def add(now_s, work, visit, j=j, k=k, add=machine.add):
                job = add(now_s, work, visit)
                node[visit.number, j], start[visit.number, j] = k, job.start_s
                return job

            machine.add = add
    run.run()
    return node, start


def assert_same_as_offline(instance, cuts):
    tables = make_tables(in_order(instance))
    for policy, rule in OFFLINE.items():
        schedule = rule(tables, cuts, Budget())
        assert schedule is not None
        plan = Plan(*schedule) if policy == "heft" else None
        node, start = simulated(tables, cuts, policy, plan)
        np.testing.assert_array_equal(start, schedule[1])
        np.testing.assert_array_equal(node, schedule[0])


@pytest.mark.parametrize("seed", range(40))
def test_that_on_known_requests_policies_make_the_schedules_of_the_solvers(seed):
    instance = tiny_instance(seed, "makespan")
    for cuts in filter(make_tables(instance).fits, all_cuts(instance)):
        assert_same_as_offline(instance, cuts)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("seed", range(4))
def test_that_they_do_so_on_every_preset(preset, seed):
    instance = judged_by(PRESETS[preset](seed=seed, requests=60), "makespan")
    plan = shardopt.solve(instance, "bsdp").solution
    if plan is not None:
        assert_same_as_offline(instance, plan.cuts)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(300))
def test_that_they_do_so_on_hundreds_of_instances(seed):
    instance = random(seed=seed, blocks=9, tiers=3, nodes=4, requests=150)
    fitting = list(filter(make_tables(instance).fits, all_cuts(instance)))
    for cuts in fitting[:: max(1, len(fitting) // 3)]:
        assert_same_as_offline(instance, cuts)


@pytest.mark.parametrize("preset", ["hyperion-llama3-8b", "hyperion-phi3-medium"])
@pytest.mark.parametrize(
    ("policy", "solver"), [("arts", "bsdp"), ("round-robin", "gpipe@bsdp"), ("heft", "heft@bsdp")]
)
def test_that_without_arrivals_the_requests_of_the_instance_arrive(preset, policy, solver):
    instance = golden(preset, "mean-latency")
    done = shardopt.simulate(instance, policy)
    assert done["arrivals"]["form"] == "the instance's own"
    found = done["policies"][policy]
    assert found["session_mean_s"] == close(shardopt.solve(instance, solver).objective, rel=1e-12)
    assert found["completed"] == len(instance.requests)


def test_that_the_cuts_of_a_plan_are_used():
    instance = two_by_two("mean-latency")
    plan = shardopt.solve(instance, "exact")
    found = one(instance, solution=plan)
    assert found["cuts"] == [1]
    assert found["session_mean_s"] == close(3.75)


def test_that_a_request_alone_takes_the_same_under_every_policy_on_one_node_a_tier():
    found = shardopt.simulate(four_at_once("makespan"), list(POLICIES), arrivals=at(3.0))
    # Of the cuts with a largest stage of 2 s BSDP takes the first: 1 + 0.5 + 2 s.
    assert {f["session_mean_s"] for f in found["policies"].values()} == {3.5}
    assert {f["wait_mean_s"] for f in found["policies"].values()} == {0.0}
    assert found["policies"]["arts"]["utilisation"] == {"a1": close(1 / 3.5), "b1": close(2 / 3.5)}


def test_that_waits_on_all_tiers_add_up():
    # A token takes 1 s and then 2 s; the second request waits 1 s, and 1 s again.
    found = one(four_at_once("makespan"), arrivals=at(0, 0, tokens=[1, 1]))
    assert found["wait_mean_s"] == close(1.0)
    found = one(four_at_once("makespan"), arrivals=at(0, 0, tokens=[4, 1]))
    assert found["wait_mean_s"] == close((4 + 7) / 2)


def test_that_lengths_are_drawn_from_the_requests_of_the_instance():
    instance = replace(TWINS, requests=(Request(0.0, 3), Request(0.0, 70)))
    both = [
        one(instance, policy, arrivals="period:1000", requests=200, seed=4)["per_token_s"]
        for policy in ("arts", "random")
    ]
    assert both == [close(1.0), close(1.0)]
    found = one(instance, arrivals="period:1000", requests=200, seed=4)
    assert found["session_p99_s"] == 70.0
    assert 30 < found["session_mean_s"] < 43


def test_that_tokens_of_a_trace_are_used(tmp_path):
    file = tmp_path / "trace.csv"
    file.write_text("arrival_s,input_tokens,output_tokens\n5,2,9\n5,4,9\n", encoding="utf-8")
    assert one(TWINS, arrivals=str(file))["session_mean_s"] == 3.0


def test_that_the_first_requests_of_an_instance_can_be_asked_for():
    instance = two_by_two("mean-latency")
    assert one(instance, requests=2)["completed"] == 2
    with pytest.raises(InputError, match="3 requests"):
        one(instance, requests=4)


@pytest.mark.parametrize(
    ("policy", "nodes"),
    [
        ("arts", ["a2", "a2", "a2", "a2"]),  # 2, 4, 6 and 8 s against 10
        ("round-robin", ["a1", "a2", "a1", "a2"]),
        ("least-work", ["a1", "a2", "a1", "a2"]),  # 10 FLOP there, none or 10 here
    ],
)
def test_that_policies_choose_as_by_hand(policy, nodes):
    served = logged(FAST_AND_SLOW, policy, arrivals=at(0, 0, 0, 0))
    assert [node for _, node, _ in sorted(served)] == nodes


def test_that_random_choices_are_those_of_the_seed():
    served = [
        logged(TWINS, "random", arrivals="period:1", requests=50, seed=seed) for seed in (1, 1, 2)
    ]
    assert served[0] == served[1] != served[2]
    assert {node for _, node, _ in served[0]} == {"a1", "a2"}


def test_that_nodes_without_the_memory_are_never_chosen():
    instance = make([(3, 1, 2, 0)], [[(9, 5), (1, 6), (1, 6)]], [], [(0, 1)], "mean-latency")
    for policy in POLICIES:
        served = logged(instance, policy, arrivals=at(*[0] * 20))
        assert {node for _, node, _ in served} == {"a2", "a3"}


def test_that_differences_are_paired_with_the_first_policy():
    found = shardopt.simulate(FAST_AND_SLOW, "arts,round-robin", arrivals=at(0, 100, 200, 300))
    # Two of four requests take 10 s instead of 2.
    assert found["policies"]["round-robin"]["versus_arts"]["mean_s"] == close(4.0)


# -- what must always hold -----------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("options", [{}, {"slow": "n2:4@5-60", "misjudge": "n1:0.3"}])
def test_that_every_run_drains_and_conserves_work(policy, options):
    nodes = [(3.0, 99), (2.0, 99), (5.0, 99)]
    instance = make([(4, 1, 1, 1)], [nodes, nodes], [(0.1, 50)], [(0, 1), (0, 6)], "makespan")
    renamed = [
        replace(
            tier, nodes=tuple(replace(n, name=f"n{3 * j + k}") for k, n in enumerate(tier.nodes))
        )
        for j, tier in enumerate(instance.tiers)
    ]
    instance = replace(instance, tiers=tuple(renamed))
    lines = []
    found = one(
        instance, policy, arrivals="poisson:1", requests=400, seed=2, log=lines.append, **options
    )
    assert (found["completed"], found["rejected"]) == (400, 0)
    inside, area, last = 0, 0.0, 0.0
    running = {}
    for event in lines:
        now, kind = event["time_s"], event["event"]
        area += inside * (now - last)
        last = now
        inside += (kind == "arrival") - (kind == "end")
        if kind == "start":
            assert event["node"] not in running  # one at a time
            running[event["node"]] = event["request"]
        elif kind in ("leave", "end"):
            assert running.pop(event["node"]) == event["request"]
    assert inside == 0 and not running
    assert area == close(found["session_mean_s"] * 400, rel=1e-9)  # Little's law


def test_that_the_same_seed_gives_the_same_numbers():
    instance = golden("hyperion-llama3-8b", "mean-latency")
    common = {"arrivals": "poisson:20", "requests": 300, "seed": 5}
    first, again = (shardopt.simulate(instance, list(POLICIES), **common) for _ in range(2))
    assert first == again


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"slow": "a9:3@0-1"}, "slow"),
        ({"slow": "a1:0@0-1"}, "slow"),
        ({"misjudge": "a1"}, "misjudge"),
        ({"fail": "a1@5-1"}, "fail"),
        ({"policies": "heft", "fail": "a1@0-1"}, "heft"),
        ({"policies": "art"}, "did you mean arts"),
        ({"session_delay": "1"}, "session_delay"),
        ({"seed": -1}, "seed"),
    ],
)
def test_that_bad_options_are_refused(options, place):
    options = {"policies": "arts", "arrivals": at(0, 1)} | options
    with pytest.raises(InputError, match=place):
        shardopt.simulate(TWINS, **options)


def test_that_a_plan_that_breaks_rules_is_refused():
    with pytest.raises(InputError, match="a feasible plan"):
        one(two_by_two("makespan"), solution=Solution((9,), ()))


def test_that_no_cuts_mean_no_plan_and_that_this_is_proven():
    with pytest.raises(NoPlanError) as caught:
        one(no_memory("makespan"))
    assert caught.value.proven
