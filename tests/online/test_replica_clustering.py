"""`replica-clustering` online: prefill, a slot, the cache moved, decode."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import shardopt
from online.replicas import at, close, logged, one, two_and_two
from replica_clustering.hand import AB_BEST, make, plan, replica, with_links
from shardopt.models.errors import InputError, NoPlanError
from shardopt.solvers.online.arrivals import generated
from shardopt.solvers.online.resources import Station
from shardopt.solvers.replica_clustering.online.replicas import pooled_token_s

POLICIES = ("jsq", "round-robin", "least-work", "random")


def page_instance():
    """Prefill T = 2 s, a decode replica with two slots, U S T = 10 s, and 0.5 s of transfer."""
    instance = make("ab", cache=50.0, memory=1e9, link=(40_000.0, 0.0))
    decoder = replace(instance.devices[0], decode_s_per_block=(0.025, 0.05))
    prefiller = replace(instance.devices[1], prefill_s_per_token_per_block=0.005)
    return replace(instance, devices=(decoder, prefiller))


@pytest.mark.parametrize("policy", POLICIES)
def test_that_three_requests_wait_as_by_hand(policy):
    found = one(page_instance(), policy, solution=AB_BEST, arrivals=at(0, 1, 2))
    assert found["wait_mean_s"] == close((0.5 + 1.5 + 9.0) / 3)
    assert found["wait_std_s"] == close(np.std([0.5, 1.5, 9.0]))
    assert found["wait_p50_s"] == close(1.5)
    assert found["wait_p90_s"] == close(7.5)
    assert found["session_mean_s"] == close((12.5 + 13.5 + 21) / 3)
    assert found["ttft_mean_s"] == close((2.5 + 3.5 + 11) / 3)  # until it decodes
    assert found["prefill_tokens_per_s"] == close(50.0)
    assert found["decode_tokens_per_s"] == close(5.0)
    assert found["throughput_per_s"] == close(3 / 23)
    assert found["utilisation"] == {
        "prefill-1": close(6 / 23),
        "decode-1": close((10.5 + 10.5 + 10.5) / 2 / 23),
    }
    starts = logged(page_instance(), "prefill", policy, solution=AB_BEST, arrivals=at(0, 1, 2))
    claims = logged(page_instance(), "transfer", policy, solution=AB_BEST, arrivals=at(0, 1, 2))
    assert [time for _, _, time in starts] == [0, 2, 4]
    assert [time for _, _, time in claims] == [2, 4, 12.5]


def test_that_the_shortest_queue_is_joined_at_both_steps():
    instance, replicas = two_and_two()
    arrivals = at(0, 0, 0, 0, 0)
    # Waits as they come: 0 and 0; 0.4 and 0; 0.4 and 0.8; 0.8 and 0.8; 1.2 and 0.8.
    joined = logged(instance, "prefill", solution=replicas, arrivals=arrivals)
    assert [name[-1] for _, name, _ in sorted(joined)] == list("12112")
    # Read at 0.4, 0.8 (two), 1.2 and 1.6. a2 decodes from 0.4 to 2.4, b2 from 0.8 to 4.8. So the
    # third waits for a2, which it leaves at 4.4; the fourth finds 3.2 s there against 3.6, the
    # last 4.8 s against 3.2.
    joined = logged(instance, "transfer", solution=replicas, arrivals=arrivals)
    assert [name[-1] for _, name, _ in sorted(joined)] == list("12112")
    assert [time for _, _, time in sorted(joined)] == close([0.4, 0.8, 2.4, 4.4, 4.8])


def brute_force(instance, replicas, arrival, input_tokens, output_tokens):
    """Return how long each request takes if the shortest queue is joined, by plain recursion."""
    prefillers = [Station(100 / t) for t in replicas["prefill"]]
    decoders = [Station(1.0, slots) for slots, _ in replicas["decode"]]
    ready = []
    for n, now in enumerate(arrival):
        waits = [one.outstanding(now) / one.rate for one in prefillers]
        chosen = min(range(len(waits)), key=lambda k: (round(waits[k], 8), k))
        ready.append((prefillers[chosen].add(now, input_tokens[n])[1], n))
    total = np.zeros(len(arrival))
    size = instance.model.blocks * instance.model.cache_bytes_per_token_per_block
    for now, n in sorted(ready):
        waits = [one.next_start_s(now) - now for one in decoders]
        chosen = min(range(len(waits)), key=lambda k: (round(waits[k], 8), k))
        transfer = instance.link.latency_s + size * input_tokens[n] / instance.link.bytes_per_s
        token_s = replicas["decode"][chosen][1]
        total[n] = decoders[chosen].add(now, transfer + output_tokens[n] * token_s)[1] - arrival[n]
    return total


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("rate", [0.5, 1.5])
def test_that_runs_agree_with_a_recursion_over_the_requests(seed, rate):
    instance = make("ababb", memory=1e9, cache=1.0, link=(2000.0, 0.01))
    replicas = plan(
        replica("prefill", 1, ("a1", 0, 4)),
        replica("prefill", 1, ("b1", 0, 4)),
        replica("decode", 2, ("a2", 0, 4)),
        replica("decode", 1, ("b2", 0, 3), ("b3", 3, 4)),
    )
    rng = np.random.default_rng(seed)
    arrivals = generated(f"poisson:{rate}", 300, seed)
    read, answered = rng.integers(10, 400, 300), rng.integers(1, 100, 300)
    arrivals = replace(arrivals, input_tokens=read, output_tokens=answered)
    found = one(instance, solution=replicas, arrivals=arrivals)
    # T by hand: 4 blocks at 0.1 and 0.2 s; 4 at 0.015 s, two slots; 3 at 0.02 s on two stages.
    by_hand = {"prefill": [0.4, 0.8], "decode": [(2, 0.06), (2, 2 * 0.06)]}
    expected = brute_force(instance, by_hand, arrivals.arrival_s.tolist(), read, answered)
    assert found["session_mean_s"] == close(expected.mean(), rel=1e-9)
    assert found["session_p99_s"] == close(np.percentile(expected, 99), rel=1e-9)


def test_that_the_cache_moves_over_the_link_between_the_masters():
    instance = page_instance()
    one_way = ((0.0, 1e9), (20_000.0, 0.0)), ((0.0, 0.0), (0.25, 0.0))
    found = one(with_links(instance, *one_way), solution=AB_BEST, arrivals=at(0))
    assert found["wait_mean_s"] == close(0.25 + 1.0)  # from b1, the second row, to a1


def test_that_policies_choose_as_by_hand():
    instance, replicas = two_and_two()
    common = {
        "solution": replicas,
        "arrivals": at(0, 0, 0, 0, input_tokens=[100, 300, 100, 50], output_tokens=[50] * 4),
    }
    joined = logged(instance, "prefill", "least-work", **common)
    assert [name[-1] for _, name, _ in sorted(joined)] == list("1211")  # tokens, not seconds
    joined = logged(instance, "prefill", "round-robin", **common)
    assert [name[-1] for _, name, _ in sorted(joined)] == list("1212")
    joined = [logged(instance, "prefill", "random", seed=seed, **common) for seed in (3, 3)]
    assert joined[0] == joined[1]


def test_that_without_arrivals_one_comes_each_period():
    found = shardopt.simulate(page_instance(), solution=AB_BEST, requests=3)
    assert found["arrivals"]["form"] == "period:1.0"
    assert found["policies"]["jsq"]["wait_mean_s"] == close(11 / 3)


def test_that_without_a_plan_it_is_the_best_one():
    instance = make("abb")
    found = one(instance, requests=10)
    assert found["replicas"] == {"prefill-1": ["b1"], "decode-1": ["a1"], "decode-2": ["b2"]}
    assert found["capacity_per_s"] == close(1.0)


def test_that_more_than_can_be_served_is_said(caplog):
    found = one(page_instance(), solution=AB_BEST, requests=5)
    assert found["overloaded"] and found["capacity_per_s"] == close(0.2)
    assert "without limit" in caplog.text
    found = one(page_instance(), solution=AB_BEST, requests=5, arrivals="period:5.1")
    assert not found["overloaded"]


# -- mode physical -------------------------------------------------------------------------------


def test_that_a_token_takes_a_turn_of_all_micro_batches_or_a_pass():
    instance = make("aa", memory=1e9, batch=4, activation=1.0, link=(100.0, 0.0))
    devices = tuple(
        replace(d, decode_s_per_block=(0.01, 0.015) * 2, head_decode_s=(0.0,) * 4)
        for d in instance.devices
    )
    instance = replace(instance, devices=devices)
    pair = replica("decode", 2, ("a1", 0, 3), ("a2", 3, 4))
    # Stages of 0.03 and 0.01 s with a hop of 0.01 s; for micro-batches of two 0.045, 0.015, 0.02.
    paces = [pooled_token_s(instance, pair, busy) for busy in range(1, 5)]
    assert paces == close([0.05, 2 * 0.03, 2 * 0.045, 2 * 0.045])
    slow_hop = replace(instance, model=replace(instance.model, activation_bytes_per_token=5.0))
    assert pooled_token_s(slow_hop, pair, 2) == close(2 * 0.05)


def test_that_in_mode_physical_the_pace_follows_the_slots_in_use():
    # a1 needs 0.04 s for a token of one request and 0.06 s for one of each of two. They are read
    # at 0.8 and 1.6. The first has 20 tokens then and its other 30 at 3.4, as has the second,
    # which gets its last 20 alone until 4.2.
    instance = make("ab", memory=1e9)
    found = one(instance, solution=AB_BEST, arrivals=at(0, 0), mode="physical")
    assert found["session_mean_s"] == close((3.4 + 4.2) / 2)
    assert found["decode_tokens_per_s"] == close((50 / 2.6 + 50 / 2.6) / 2)
    as_published = one(instance, solution=AB_BEST, arrivals=at(0, 0))
    assert as_published["session_mean_s"] == close((0.8 + 3 + 1.6 + 3) / 2)


def test_that_in_mode_physical_a_prompt_passes_all_stages():
    instance = make("aab", memory=1e9, activation=1.0, link=(1000.0, 0.0))
    pair = plan(
        replica("prefill", 1, ("a1", 0, 3), ("a2", 3, 4)), replica("decode", 1, ("b1", 0, 4))
    )
    # Stages of 0.3 and 0.1 s and a hop of 0.1 s: a prompt every 0.3 s, each on its way for 0.5.
    ends = [
        logged(instance, "transfer", solution=pair, arrivals=at(0, 100), mode=mode)[0][2]
        for mode in ("ledger", "physical")
    ]
    assert ends == [close(0.3), close(0.5)]
    found = one(instance, solution=pair, arrivals=at(0, 100), mode="physical")
    assert found["prefill_tokens_per_s"] == close(200.0)


@pytest.mark.parametrize("policy", POLICIES)
def test_that_both_modes_agree_on_single_devices_with_a_slot_each(policy):
    instance, replicas = two_and_two()
    common = {"solution": replicas, "arrivals": "poisson:0.6", "requests": 300, "seed": 1}
    published, physical = (
        one(instance, policy, mode=mode, **common) for mode in ("ledger", "physical")
    )
    for name in ("session_mean_s", "wait_mean_s", "decode_tokens_per_s", "session_p99_s"):
        assert physical[name] == close(published[name], rel=1e-9)


# -- what must always hold -----------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", ["ledger", "physical"])
@pytest.mark.parametrize(
    "options", [{}, {"actual": "exponential", "slow": "decode-1:3@20-90", "misjudge": "decode-2:2"}]
)
def test_that_every_run_drains_and_keeps_its_slots(policy, mode, options):
    instance = shardopt.generate("replica-clustering", "e2llm-testbed")
    replicas = shardopt.solve(instance, "packing-dp")
    lines = []
    found = one(
        *(instance, policy),
        **{"solution": replicas, "arrivals": "gamma:0.5:2", "requests": 300, "mode": mode},
        **options,
        log=lines.append,
    )
    assert (found["completed"], found["rejected"]) == (300, 0)
    slots = {
        f"decode-{n}": made.batch * len(made.stages)
        for n, made in enumerate(
            (made for made in replicas.solution.replicas if made.role == "decode"), start=1
        )
    }
    inside, area, last, held = 0, 0.0, 0.0, dict.fromkeys(slots, 0)
    for event in lines:
        now, kind = event["time_s"], event["event"]
        area += inside * (now - last)
        last = now
        inside += (kind == "arrival") - (kind == "end")
        if kind in ("transfer", "end"):
            held[event["replica"]] += 1 if kind == "transfer" else -1
            assert 0 <= held[event["replica"]] <= slots[event["replica"]]
    assert inside == 0
    assert area == close(found["session_mean_s"] * 300, rel=1e-9)  # Little's law
    assert all(0 < used <= 1 for used in found["utilisation"].values())


@pytest.mark.parametrize("seed", range(3))
def test_that_in_mode_physical_every_request_gets_all_its_tokens(seed):
    """Tokens are counted anew: the pace of the slots in use, from one event to the next."""
    instance = make("aabb", memory=1e9, cache=1.0, batch=4, link=(4000.0, 0.05), activation=1.0)
    measured = {"decode_s_per_block": (0.01, 0.013, 0.017, 0.02), "head_decode_s": (0.0,) * 4}
    devices = tuple(replace(device, **measured) for device in instance.devices)
    instance = replace(instance, devices=devices)
    pair = replica("decode", 2, ("a2", 0, 3), ("b2", 3, 4))
    plans = plan(replica("prefill", 1, ("b1", 0, 4)), replica("decode", 4, ("a1", 0, 4)), pair)
    rng = np.random.default_rng(seed)
    arrivals = replace(
        generated("poisson:1.5", 150, seed),
        input_tokens=rng.integers(10, 100, 150),
        output_tokens=rng.integers(1, 100, 150),
    )
    lines = []
    one(instance, solution=plans, arrivals=arrivals, mode="physical", log=lines.append)
    for name, made in (("decode-1", plans.replicas[1]), ("decode-2", pair)):
        here = [e for e in lines if e.get("replica") == name]
        began = {e["request"]: e["time_s"] for e in here if e["event"] == "transfer"}
        from_s = {n: t + 0.05 + 4 * arrivals.input_tokens[n] / 4000 for n, t in began.items()}
        had, busy, last = dict.fromkeys(began, 0.0), 0, 0.0
        for event in here:
            pace_s = pooled_token_s(instance, made, max(1, busy))
            for n in had:
                had[n] += max(0.0, event["time_s"] - max(last, from_s[n])) / pace_s
            last = event["time_s"]
            busy += 1 if event["event"] == "transfer" else -1
            if event["event"] == "end":
                n = event["request"]
                assert had.pop(n) == close(arrivals.output_tokens[n], rel=1e-6)
        assert len(began) > 30 and not had


def test_that_the_same_seed_gives_the_same_bytes():
    instance = make("abb")
    common = {"arrivals": "poisson:0.9", "requests": 200, "seed": 5, "actual": "exponential"}
    first, again = (shardopt.simulate(instance, list(POLICIES), **common) for _ in range(2))
    assert json.dumps(first) == json.dumps(again)


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"slow": "decode-2:3@0-1"}, "slow"),
        ({"fail": "a1@0-1"}, "prefill-1, decode-1"),
        ({"mode": "fast"}, "mode"),
        ({"actual": "normal"}, "actual"),
        ({"policies": "jqs"}, "did you mean jsq"),
        ({"no_backoff": True}, "no_backoff"),
        ({"arrivals": "poisson:0"}, "poisson"),
        ({"requests": 0}, "requests"),
        ({"requests": None}, "requests"),
    ],
)
def test_that_bad_options_are_refused(options, place):
    options = {"policies": "jsq", "requests": 5, "solution": AB_BEST} | options
    with pytest.raises(InputError, match=place):
        shardopt.simulate(page_instance(), **options)


def test_that_no_replicas_mean_no_plan_and_that_this_is_proven():
    with pytest.raises(NoPlanError) as caught:
        one(make("a"), requests=1)
    assert caught.value.proven
