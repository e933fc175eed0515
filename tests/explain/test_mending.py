"""The search for the least amount, on made-up mends."""

from __future__ import annotations

from contextlib import nullcontext

from hypothesis import given
from hypothesis import strategies as st

from shardopt.explain.mending import try_mends
from shardopt.explain.parts import Mend, Rung


class Answering:
    """An oracle for instances that are numbers; ``None`` for those that it is silent about."""

    def __init__(self, enough, silent=(), most=10**6):
        self.enough, self.silent, self.questions, self.most = enough, set(silent), 0, most

    def feasible(self, instance, *, quick=False):
        self.questions += 1
        return None if instance in self.silent else instance >= self.enough

    def over(self):
        return self.questions >= self.most

    def left(self):
        return 1.0

    def within(self, seconds):
        return nullcontext()


def mend(steps=100):
    return Mend("memory", "more", "bytes", steps, lambda n: Rung(n, n / 10, n / 1000, f"{n}"))


def search(oracle, *mends, proven=True):
    return try_mends(mends or (mend(),), oracle, proven)


@given(st.integers(1, 100))
def test_that_the_least_amount_is_found_with_the_proof_that_less_is_too_little(enough):
    (found,) = search(Answering(enough))
    assert found.status == "mends"
    assert found.exact
    assert found.rung.amount == enough / 10
    assert found.without_plan_at == (enough - 1) / 10


@given(st.integers(1, 100), st.sets(st.integers(1, 100)))
def test_that_what_cannot_be_told_leaves_an_honest_interval(enough, silent):
    (found,) = search(Answering(enough, silent))
    if found.status == "mends":
        assert found.rung.instance >= enough
        assert found.rung.instance not in silent
        assert found.without_plan_at < enough / 10
        assert found.without_plan_at * 10 not in silent
        if found.exact:
            assert found.rung.instance == enough
    else:
        assert found.status == "undecided"
        assert 100 in silent


def test_that_silence_in_the_middle_does_not_hide_what_is_known_around_it():
    (found,) = search(Answering(50, silent=range(40, 60)))
    assert not found.exact
    assert found.rung.amount == 6.0
    assert found.without_plan_at == 3.9


def test_that_a_mend_whose_largest_amount_is_too_little_does_not_mend():
    (found,) = search(Answering(101))
    assert found.status == "does-not"
    assert found.without_plan_at == 10.0


def test_that_mends_come_in_the_order_of_what_they_take():
    dear = Mend("dear", "dear", "", 100, lambda n: Rung(n, n, n, ""))
    found = search(Answering(7), dear, mend(), mend(steps=5))
    assert [m.mend.kind for m in found] == ["memory", "dear", "memory"]
    assert [m.status for m in found] == ["mends", "mends", "does-not"]


def test_that_without_proof_for_the_instance_itself_one_step_is_not_called_the_least():
    (found,) = search(Answering(0), proven=False)
    assert found.status == "mends"
    assert found.rung.instance == 1
    assert found.without_plan_at is None
    assert not found.exact


def test_that_what_there_was_no_time_for_is_not_tried():
    found = search(Answering(7, most=1), mend(), mend())
    assert {m.status for m in found} == {"mends", "not-tried"}
