"""What must hold of every run, whatever the policy, the mode and the disturbances."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest

import shardopt
from block_placement import golden, hand
from shardopt.models.requests import Requests
from shardopt.solvers.online.resources import Station
from shardopt.solvers.registry import find_online

LEDGER = ["ws-rr", "optimized-rr", "petals", "petals-optimized-order", "petals-optimized-number"]
PHYSICAL = [*LEDGER, "petals-retry"]
TROUBLES = {
    "none": {},
    "lengths": {"actual": "exponential"},
    "failures": {"fail": "s8@100-160,s3@120-300"},
    "slow": {"slow": "s9:4@50-150", "misjudge": "s8:0.5"},
}


def run(policy, **options):
    """Run bursts on nine servers, and return the metrics and the events."""
    events = []
    common = {"arrivals": "gamma:0.4:2", "requests": 120, "seed": 4, "log": events.append}
    instance = golden.instance("clustered-9-r8")
    found = shardopt.simulate(instance, policy, **common | options)
    return found["policies"][policy], events


def test_that_every_policy_is_among_those_that_are_tested_here():
    assert {*PHYSICAL, "clairvoyant"} == set(find_online("block-placement").policies)


@pytest.mark.parametrize("policy", LEDGER)
def test_that_littles_law_holds_by_the_ledgers(policy):
    assert_littles_law(*run(policy))


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("policy", PHYSICAL)
def test_that_littles_law_holds_whatever_happens(policy, trouble):
    assert_littles_law(*run(policy, mode="physical", **TROUBLES[trouble]))


def assert_littles_law(metrics, events):
    """The integral of the number in the system is the sum of all times; nobody is lost."""
    step = {"arrival": 1, "end": -1, "reject": -1}
    arrived, rejected_s = {}, 0.0
    area, inside, last = 0.0, 0, 0.0
    for event in events:
        area += inside * (event["time_s"] - last)
        inside, last = inside + step.get(event["event"], 0), event["time_s"]
        if event["event"] == "arrival":
            arrived[event["request"]] = event["time_s"]
        if event["event"] == "reject":  # after a failure it may have been there for long
            rejected_s += event["time_s"] - arrived[event["request"]]
    assert inside == 0
    assert metrics["completed"] + metrics["rejected"] == len(arrived) == 120
    if metrics["completed"]:
        total = metrics["completed"] * metrics["session_mean_s"]
        assert area - rejected_s == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("policy", ["ws-rr", "petals", "petals-retry"])
def test_that_slots_are_never_exceeded_and_work_is_conserved(policy, trouble):
    instance = golden.instance("clustered-9-r8")
    plan = shardopt.solve(instance, "cg-bp", design_sessions=15).solution
    options = {"mode": "physical", "solution": plan, **TROUBLES[trouble]}
    metrics, events = run(policy, **options)
    runs = {hosting.server: (hosting.start, hosting.stop) for hosting in plan.placement}
    capacity = slots_beside(instance, runs)
    held, running = defaultdict(int), {}
    used = defaultdict(float)

    def leave(request, now):
        start, claims = running.pop(request)
        for server, slots in claims.items():
            held[server] -= slots
            used[server] += slots * (now - start)

    for event in events:
        now = event["time_s"]
        if event["event"] == "start":
            claims = blocks_run(runs, event["path"])
            running[event["request"]] = now, claims
            for server, slots in claims.items():
                held[server] += slots
                assert held[server] <= capacity[server]
        elif event["event"] == "end":
            leave(event["request"], now)
        elif event["event"] == "down":
            hit = [r for r, (_, claims) in running.items() if event["server"] in claims]
            for request in hit:
                leave(request, now)
    assert not running
    span = max(e["time_s"] for e in events if e["event"] == "end") - events[0]["time_s"]
    for server, slots in capacity.items():
        share = metrics["utilisation"][server]
        assert share * slots * span == pytest.approx(used[server], rel=1e-9, abs=1e-6)


def slots_beside(instance, runs):
    """Return how many blocks' caches fit beside the weights of what each server hosts."""
    found = {}
    for server in instance.servers:
        start, stop = runs.get(server.name, (0, 0))
        left = server.memory_bytes - instance.weight_bytes * (stop - start)
        found[server.name] = int(left / instance.cache_bytes_per_session + 1e-9)
    return found


