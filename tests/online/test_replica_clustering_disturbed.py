"""Replicas that are slow, misjudged or gone, and answers longer than was believed."""

from __future__ import annotations

import pytest

from online.replicas import at, close, logged, one, two_and_two
from shardopt.solvers.online.resources import Slots
from shardopt.solvers.replica_clustering.online.replicas import Decoder, Visit


@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_slow_replicas_take_longer_for_what_starts_then(mode):
    instance, replicas = two_and_two()
    common = {"solution": replicas, "arrivals": at(0, 100), "mode": mode}
    found = one(instance, slow="prefill-1:3@0-1,decode-1:2@90-200", **common)
    assert found["session_mean_s"] == close((1.2 + 2 + 0.4 + 4) / 2)


def test_that_misjudged_replicas_are_shunned_though_they_are_fast():
    instance, replicas = two_and_two()
    common = {"solution": replicas, "arrivals": at(0, 0, 0, 0)}
    joined = logged(instance, "prefill", misjudge="prefill-1:10,decode-1:0.1", **common)
    assert [name[-1] for _, name, _ in sorted(joined)] == list("1222")
    # a2 is believed to decode in 0.02 s, so that it is always about to be free.
    joined = logged(instance, "transfer", misjudge="decode-1:0.01", **common)
    assert [name[-1] for _, name, _ in sorted(joined)] == list("1121")


@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_answers_may_be_longer_than_believed(mode):
    instance, replicas = two_and_two()
    arrivals = at(0, output_tokens=[50], input_tokens=[100], actual_output_tokens=[75])
    found = one(instance, solution=replicas, arrivals=arrivals, mode=mode)
    assert found["session_mean_s"] == close(0.4 + 3.0)
    assert found["per_token_s"] == close(3.4 / 75)
    found = one(instance, solution=replicas, arrivals=at(0), actual="uniform:2:2", mode=mode)
    assert found["session_mean_s"] == close(0.4 + 4.0)


def test_that_what_is_overdue_is_believed_to_end_now():
    instance, replicas = two_and_two()
    lengths = {"input_tokens": [100] * 3, "output_tokens": [50] * 3}
    arrivals = at(0, 1, 3, actual_output_tokens=[500, 500, 1], **lengths)
    joined = logged(instance, "transfer", solution=replicas, arrivals=arrivals)
    # a2 was to be free at 2.4 and is at 20.4; b2, from 1.4 on, is believed to be free at 5.4.
    assert [name[-1] for _, name, _ in sorted(joined)] == list("121")


def test_that_a_long_queue_is_believed_to_take_what_it_would_take():
    decoder = Decoder(Slots(2), 1.0, 1.0, (), None)
    visits = [Visit(n, 1.0, 4.0 + n % 3, 1.0) for n in range(500)]
    for visit in visits:
        decoder.queue(0.0, visit, 0.0)
    exactly = decoder.wait_s(0.0)
    assert exactly == close(sum(visit.output_tokens for visit in visits) / 2, abs=6)
    for _ in range(2):
        decoder.release(1.0, decoder.admit(0.0))  # too early: all is believed anew
    gained = (visits[0].output_tokens + visits[1].output_tokens) / 2
    assert decoder.wait_s(1.0) == close(exactly - gained, abs=6)
    assert decoder.outstanding_tokens(1.0) == sum(v.output_tokens for v in visits[2:])


@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_a_failing_replica_loses_prompts_and_caches(mode):
    instance, replicas = two_and_two()
    common = {"solution": replicas, "arrivals": at(0), "mode": mode}
    found = one(instance, fail="prefill-1@0.1-5", **common)
    assert (found["restarts"], found["session_mean_s"]) == (1, close(0.1 + 0.8 + 2))
    # What decodes from 0.4 on is lost at 1.4, read again, and decoded in 4 s on the other.
    found = one(instance, fail="decode-1@1.4-50", **common)
    assert (found["restarts"], found["session_mean_s"]) == (1, close(1.4 + 0.4 + 4))
    assert found["wait_mean_s"] == close(1.4)
    found = one(instance, fail="decode-1@1.4-50,decode-2@0-2", **common)
    assert (found["completed"], found["rejected"]) == (0, 1)
    assert found["wait_p90_s"] is None


@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_those_who_wait_for_a_slot_keep_what_was_read(mode):
    instance, replicas = two_and_two()
    arrivals = at(0, 0, 0)
    # The third is read at 0.8 and waits for a2; that fails at 1, and it waits for b2 until 4.8.
    claims = logged(
        instance, "transfer", solution=replicas, arrivals=arrivals, mode=mode, fail="decode-1@1-50"
    )
    assert [(n, name) for n, name, time in sorted(claims)][-1] == (2, "decode-2")
    again = logged(
        instance, "prefill", solution=replicas, arrivals=arrivals, mode=mode, fail="decode-1@1-50"
    )
    assert sorted(n for n, _, _ in again) == [0, 0, 1, 2]


def test_that_a_replica_that_returns_is_seen_again():
    instance, replicas = two_and_two()
    common = {"solution": replicas, "arrivals": at(0, 10), "fail": "decode-1@0-5,decode-1@3-7"}
    joined = logged(instance, "transfer", **common)
    assert [name for _, name, _ in joined] == ["decode-2", "decode-1"]
