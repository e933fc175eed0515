"""The checker: every rule is named when it is broken, and no broken plan passes."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cold_start.hand import make
from cold_start.strategies import planned
from shardopt.models.cold_start.check import check
from shardopt.models.cold_start.data import MEMORY_TOLERANCE, Solution, Stage
from shardopt.models.cold_start.evaluate import need_bytes, objective

SIX_BLOCKS = make([(1, 2, 3)] * 6, [(1, 1, 7, 1, 1)] * 3)
"""Two blocks fill a device's memory: 2 + 2 + 3."""


def solution(*stages: tuple[str, int, int]) -> Solution:
    return Solution(tuple(Stage(*stage) for stage in stages))


def broken(instance, plan) -> set[str]:
    return {violation.constraint for violation in check(instance, plan).violations}


def test_that_a_feasible_plan_is_accepted_with_its_objective():
    plan = solution(("d0", 0, 2), ("d1", 2, 4), ("d2", 4, 6))
    report = check(SIX_BLOCKS, plan)
    assert report.feasible
    assert report.objective == objective(SIX_BLOCKS, plan)


@pytest.mark.parametrize(
    ("constraint", "where", "amount", "stages"),
    [
        ("stages-present", "stages", 1, []),
        ("device-known", "stages[1].device", 1, [("d0", 0, 2), ("ghost", 2, 4), ("d2", 4, 6)]),
        ("device-once", "stages[2].device", 1, [("d0", 0, 2), ("d1", 2, 4), ("d0", 4, 6)]),
        ("first-block", "stages[0].start", 1, [("d0", 1, 2), ("d1", 2, 4), ("d2", 4, 6)]),
        ("last-block", "stages[2].stop", 1, [("d0", 0, 2), ("d1", 2, 4), ("d2", 4, 5)]),
        ("non-empty-run", "stages[1]", 1, [("d0", 0, 2), ("d1", 2, 2), ("d2", 2, 4)]),
        ("contiguous", "stages[1].start", 1, [("d0", 0, 2), ("d1", 3, 4), ("d2", 4, 6)]),
        ("contiguous", "stages[1].start", 1, [("d0", 0, 2), ("d1", 1, 3), ("d2", 3, 5)]),
    ],
)
def test_that_a_broken_rule_is_named_alone_and_leaves_no_objective(
    constraint, where, amount, stages
):
    count = max((stop for _, _, stop in stages), default=6)
    blocks = 6 if constraint == "last-block" else count
    instance = replace(SIX_BLOCKS, blocks=SIX_BLOCKS.blocks[:blocks])
    report = check(instance, solution(*stages))
    (violation,) = report.violations
    assert (violation.constraint, violation.where, violation.amount) == (constraint, where, amount)
    assert violation.message
    assert report.objective is None


def test_that_memory_broken_alone_keeps_the_objective():
    plan = solution(("d0", 0, 3), ("d1", 3, 5), ("d2", 5, 6))
    report = check(SIX_BLOCKS, plan)
    (violation,) = report.violations
    assert (violation.constraint, violation.where) == ("memory", "stages[0]")
    assert violation.amount == 9 - 7
    assert report.objective == objective(SIX_BLOCKS, plan)


def test_that_every_broken_rule_is_reported():
    plan = solution(("d0", 1, 5), ("d0", 4, 4))
    expected = {"first-block", "device-once", "contiguous", "non-empty-run", "last-block", "memory"}
    assert broken(SIX_BLOCKS, plan) == expected


def test_that_the_memory_limit_has_a_tolerance_of_one_in_a_billion():
    need = 7e9
    blocks = [(1, 2e9, 3e9)] * 2
    plan = solution(("d0", 0, 2))
    just_enough = need / (1 + MEMORY_TOLERANCE / 2)
    too_little = need / (1 + MEMORY_TOLERANCE * 2)
    for memory, expected in [(just_enough, set()), (too_little, {"memory"})]:
        assert broken(make(blocks, [(1, 1, memory, 1, 1)]), plan) == expected


@given(planned())
def test_that_every_drawn_plan_is_feasible(case):
    assert broken(*case) == set()


def with_stage(plan: Solution, n: int, **changes) -> Solution:
    stages = list(plan.stages)
    stages[n] = replace(stages[n], **changes)
    return Solution(tuple(stages))


@given(planned(min_stages=2), st.data())
def test_that_swapped_stages_are_refused(case, data):
    instance, plan = case
    i, j = data.draw(
        st.lists(st.integers(0, len(plan.stages) - 1), min_size=2, max_size=2, unique=True)
    )
    stages = list(plan.stages)
    stages[i], stages[j] = stages[j], stages[i]
    assert broken(instance, Solution(tuple(stages))) & {"first-block", "contiguous"}


@given(planned(min_stages=2), st.data())
def test_that_runs_that_overlap_or_leave_a_gap_are_refused(case, data):
    instance, plan = case
    n = data.draw(st.integers(1, len(plan.stages) - 1))
    shift = data.draw(st.sampled_from([-3, -2, -1, 1, 2, 3]))
    start = plan.stages[n].start + shift
    assert "contiguous" in broken(instance, with_stage(plan, n, start=start))


@given(planned(min_stages=2), st.data())
def test_that_a_device_used_twice_is_refused(case, data):
    instance, plan = case
    i, j = data.draw(
        st.lists(st.integers(0, len(plan.stages) - 1), min_size=2, max_size=2, unique=True)
    )
    twice = with_stage(plan, i, device=plan.stages[j].device)
    assert broken(instance, twice) == {"device-once"}


@given(planned(), st.integers(1, 5))
def test_that_a_run_beyond_the_last_block_is_refused(case, beyond):
    instance, plan = case
    stop = len(instance.blocks) + beyond
    assert broken(instance, with_stage(plan, -1, stop=stop)) == {"last-block", "non-empty-run"}


@given(planned(), st.integers(1, 5))
def test_that_a_run_before_the_first_block_is_refused(case, before):
    instance, plan = case
    assert broken(instance, with_stage(plan, 0, start=-before)) == {"first-block", "non-empty-run"}


@given(planned(min_stages=2), st.booleans())
def test_that_a_missing_end_is_refused(case, first):
    instance, plan = case
    rest = Solution(plan.stages[1:] if first else plan.stages[:-1])
    assert broken(instance, rest) == {"first-block" if first else "last-block"}


@given(planned(), st.data())
def test_that_a_device_with_too_little_memory_is_refused_by_the_missing_amount(case, data):
    instance, plan = case
    n = data.draw(st.integers(0, len(plan.stages) - 1))
    stage = plan.stages[n]
    need = need_bytes(instance, stage.start, stage.stop)
    memory = need * data.draw(st.floats(0.1, 0.999))
    small = tuple(
        replace(d, memory_bytes=memory) if d.name == stage.device else d for d in instance.devices
    )
    report = check(replace(instance, devices=small), plan)
    if need == 0:
        assert report.feasible
        return
    (violation,) = report.violations
    assert (violation.constraint, violation.where) == ("memory", f"stages[{n}]")
    assert math.isclose(violation.amount, need - memory)
    assert report.objective == objective(instance, plan)