def blocks_run(runs, path):
    """Return how many blocks each server of a path runs: those that none before it has run."""
    done, found = 0, {}
    for server in path:
        found[server] = runs[server][1] - done
        done = runs[server][1]
    return found


@pytest.mark.parametrize("servers", [2, 3])
def test_that_a_further_server_never_lets_anybody_wait_longer(servers):
    rng = np.random.default_rng(5)
    arrivals, work = np.cumsum(rng.exponential(0.6, 400)), rng.exponential(1.0, 400)
    few, many = Station(1.0, servers - 1), Station(1.0, servers)
    for t, w in zip(arrivals, work, strict=True):
        assert many.add(t, w)[0] <= few.add(t, w)[0] + 1e-12


def test_that_more_memory_on_one_server_never_lets_anybody_wait_longer():
    waits = []
    for memory in (4.0, 6.0, 8.0, 12.0):
        instance = hand.make(2, [(memory, 1.0, 1.0)], [(1, (1.0,))])
        _, events = run_on(instance, arrivals="poisson:0.3", requests=80, no_backoff=True)
        arrived = {e["request"]: e["time_s"] for e in events if e["event"] == "arrival"}
        started = {e["request"]: e["time_s"] for e in events if e["event"] == "start"}
        waits.append([started[r] - arrived[r] for r in range(80)])
    assert max(waits[0]) > 100 and max(waits[-1]) < max(waits[0]) / 5
    for less, more in itertools.pairwise(waits):
        assert all(b <= a + 1e-9 for a, b in zip(less, more, strict=True))


def run_on(instance, **options):
    events = []
    found = shardopt.simulate(instance, "ws-rr", log=events.append, **options)
    return found["policies"]["ws-rr"], events


@pytest.mark.parametrize("seed", range(5))
def test_that_all_take_the_shortest_path_while_no_more_are_there_than_was_placed_for(seed):
    options = {"output_tokens": 64, "a100_gb": 84.973, "mig_gb": 10.2}
    instance = shardopt.generate("block-placement", "bloom-bellcanada-26", seed=seed, **options)
    found, _ = run_on(instance, arrivals="poisson:0.2", requests=150, design_sessions="40")
    alone, _ = run_on(instance, arrivals="period:1", requests=1, design_sessions="40")
    assert found["max_concurrent"] <= 40
    assert found["wait_p99_s"] == found["wait_mean_s"] == 0.0
    assert found["session_mean_s"] == pytest.approx(alone["session_mean_s"], rel=1e-12)
    assert found["session_p99_s"] == pytest.approx(alone["session_mean_s"], rel=1e-12)


@pytest.mark.parametrize("policy", [*PHYSICAL, "clairvoyant"])
def test_that_one_session_takes_its_service_and_the_delays_whatever_the_policy(policy):
    mode = "physical" if policy == "petals-retry" else "ledger"
    found, _ = run(policy, requests=1, session_delay=0.07, allocation_delay="60", mode=mode)
    free = found["without_delays"]
    assert found["wait_mean_s"] == free["wait_mean_s"] == 0.0
    assert found["session_mean_s"] == pytest.approx(free["session_mean_s"] + 60.07)


@pytest.mark.parametrize(("times", "sessions"), [([3.0], 1), ([3.0] * 5, 5), ([0.0, 1000.0], 1)])
def test_that_a_trace_without_a_rate_is_placed_for_all_its_sessions(times, sessions):
    span = times[-1] - times[0]
    requests = Requests(np.array(times), (len(times) - 1) / span if span else None)
    found, _ = run_on(golden.instance("clustered-9-r8"), arrivals=requests)
    assert found["design_sessions"] == sessions


def test_that_only_policies_that_place_by_the_number_of_sessions_say_it():
    names = ("ws-rr", "optimized-rr", "petals")
    options = {"arrivals": "poisson:0.1", "requests": 5}
    found = shardopt.simulate(golden.instance("clustered-9-r8"), names, **options)["policies"]
    assert [found[name]["design_sessions"] for name in names] == [11, None, None]
