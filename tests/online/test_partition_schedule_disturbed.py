"""Nodes that are slow, misjudged or gone, and what that does to requests."""

from __future__ import annotations

from dataclasses import replace

from online.tiers import FAST_AND_SLOW, TWINS, at, close, logged, one
from partition_schedule.instances import make
from shardopt.models.partition_schedule.data import Request
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.solvers.online.disturbances import Disturbances
from shardopt.solvers.partition_schedule.online.pipeline import Run
from shardopt.solvers.partition_schedule.online.simulation import POLICIES


def test_that_a_slow_node_takes_longer_for_what_starts_while_it_is_slow():
    served = logged(TWINS, "round-robin", arrivals=at(0, 1, 2, 3, 50), slow="a1:3@5-20")
    # a1: from 0 to 10, from 10 to 40 (slow), from 50 on; a2: from 1 and 11 on.
    assert sorted(served) == [
        (0, "a1", 0),
        (1, "a2", 1),
        (2, "a1", 10),
        (3, "a2", 11),
        (4, "a1", 50),
    ]
    found = one(TWINS, "round-robin", arrivals=at(0, 1, 2, 3, 50), slow="a1:3@5-20")
    assert found["session_mean_s"] == close((10 + 10 + 38 + 18 + 10) / 5)


def test_that_nobody_foresees_how_long_queued_work_will_take():
    # At 9.5 a1 has 0.5 FLOP to do and then 10 that will take it 30 s; a2 has 9.4 and takes the
    # fourth request. The fifth finds 10.5 FLOP at a1 against 19.4.
    arrivals = at(0, 8.9, 9, 9.5, 9.5, tokens=[10] * 5)
    served = logged(TWINS, "least-work", arrivals=arrivals, slow="a1:3@5-20")
    assert [node for _, node, _ in sorted(served)] == ["a1", "a2", "a1", "a2", "a1"]


def test_that_what_is_misjudged_is_learnt_at_completions():
    # a2 has 5 FLOP/s and is believed to have 0.5, so that it gets the third of three only. That
    # takes 2 s; then it is believed to have 1.4, more than a1.
    served = logged(
        FAST_AND_SLOW,
        arrivals=at(0, 0, 0, 100, 200, tokens=[10] * 5),
        misjudge="a2:10",
    )
    assert [node for _, node, _ in sorted(served)] == ["a1", "a1", "a2", "a2", "a2"]


def test_that_a_schedule_made_in_advance_keeps_what_it_believed():
    # 10 s on a1 against 20, then 20 against 20, then 30 against 20; in truth a2 takes 2 s.
    served = logged(FAST_AND_SLOW, "heft", arrivals=at(0, 0, 0, 100, 200), misjudge="a2:10")
    assert [node for _, node, _ in sorted(served)] == ["a1", "a1", "a2", "a1", "a1"]


def test_that_a_schedule_made_in_advance_keeps_its_order_when_a_node_is_slow():
    # The long request comes first on b1, where the short one finds no gap that is long enough. So
    # it does if the long one is late, and the short one has been there since 3.
    tiers = [[(1, 9), (1, 9)], [(1, 9)]]
    instance = make([(2, 1, 1, 0)], tiers, [(0, 1)], [(0, 1)], "mean-latency")
    arrivals = at(0, 0, tokens=[4, 3])
    usual = sorted(logged(instance, "heft", arrivals=arrivals))
    assert [start for _, node, start in usual if node == "b1"] == [4, 8]
    slow = sorted(logged(instance, "heft", arrivals=arrivals, slow="a1:3@0-1"))
    assert [start for _, node, start in slow if node == "b1"] == [12, 16]


def test_that_beliefs_move_a_fifth_of_the_way_with_each_completion():
    tables = make_tables(replace(TWINS, requests=tuple(Request(20.0 * n, 10) for n in range(4))))
    run = Run(tables, (), POLICIES["arts"], Disturbances(misjudged=((0, 0.5),)), 0)
    run.run()
    # Believed: 2 FLOP/s; 10 s for 10 FLOP say 1. The last service has ended unnoticed.
    assert run.views[0].arts.believed_flops_per_s == [close(1 + 0.8**3), 1.0]


def test_that_right_beliefs_stay_right_however_late_it_is():
    tables = make_tables(replace(TWINS, requests=tuple(Request(1e9 + n, 1) for n in range(500))))
    tables = replace(tables, arrival_s=tables.arrival_s + tables.origin_s)
    run = Run(tables, (), POLICIES["arts"], Disturbances(), 0)
    run.run()
    assert run.views[0].arts.believed_flops_per_s == close([1.0, 1.0], rel=1e-14)


def test_that_what_a_failing_node_has_begins_anew_on_another():
    found = one(TWINS, "round-robin", arrivals=at(0, 0, 0), fail="a1@4-50")
    # a1 has requests 0 (running) and 2 (queued); a2 takes both after request 1.
    assert found["restarts"] == 1
    assert found["session_mean_s"] == close((20 + 10 + 30) / 3)
    assert found["wait_mean_s"] == close((10 + 0 + 20) / 3)
    assert found["utilisation"] == {"a1": close(4 / 30), "a2": close(1.0)}


def test_that_a_node_that_is_down_is_not_seen_and_returns():
    served = logged(TWINS, "arts", arrivals=at(0, 15, 30), fail="a1@10-20")
    assert [node for _, node, _ in served] == ["a1", "a2", "a1"]


def test_that_overlapping_failures_end_with_the_last():
    served = logged(TWINS, "arts", arrivals=at(0, 15, 30), fail="a1@10-20,a1@12-40")
    assert [node for _, node, _ in served] == ["a1", "a2", "a2"]


def test_that_a_request_that_finds_no_node_is_rejected_and_counted():
    found = one(TWINS, arrivals=at(0, 1, 2, 30), fail="a1@1.5-20,a2@1.6-20")
    # Requests 0 and 1 are lost with the nodes, and request 2 finds none.
    assert (found["completed"], found["rejected"], found["restarts"]) == (1, 3, 2)
    assert found["session_mean_s"] == 10.0


def test_that_a_transfer_that_has_begun_survives_its_node():
    instance = make([(2, 1, 1, 0)], [[(1, 9)], [(1, 9)]], [(5, 1)], [(0, 1)], "mean-latency")
    assert one(instance, fail="a1@3-4")["session_mean_s"] == 7.0
    assert one(instance, fail="a1@0.5-4")["rejected"] == 1


def test_that_events_say_what_happens_to_whom():
    lines = []
    one(TWINS, "round-robin", arrivals=at(0, 0), fail="a1@4-5", log=lines.append)
    assert [(e["time_s"], e["event"], e.get("node")) for e in lines] == [
        *((0, "arrival", None), (0, "start", "a1"), (0, "arrival", None), (0, "start", "a2")),
        *((4, "down", "a1"), (5, "up", "a1"), (10, "end", "a2"), (10, "start", "a2")),
        (20, "end", "a2"),
    ]
    assert {e["policy"] for e in lines} == {"round-robin"}
