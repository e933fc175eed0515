"""Sessions where answers are longer, servers fail or rates change than was believed."""

from __future__ import annotations

import numpy as np
import pytest

import shardopt
from block_placement import golden, hand
from online.sessions import at, one, ten_seconds
from shardopt.models.block_placement.data import Hosting, Route, Solution


def test_that_answers_of_other_lengths_outlast_what_is_believed():
    # 5 tokens instead of 3: 16 s instead of 10. The second is believed to start at 15, tries at
    # 1 + 15 = 16 and finds the slots free just then.
    requests = at(0, 1, output_tokens=[3, 3], input_tokens=[16, 16], actual_output_tokens=[5, 3])
    found = one(ten_seconds(), arrivals=requests, mode="physical")
    assert found["wait_mean_s"] == pytest.approx(15 / 2)
    assert found["session_mean_s"] == pytest.approx((16 + 25) / 2)
    assert found["per_token_s"] == pytest.approx((16 + 25) / 8)


def test_that_a_session_on_a_failing_server_starts_again_elsewhere():
    instance = hand.make(2, [(4.0, 1.0, 1.0), (4.0, 1.1, 1.1)], [(1, (1.0, 1.0))])
    placed = Solution((Hosting("s0", 0, 2), Hosting("s1", 0, 2)), (Route("c0", ("s0",), 1),))
    options = {"arrivals": at(0.0), "mode": "physical", "solution": placed}
    assert one(instance, **options)["session_mean_s"] == pytest.approx(10.0)
    found = one(instance, **options, fail="s0@5-8")
    # Lost at 5, S = (2 + 2.2) + 2 (1 + 2.2) = 10.6 on the other one.
    assert found["session_mean_s"] == pytest.approx(15.6)
    assert (found["wait_mean_s"], found["restarts"]) == (pytest.approx(5.0), 1)


def test_that_a_session_that_meets_no_server_any_more_is_rejected():
    found = one(ten_seconds(), arrivals=at(0.0, 6.0, 9.0), mode="physical", fail="s0@5-8")
    assert (found["completed"], found["rejected"]) == (1, 2)


def test_that_slow_servers_slow_down_what_starts_then():
    # Blocks take 3 times as long: S = (2 + 6) + 2 (1 + 6) = 22.
    found = one(ten_seconds(), arrivals=at(0, 100), mode="physical", slow="s0:3@50-200")
    assert found["session_mean_s"] == pytest.approx((10 + 22) / 2)


def test_that_misjudging_a_server_changes_beliefs_and_never_the_truth():
    instance = hand.make(2, [(4.0, 1.0, 1.0), (4.0, 1.1, 1.1)], [(1, (1.0, 1.0))])
    placed = Solution((Hosting("s0", 0, 2), Hosting("s1", 0, 2)), (Route("c0", ("s0",), 1),))
    options = {"arrivals": at(0.0), "mode": "physical", "solution": placed}
    found = one(instance, **options, misjudge="s1:0.5")
    assert found["session_mean_s"] == pytest.approx(10.6)


def rush_hour():
    """An hour of a session every 50 s, then ten minutes of one every second."""
    return at(*np.arange(0, 3600, 50), *np.arange(3600, 4200, 1))


@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_a_changed_rate_changes_the_placement_and_loses_nobody(mode):
    events = []
    found = shardopt.simulate(
        golden.instance("clustered-9-r8"),
        arrivals=rush_hour(),
        replan_every=300.0,
        reload_s=7.0,
        mode=mode,
        log=events.append,
    )["policies"]["ws-rr"]
    # x = 671 / 4199 * 82.2 = 13.14, and 13.14 + 3.62 + 0.5 = 17.26.
    assert found["design_sessions"] == 17
    assert found["switches"] >= 2
    assert found["completed"] == len(rush_hour())
    assert found["wait_p99_s"] > 7.0  # those that were held
    inside, switches = 0, 0
    for event in events:
        inside += {"start": 1, "end": -1}.get(event["event"], 0)
        if event["event"] == "switch":
            assert inside == 0  # nobody is on the servers while they load
            switches += 1
    assert switches == found["switches"]
    assert all(0 <= used <= 1 + 1e-9 for used in found["utilisation"].values())


def test_that_a_steady_rate_changes_no_placement():
    options = {"arrivals": "period:10", "requests": 300}
    still = one(golden.instance("clustered-9-r8"), **options)
    found = one(golden.instance("clustered-9-r8"), **options, replan_every=500.0)
    assert found.pop("switches") == 0
    assert found == still


def test_that_a_retrying_client_bans_full_servers_and_takes_others():
    # Two servers; PETALS prefers s0. The second client finds it full, bans it and takes s1 at
    # once; the third finds both full: bans at 2 and again at 2, pauses 0, 1, 2, 4, 8 s up to 17,
    # when the bans of 15 s have ended and s0 and s1 are free.
    instance = hand.make(2, [(4.0, 1.0, 1.0), (4.0, 1.1, 1.1)], [(1, (1.0, 1.0))])
    placed = Solution((Hosting("s0", 0, 2), Hosting("s1", 0, 2)), (Route("c0", ("s0",), 1),))
    options = {"mode": "physical", "solution": placed}
    found = one(instance, "petals-retry", arrivals=at(0, 1, 2), **options)
    assert found["completed"] == 3
    assert found["wait_mean_s"] == pytest.approx((0 + 0 + 15) / 3)


def test_that_retrying_clients_know_how_full_servers_were_at_the_last_full_minute():
    # s0 is full from 50 on. At 70 that is known and costs 10 s, so s1 is the first choice; at 55
    # it is not, and s0 is tried, banned and left.
    instance = hand.make(2, [(4.0, 3.0, 3.0), (4.0, 3.1, 3.1)], [(1, (1.0, 1.0))])
    placed = Solution((Hosting("s0", 0, 2), Hosting("s1", 0, 2)), (Route("c0", ("s0",), 1),))
    for second in (55.0, 61.0):
        found = one(
            instance,
            "petals-retry",
            arrivals=at(50, second),
            mode="physical",
            solution=placed,
        )
        assert found["wait_mean_s"] == 0.0
        assert all(used > 0 for used in found["utilisation"].values())


def test_that_retrying_clients_all_get_through_unless_servers_leave():
    instance = golden.instance("clustered-9-r8")
    options = {"arrivals": "poisson:0.2", "requests": 150, "mode": "physical"}
    assert one(instance, "petals-retry", **options)["completed"] == 150
    found = one(instance, "petals-retry", **options, fail="s8@200-300")
    assert found["completed"] + found["rejected"] == 150
    assert found["restarts"] > 0 and found["rejected"] > 0
