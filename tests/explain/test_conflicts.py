"""The search for conflicts, on made-up constraints."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardopt.explain.conflicts import find_conflicts, smallest_hitting_set

COUNT = 6
_groups = st.frozensets(st.integers(0, COUNT - 1), min_size=0, max_size=4)
_conflicts = st.lists(_groups, min_size=1, max_size=5)


def minimal(sets):
    return {one for one in sets if not any(other < one for other in sets)}


def find(conflicts, *, most=100, unknown=lambda kept: False):
    def ask(kept):
        if unknown(kept):
            return None
        return not any(conflict <= kept for conflict in conflicts)

    return find_conflicts(COUNT, ask, most, lambda: False)


@given(_conflicts)
def test_that_all_conflicts_are_found_the_smallest_first(conflicts):
    found = find(conflicts)
    assert {c.groups for c in found.conflicts} == minimal(conflicts)
    assert all(c.minimal for c in found.conflicts)
    assert found.complete
    sizes = [len(c.groups) for c in found.conflicts]
    assert sizes == sorted(sizes)


@given(_conflicts)
def test_that_corrections_are_the_smallest_sets_that_meet_all_conflicts(conflicts):
    found = find(conflicts)
    everything = [
        frozenset(chosen)
        for size in range(COUNT + 1)
        for chosen in itertools.combinations(range(COUNT), size)
    ]
    meeting = {chosen for chosen in everything if all(chosen & c for c in conflicts)}
    assert set(found.corrections) == minimal(meeting)


@given(_conflicts, st.sets(_groups, max_size=12))
def test_that_what_cannot_be_told_is_never_taken_for_a_conflict(conflicts, silent):
    found = find(conflicts, unknown=lambda kept: kept in silent)
    for conflict in found.conflicts:
        assert any(real <= conflict.groups for real in conflicts)
        if conflict.minimal:
            assert conflict.groups in minimal(conflicts)
    if found.complete:
        assert {c.groups for c in found.conflicts} == minimal(conflicts)


def test_that_an_oracle_that_knows_nothing_yields_nothing():
    found = find([frozenset({0})], unknown=lambda kept: True)
    assert found.conflicts == ()
    assert not found.complete


def test_that_the_search_stops_after_as_many_conflicts_as_are_wanted():
    found = find([frozenset({0}), frozenset({1}), frozenset({2})], most=2)
    assert len(found.conflicts) == 2
    assert not found.complete


def test_that_a_conflict_of_nothing_means_that_no_group_can_mend():
    found = find([frozenset()])
    assert [c.groups for c in found.conflicts] == [frozenset()]
    assert found.complete


@pytest.mark.parametrize(
    ("targets", "avoid", "expected"),
    [
        ([{0, 1}, {1, 2}], [], {1}),
        ([{0, 1}, {1, 2}], [{1}], {0, 2}),
        ([{0}], [{0}], None),
        ([], [], set()),
        ([], [set()], None),
    ],
)
def test_that_the_smallest_hitting_set_avoids_what_it_must(targets, avoid, expected):
    found = smallest_hitting_set([*map(frozenset, targets)], [*map(frozenset, avoid)], 3)
    assert found == expected


def test_that_a_thousand_forced_choices_are_made_at_once():
    targets = [frozenset({g}) for g in range(2000)]
    assert smallest_hitting_set(targets, [], 2000) == frozenset(range(2000))
