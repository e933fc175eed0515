"""What the problems tell the engine, held against full enumeration of tiny instances."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import shardopt
import shardopt.block_placement.explain as told_by
import shardopt.explain.oracle as asking
from explain.tiny import (
    PROBLEMS,
    draw,
    enumerated_conflicts,
    has_plan,
    optimum,
    relaxed,
    with_plan,
    without_plan,
)
from shardopt.explain import explain
from shardopt.instances.files import instance_from_json, instance_to_json
from shardopt.models.discover import part
from shardopt.models.result import relative_gap
from shardopt.solvers.budget import Budget
from shardopt.solvers.finish import finish

SEEDS = st.integers(0, 5000)


@pytest.fixture
def enumerating(monkeypatch):
    """Answer by full enumeration where a solver would be asked; one more server is enough then."""
    monkeypatch.setattr(told_by, "MOST_COPIES", 1)

    def solve(instance, solver, **arguments):
        budget, value = Budget(None), optimum(instance)
        if value is None:
            return finish(instance, solver, budget, [], infeasible=True)
        module = pytest.importorskip(f"{instance.problem.replace('-', '_')}.brute")
        solution = module.brute_force(instance).solution
        return finish(instance, solver, budget, [solution], exact_value=value)

    monkeypatch.setattr(asking, "solve", solve)


def told(instance):
    return part(instance.problem, "", "explain")


def assert_valid(instance):
    """Assert that the schema of instance files accepts it."""
    assert instance_from_json(instance_to_json(instance)).name == instance.name


def assert_explained(instance, found):
    """Assert that conflicts and mends are what full enumeration says."""
    assert found.status == "infeasible"
    assert found.conflicts.complete
    assert all(conflict.minimal for conflict in found.conflicts.conflicts)
    expected = enumerated_conflicts(instance)
    assert {conflict.groups for conflict in found.conflicts.conflicts} == expected
    for groups in found.conflicts.corrections:
        everything = frozenset(range(len(found.groups)))
        assert has_plan(relaxed(instance, everything - groups))
        assert all(not has_plan(relaxed(instance, everything - groups | {g})) for g in groups)
    for mended in found.mends:
        assert mended.exact
        at, steps = mended.mend.at, mended.mend.steps
        if mended.rung is None:
            assert mended.status == "does-not"
            assert not (not_too_many(at(steps)) and has_plan(at(steps).instance))
            continue
        assert mended.status == "mends"
        (least,) = [n for n in range(1, steps + 1) if at(n).amount == mended.rung.amount][:1]
        if not_too_many(at(least)):
            assert has_plan(at(least).instance)
            assert least == 1 or not has_plan(at(least - 1).instance)


def not_too_many(rung):
    """Say whether full enumeration can do with the devices of a mend."""
    instance = rung.instance
    devices = getattr(instance, "devices", None) or getattr(instance, "servers", ())
    return len(devices) <= 4


def few_conflicts(instance):
    return len(enumerated_conflicts(instance)) <= 8


@pytest.mark.parametrize("problem", ["cold-start", "partition-schedule", "replica-clustering"])
def test_that_conflicts_and_mends_agree_with_enumeration(problem):
    for instance in filter(few_conflicts, without_plan(problem, 6)):
        assert_explained(instance, explain(instance, time_limit=None))


def test_that_conflicts_and_mends_of_block_placement_agree_with_enumeration(enumerating):
    for instance in filter(few_conflicts, without_plan("block-placement", 8)):
        assert_explained(instance, explain(instance, time_limit=None))


@pytest.mark.long
@pytest.mark.parametrize("problem", ["cold-start", "partition-schedule", "replica-clustering"])
def test_that_conflicts_and_mends_agree_with_enumeration_on_many_instances(problem):
    for instance in filter(few_conflicts, without_plan(problem, 25)):
        assert_explained(instance, explain(instance, time_limit=None))


@pytest.mark.long
def test_that_conflicts_and_mends_of_block_placement_are_proven_by_its_solver():
    for instance in filter(few_conflicts, without_plan("block-placement", 3)):
        assert_explained(instance, explain(instance, time_limit=None))


@pytest.mark.parametrize("problem", PROBLEMS)
@settings(max_examples=25)
@given(seed=SEEDS, kept=st.frozensets(st.integers(0, 9)), more=st.frozensets(st.integers(0, 9)))
def test_that_relaxing_more_never_loses_a_plan(problem, seed, kept, more):
    instance = draw(problem, seed)
    count = len(list(told(instance).groups(instance)))
    assume(problem != "replica-clustering" or count - 1 in kept)  # doubled ones take long
    if has_plan(relaxed(instance, kept | more)):
        assert has_plan(relaxed(instance, kept))


@pytest.mark.parametrize("problem", PROBLEMS)
@settings(max_examples=25)
@given(seed=SEEDS)
def test_that_the_probe_has_a_plan_exactly_where_the_instance_has_one(problem, seed):
    instance = draw(problem, seed)
    assert has_plan(told(instance).probe(instance)) == has_plan(instance)


@pytest.mark.parametrize("problem", PROBLEMS)
@settings(max_examples=25)
@given(seed=SEEDS)
def test_that_more_of_a_mend_never_loses_a_plan(problem, seed):
    instance = draw(problem, seed)
    for mend in told(instance).mends(instance):
        if mend.kind == "device":  # many devices take long to enumerate
            continue
        tried = sorted({0, 1, mend.steps // 2, mend.steps} & set(range(1, mend.steps + 1)))
        verdicts = [has_plan(mend.at(n).instance) for n in tried]
        assert verdicts == sorted(verdicts)
        shares = [mend.at(n).share for n in tried]
        assert shares == sorted(shares)


@pytest.mark.parametrize("problem", PROBLEMS)
@settings(max_examples=10)
@given(seed=SEEDS)
def test_that_changes_are_as_hard_or_as_easy_as_they_say(problem, seed):
    instance = draw(problem, seed)
    before = optimum(instance)
    assume(before is not None)
    for change in told(instance).changes(instance):
        if change.kind == "another" or change.effect is None:
            continue
        after = optimum(change.instance)
        if change.effect == "harder":
            assert after is None or after >= before * (1 - 1e-9)
        else:
            assert after is not None and after <= before * (1 + 1e-9)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_that_all_that_is_made_of_an_instance_is_a_valid_instance(problem):
    for seed in range(12):
        instance = draw(problem, seed)
        groups = list(told(instance).groups(instance))
        assert len({group.name for group in groups}) == len(groups)
        assert_valid(relaxed(instance, frozenset()))
        for mend in told(instance).mends(instance):
            assert_valid(mend.at(1).instance)
            assert_valid(mend.at(mend.steps).instance)
        for change in told(instance).changes(instance):
            assert_valid(change.instance)
            assert change.instance != instance or not has_plan(instance)


@pytest.mark.parametrize("problem", ["cold-start", "partition-schedule", "replica-clustering"])
def test_that_changes_bring_what_a_fresh_solve_finds(problem):
    for instance in with_plan(problem, 1):
        assert_changes(instance, explain(instance, time_limit=None))


@pytest.mark.long
@pytest.mark.parametrize("problem", PROBLEMS)
def test_that_changes_bring_what_a_fresh_solve_finds_on_more_instances(problem):
    for instance in with_plan(problem, 8)[1:]:
        assert_changes(instance, explain(instance, time_limit=None))


def test_that_changes_of_block_placement_bring_what_enumeration_finds(enumerating):
    for instance in with_plan("block-placement", 4):
        assert_changes(instance, explain(instance, time_limit=None))


def assert_changes(instance, found):
    before = optimum(instance)
    assert found.status == "feasible"
    assert relative_gap(found.result.objective, before) <= 1e-6
    assert len(found.changes) == len(list(told(instance).changes(instance)))
    for changed in found.changes:
        after = optimum(changed.change.instance)
        assert changed.status == ("infeasible" if after is None else "optimal")
        if after is None:
            assert changed.gain == (None, None)
            continue
        assert abs(changed.objective - after) <= 1e-6 * max(after, before)
        assert changed.gain[0] == changed.gain[1]
        assert abs(changed.gain[0] - (before - after)) <= 1e-6 * max(after, before)
    for binding in found.bindings:
        assert 0.0 <= binding.share <= 1 + 1e-6


def test_that_one_instance_of_block_placement_goes_through_its_own_solver():
    instance = replace(draw("block-placement", 2), name="limited")
    found = explain(instance, time_limit=None)
    assert found.status == "infeasible"
    assert {c.groups for c in found.conflicts.conflicts} == enumerated_conflicts(instance)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_that_an_instance_without_plan_has_facts_to_tell(problem):
    for instance in without_plan(problem, 6):
        facts = list(told(instance).facts(instance))
        assert facts
        assert all(isinstance(fact, str) and fact for fact in facts)


def test_that_a_device_that_is_not_used_is_found_to_be_worth_nothing():
    instance = shardopt.generate("cold-start", "csgo-table1", tokens=256)
    slow = replace(instance.devices[0], name="slow-box", flops_per_s=1e6, load_bytes_per_s=1e3)
    found = explain(replace(instance, devices=(*instance.devices, slow)))
    (without,) = [
        c for c in found.changes if (c.change.kind, c.change.what) == ("without", "slow-box")
    ]
    assert without.gain == (0.0, 0.0)
    assert without.proof == "same-plan"
