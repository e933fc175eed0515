"""Sessions that arrive over time: golden values, values by hand, and what must always hold."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

import shardopt
from block_placement import golden, hand
from block_placement.draws import draw
from online.sessions import at, one, ten_seconds
from shardopt.models.errors import InputError, NoPlanError
from shardopt.solvers.block_placement.online.ledger import Ledger, attempt_s, backed_off
from shardopt.solvers.block_placement.online.planning import Planner
from shardopt.solvers.block_placement.online.policies import Session, View, optimized_rr, ws_rr
from shardopt.solvers.online.randomness import stream

GOLDEN = json.loads((golden.FOLDER / "online.json").read_text())["rows"]
POLICIES = ("ws-rr", "optimized-rr", "petals")


def planner(instance, **changes):
    options = {
        "believed": np.ones(len(instance.servers)),
        "session_delay_s": 0.0,
        "rate_per_s": 1.0,
        "count": 1,
        "design_sessions": None,
        "seed": 0,
    }
    return Planner(instance, **options | changes)


@pytest.mark.parametrize(
    "row",
    GOLDEN,
    ids=lambda r: f"{r['policy']}-{r['arrivals']}-{r['allocation_delay_s']}-{r['mode']}",
)
def test_that_every_published_setting_gives_its_golden_values(row):
    found = one(
        golden.instance(row["instance"].removesuffix(".json")),
        row["policy"],
        arrivals=str(golden.FOLDER / row["arrivals"]),
        design_sessions=str(row["design_sessions"] or "auto"),
        session_delay=row["session_delay_s"],
        allocation_delay=str(row["allocation_delay_s"]),
        mode=row["mode"],
    )
    assert found["design_sessions"] == row["design_sessions"]
    assert {k: found[k] for k in row["metrics"]} == pytest.approx(row["metrics"], rel=1e-9)


@pytest.mark.parametrize(("rate", "sessions"), [(0.1, 11), (0.5, 48), (2.0, 165)])
def test_that_the_rate_decides_for_how_many_sessions_is_placed(rate, sessions):
    found = planner(golden.instance("clustered-9-r8"), session_delay_s=0.07)
    assert found.sessions(rate) == sessions


@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_three_sessions_on_one_server_wait_as_by_hand(mode):
    # S = (2 + 2 * 1) + 2 (1 + 2 * 1) = 10; the second waits 9, looks again after 15; the third
    # finds 2 - 4 slots and has to wait for 26, 24 s from now, looks again after 31.
    found = one(ten_seconds(), arrivals=at(0, 1, 2), mode=mode)
    assert found["wait_mean_s"] == pytest.approx(46 / 3)
    assert found["session_mean_s"] == pytest.approx(76 / 3)
    assert found["max_concurrent"] == 3


def test_that_without_back_off_sessions_start_as_soon_as_there_is_room():
    found = one(ten_seconds(), arrivals=at(0, 1, 2), no_backoff=True)
    assert found["wait_mean_s"] == pytest.approx((0 + 9 + 18) / 3)
    assert found["utilisation"] == {"s0": pytest.approx(1.0)}


@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_a_slot_freed_now_serves_an_attempt_now(mode):
    found = one(ten_seconds(), arrivals=at(0, 10 - 4e-10, 20), mode=mode)
    assert found["wait_mean_s"] == 0.0
    assert found["max_concurrent"] == 1


@pytest.mark.parametrize(
    ("raw", "wait"),
    [
        *((0, 0), (1e-10, 0), (0.1, 1), (1, 1), (1 + 5e-10, 1), (1.1, 3), (9, 15), (63, 63)),
        *((63.1, 123), (123, 123), (124, 183), (1000, 1023)),
    ],
)
def test_that_clients_look_again_after_1_3_7_15_31_63_123_seconds(raw, wait):
    assert backed_off(raw) == wait


def test_that_attempts_follow_the_same_steps():
    steps = [attempt_s(n) for n in range(9)]
    assert steps == [1, 3, 7, 15, 31, 63, 123, 183, 243]
    assert [backed_off(step) for step in steps] == steps


def test_that_a_ledger_agrees_with_a_plain_scan():
    rng = np.random.default_rng(4)
    ledger, entries, now = Ledger(20), [], 0.0
    for _ in range(2000):
        now += rng.exponential(0.4)
        amount = float(rng.integers(1, 22))
        live = sorted((e, s) for e, s in entries if e > now + 1e-9)
        free, wait = 20 - sum(s for _, s in live), math.inf
        if amount <= 20:
            ends = [
                e - now
                for n, (e, _) in enumerate(live)
                if free + sum(s for _, s in live[: n + 1]) >= amount
            ]
            wait = 0.0 if free >= amount else ends[0]
        assert ledger.wait(now, amount) == pytest.approx(wait)
        assert ledger.sessions(now) == len(live)
        if amount <= 6:
            entries.append((now + rng.exponential(5.0), amount))
            ledger.add(*entries[-1])
        if len(entries) % 7 == 0 and entries:
            ledger.remove(now, *entries.pop(int(rng.integers(len(entries)))))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_one_session_takes_its_service_and_the_delays(policy, mode):
    instance = golden.instance("clustered-9-r8-join-1to9")
    found = one(
        instance, policy, arrivals=at(5.0), session_delay=0.5, allocation_delay="2", mode=mode
    )
    free = found["without_delays"]
    assert found["session_mean_s"] == pytest.approx(free["session_mean_s"] + 2.5)
    assert found["wait_mean_s"] == free["wait_mean_s"] == 0.0


@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_nobody_waits_while_no_more_are_there_than_was_placed_for(mode):
    instance = golden.instance("clustered-9-r8")
    found = one(instance, arrivals="poisson:0.05", requests=200, design_sessions="35", mode=mode)
    assert found["max_concurrent"] <= 35
    assert found["wait_mean_s"] == 0.0
    assert found["session_p99_s"] == pytest.approx(82.198649)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_no_session_is_lost_and_servers_are_never_overfull(policy, mode):
    instance, events = golden.instance("clustered-9-r8"), []
    found = shardopt.simulate(
        instance, policy, arrivals="poisson:0.5", requests=300, mode=mode, log=events.append, seed=2
    )["policies"][policy]
    assert found["completed"] + found["rejected"] == 300
    assert all(0 <= used <= 1 + 1e-9 for used in found["utilisation"].values())
    times = [event["time_s"] for event in events]
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(times))
    kinds = [event["event"] for event in events]
    assert [kinds.count(kind) for kind in ("arrival", "start", "end")] == [300, 300, 300]


@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_the_log_and_the_metrics_agree_by_littles_law(mode):
    events = []
    found = shardopt.simulate(
        golden.instance("clustered-9-r8"),
        arrivals="gamma:0.5:2",
        requests=200,
        mode=mode,
        log=events.append,
    )["policies"]["ws-rr"]
    step = {"arrival": 1, "start": 0, "end": -1}
    area, inside, last = 0.0, 0, 0.0
    for event in events:
        area += inside * (event["time_s"] - last)
        inside, last = inside + step[event["event"]], event["time_s"]
    assert inside == 0
    assert area == pytest.approx(200 * found["session_mean_s"])


def test_that_the_same_seed_gives_the_same_result_and_another_one_does_not():
    def run(seed):
        options = {"arrivals": "poisson:0.5", "requests": 60, "mode": "physical", "seed": seed}
        return shardopt.simulate(
            golden.instance("clustered-9-r8"), POLICIES, actual="exponential", **options
        )

    assert json.dumps(run(1)) == json.dumps(run(1))
    assert run(1)["policies"] != run(2)["policies"]


def all_paths(kind):
    """Return every path of a kind of session, by enumeration."""
    count = len(kind.site.slots)
    for hops in range(1, count + 1):
        for servers in itertools.permutations(range(count), hops):
            first, between = kind.exists
            links = [first[servers[0]], *(between[i, j] for i, j in itertools.pairwise(servers))]
            if all(links) and kind.site.last[servers[-1]] == 0:
                yield kind.path(servers)


@pytest.mark.parametrize("seed", range(40))
def test_that_routes_equal_the_best_of_all_paths(seed):
    instance = draw(seed, blocks=4)
    try:
        site = planner(instance, design_sessions=1).cg_bp()
    except NoPlanError:
        return
    rng = np.random.default_rng(seed)
    view = View(site, [Ledger(int(slots)) for slots in site.slots])
    for j, ledger in enumerate(view.ledgers):
        for _ in range(int(rng.integers(0, 6))):
            ledger.add(float(rng.uniform(1, 20)), int(rng.integers(1, 1 + max(1, site.slots[j]))))
    view.now_s = 1.0
    session = Session(0, 0, instance.input_tokens, instance.output_tokens)
    kind = view.kind(session)
    paths = [path for path in all_paths(kind) if math.isfinite(view.wait(path))]

    def summed(path):
        waits = zip(path.servers, path.slots, strict=True)
        return path.service_s + sum(view.ledgers[j].wait(1.0, slots) for j, slots in waits)

    def largest(path):
        return path.service_s + view.wait(path)

    for policy, cost in ((ws_rr, summed), (optimized_rr, largest)):
        found = policy(view, session, stream(0, "policy"))
        if not paths:
            assert found is None
        else:
            assert cost(found) == pytest.approx(min(map(cost, paths)))


def test_that_a_session_longer_than_the_instances_takes_more_slots_and_time():
    # Twice the tokens: 4 slots of 2, so it fits nowhere.
    requests = at(0, 20, input_tokens=[16, 16], output_tokens=[3, 22])
    found = one(ten_seconds(), arrivals=requests)
    assert (found["completed"], found["rejected"]) == (1, 1)


def test_that_nothing_completed_means_no_numbers():
    found = one(ten_seconds(), arrivals=at(0, input_tokens=[16], output_tokens=[22]))
    assert found["rejected"] == 1
    assert found["session_mean_s"] is None and found["per_token_s"] is None
    assert found["utilisation"] == {"s0": 0.0}


def test_that_all_policies_use_the_placement_that_is_given():
    instance = golden.instance("tiny-a")
    plan = golden.optimal_plan("tiny-a")
    found = shardopt.simulate(instance, POLICIES, arrivals=at(0.0), solution=plan)["policies"]
    times = {name: metrics["session_mean_s"] for name, metrics in found.items()}
    assert times["ws-rr"] == times["optimized-rr"] <= times["petals"]


def test_that_no_placement_is_said_to_be_proven_where_it_is():
    tiny = hand.make(4, [(3.0, 1.0, 1.0)], [(1, (1.0,))])
    with pytest.raises(NoPlanError) as caught:
        one(tiny, arrivals=at(0.0))
    assert caught.value.proven


@pytest.mark.parametrize(
    "options",
    [
        {"policies": "wsrr"},
        {"design_sessions": "0"},
        {"design_sessions": "many"},
        {"session_delay": -1.0},
        {"session_delay": math.nan},
        {"allocation_delay": "ws-rr=x"},
        {"allocation_delay": "nobody=3"},
        {"mode": "both"},
        {"mode": "physical", "no_backoff": True},
        {"actual": "exponential"},
        {"mode": "physical", "actual": "uniform:2:1"},
        {"mode": "physical", "actual": "normal"},
        {"fail": "s0@1-2"},
        {"mode": "physical", "fail": "s7@1-2"},
        {"mode": "physical", "fail": "s0@2-1"},
        {"mode": "physical", "fail": "s0"},
        {"mode": "physical", "slow": "s0:0@1-2"},
        {"mode": "physical", "misjudge": "s0:-1"},
        {"replan_every": 0.0},
        {"replan_every": 10.0, "design_sessions": "3"},
        {"join_order": "s0,s0"},
        {"join_order": "s9"},
        {"seed": -1},
        {"arrivals": "poisson:0"},
        {"requests": 0},
    ],
)
def test_that_bad_options_are_refused(options):
    policies = options.pop("policies", None)
    common = {"arrivals": "period:1", "requests": 2}
    with pytest.raises(InputError):
        shardopt.simulate(ten_seconds(), policies, **common | options)


def test_that_differences_between_policies_are_paired_with_a_confidence_interval():
    found = shardopt.simulate(
        golden.instance("clustered-9-r8"), ("ws-rr", "petals"), arrivals="poisson:0.1", requests=200
    )["policies"]
    versus = found["petals"]["versus_ws-rr"]
    means = [found[name]["session_mean_s"] for name in ("petals", "ws-rr")]
    assert versus["mean_s"] == pytest.approx(means[0] - means[1])
    assert versus["low_s"] < versus["mean_s"] < versus["high_s"]
    assert versus["requests"] == 200


@pytest.mark.parametrize("seed", range(2))
def test_that_nobody_does_better_than_the_clairvoyant(seed):
    instance = golden.instance("tiny-a")
    names = ("clairvoyant", *POLICIES)
    found = shardopt.simulate(
        instance,
        names,
        arrivals="poisson:0.5",
        requests=8,
        seed=seed,
        solution=golden.optimal_plan("tiny-a"),
        no_backoff=True,
    )["policies"]
    best = found["clairvoyant"]
    for name in POLICIES:
        assert best["session_mean_s"] <= found[name]["session_mean_s"] + 1e-9
    assert best["bound_any_placement"] <= best["bound"] + 1e-9
    assert best["bound"] <= best["session_mean_s"]
    assert best["gap"] < 1e-6


def test_that_a_clairvoyant_lets_short_sessions_go_first():
    # A server for one session at a time; the long one of 31 s comes first, the short one of 10 s
    # a second later. In turn: (31 + 40) / 2; the short one first: (10 + 42) / 2 - with hindsight
    # the server stays idle for a second.
    requests = at(0, 1, input_tokens=[16, 9], output_tokens=[3, 3])
    instance = hand.make(2, [(4.0, 1.0, 1.0)], [(1, (1.0,))])
    assert one(instance, arrivals=requests, no_backoff=True)["completed"] == 2
    lengths = at(0, 1, input_tokens=[9, 16], output_tokens=[10, 3])
    found = shardopt.simulate(
        instance, ("clairvoyant", "ws-rr"), arrivals=lengths, no_backoff=True
    )["policies"]
    assert found["ws-rr"]["session_mean_s"] == pytest.approx((31 + 40) / 2)
    assert found["clairvoyant"]["session_mean_s"] == pytest.approx((10 + 42) / 2)
    assert found["clairvoyant"]["gap"] < 1e-6


def test_that_only_few_sessions_can_be_known_in_advance():
    with pytest.raises(InputError, match="60"):
        one(ten_seconds(), "clairvoyant", arrivals="period:1", requests=61)
    with pytest.raises(InputError, match="ledger"):
        one(ten_seconds(), "clairvoyant", arrivals="period:1", requests=2, mode="physical")
