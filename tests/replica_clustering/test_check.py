"""The checker: every rule is named when it is broken, and no broken plan passes."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from replica_clustering.draws import ample, planned, random_plan, tiny_instances
from replica_clustering.hand import AB_BEST, make, plan, replica
from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.data import TOLERANCE, Instance, Replica, Solution
from shardopt.models.replica_clustering.evaluate import need_bytes, objective, replica_times

THREE = make("abb")
PREFILL = replica("prefill", 1, ("b1", 0, 4))
DECODE = replica("decode", 1, ("a1", 0, 3), ("b2", 3, 4))
LIMITS = {"memory", "token-rate"}


def broken(instance: Instance, solution: Solution) -> set[str]:
    return {violation.constraint for violation in check(instance, solution).violations}


def test_that_a_feasible_plan_is_accepted_with_its_objective():
    report = check(make("ab"), AB_BEST)
    assert report.feasible
    assert report.objective == objective(make("ab"), AB_BEST) == pytest.approx(1.5, rel=1e-14)


def test_that_devices_may_stay_unused():
    assert check(THREE, plan(PREFILL, replica("decode", 2, ("a1", 0, 4)))).feasible


BROKEN = [
    ("role-count", "replicas", 1, [PREFILL]),
    ("role-count", "replicas", 1, [DECODE]),
    (
        "device-known",
        "replicas[0].stages[0].device",
        1,
        [replica("prefill", 1, ("ghost", 0, 2), ("b1", 2, 4), master="b1"), DECODE],
    ),
    ("device-once", "replicas[1].stages[1].device", 1,
     [PREFILL, replica("decode", 1, ("a1", 0, 3), ("b1", 3, 4))]),
    ("device-once", "replicas[1].stages[1].device", 1,
     [PREFILL, replica("decode", 1, ("a1", 0, 3), ("a1", 3, 4))]),
    ("cover", "replicas[1].stages[0].start", 1,
     [PREFILL, replica("decode", 1, ("a1", 1, 3), ("b2", 3, 4))]),
    ("cover", "replicas[1].stages[1].start", 1,
     [PREFILL, replica("decode", 1, ("a1", 0, 2), ("b2", 3, 4))]),
    ("cover", "replicas[1].stages[1].start", 2,
     [PREFILL, replica("decode", 1, ("a1", 0, 3), ("b2", 1, 4))]),
    ("cover", "replicas[1].stages", 1,
     [PREFILL, replica("decode", 1, ("a1", 0, 2), ("b2", 2, 3))]),
    ("cover", "replicas[1].stages", 2,
     [PREFILL, replica("decode", 1, ("a1", 0, 3), ("b2", 3, 6))]),
    ("cover", "replicas[1].stages[1]", 1,
     [PREFILL, replica("decode", 1, ("a1", 0, 4), ("b2", 4, 4))]),
    ("cover", "replicas[1].stages", 4,
     [PREFILL, replace(DECODE, stages=(), batch=1)]),
    ("master-in-replica", "replicas[1].master", 1, [PREFILL, replace(DECODE, master="b1")]),
    ("batch-range", "replicas[0].batch", 1, [replace(PREFILL, batch=2), DECODE]),
    ("batch-range", "replicas[0].batch", 1, [replace(PREFILL, batch=0), DECODE]),
    ("batch-range", "replicas[1].batch", 1, [PREFILL, replace(DECODE, batch=0)]),
    ("batch-range", "replicas[1].batch", 3, [PREFILL, replace(DECODE, batch=-2)]),
    ("batch-range", "replicas[1].batch", 2, [PREFILL, replace(DECODE, batch=2)]),
]  # fmt: skip


@pytest.mark.parametrize(("constraint", "where", "amount", "replicas"), BROKEN)
def test_that_a_broken_rule_is_named_with_its_place_and_leaves_no_objective(
    constraint, where, amount, replicas
):
    report = check(THREE, plan(*replicas))
    found = {(v.constraint, v.where): v for v in report.violations}
    assert found[constraint, where].amount == amount
    assert found[constraint, where].message
    assert report.objective is None
    # A replica without stages has no master in it either.
    alone = {constraint} | ({"master-in-replica"} if () in [r.stages for r in replicas] else set())
    assert {name for name, _ in found} == alone


def test_that_a_master_that_is_no_device_is_unknown_and_in_no_stage():
    ghost = plan(PREFILL, replace(DECODE, master="ghost"))
    found = [(v.constraint, v.where, v.amount) for v in check(THREE, ghost).violations]
    assert found == [
        ("device-known", "replicas[1].master", 1.0),
        ("master-in-replica", "replicas[1].master", 1.0),
    ]


def test_that_a_plan_without_replicas_lacks_both_roles():
    report = check(THREE, plan())
    assert [v.constraint for v in report.violations] == ["role-count", "role-count"]


def test_that_memory_broken_alone_keeps_the_objective():
    small = make("ab", memory=35.0)
    report = check(small, AB_BEST)
    assert [(v.constraint, v.where, v.amount) for v in report.violations] == [
        ("memory", "replicas[0].stages[0]", 5.0),
        ("memory", "replicas[1].stages[0]", 5.0),
    ]
    assert report.objective == objective(small, AB_BEST)


def test_that_a_token_rate_broken_alone_keeps_the_objective():
    fast = make("ab", least_rate=20.0)
    report = check(fast, AB_BEST)
    (violation,) = report.violations
    assert (violation.constraint, violation.where) == ("token-rate", "replicas[1]")
    assert violation.amount == pytest.approx(20 - 1 / 0.06)
    assert report.objective == objective(fast, AB_BEST)


def test_that_a_token_rate_binds_decode_alone():
    slow_prefill = make("ab", least_rate=16.0)
    assert check(slow_prefill, AB_BEST).feasible


def test_that_limits_are_looked_at_in_replicas_that_are_otherwise_sound():
    small = make("abb", memory=35.0)
    both = plan(PREFILL, replace(DECODE, master="b1"))
    assert broken(small, both) == {"memory", "master-in-replica"}


@pytest.mark.parametrize(("factor", "expected"), [(0.5, set()), (2.0, {"memory"})])
def test_that_memory_has_a_tolerance_of_one_in_a_billion(factor, expected):
    memory = 40.0 / (1 + factor * TOLERANCE)
    assert broken(make("ab", memory=memory), AB_BEST) == expected


@pytest.mark.parametrize(("factor", "expected"), [(0.5, set()), (2.0, {"token-rate"})])
def test_that_a_token_rate_has_a_tolerance_of_one_in_a_billion(factor, expected):
    least = (1 + factor * TOLERANCE) / 0.06
    assert broken(make("ab", least_rate=least), AB_BEST) == expected


def test_that_what_meets_a_limit_with_its_tolerance_exactly_is_within():
    factor = 1 + TOLERANCE
    memory = next(m for m in floats_near(40.0 / factor) if m * factor == 40.0)
    least = next(r for r in floats_near(factor / 0.06) if 0.06 * r == factor)
    assert broken(make("ab", memory=memory), AB_BEST) == set()
    assert broken(make("ab", least_rate=least), AB_BEST) == set()


def floats_near(value: float) -> list[float]:
    """Return some floats around a value."""
    below = above = value
    found = [value]
    for _ in range(8):
        below, above = math.nextafter(below, 0), math.nextafter(above, math.inf)
        found += [below, above]
    return found


def test_that_the_rate_of_a_token_counts_all_stages():
    pair = replica("decode", 1, ("a1", 0, 2), ("a2", 2, 4))
    both = plan(pair, PREFILL)
    assert broken(make("aab", least_rate=25.0), both) == set()
    assert broken(make("aab", least_rate=25.1), both) == {"token-rate"}


@given(planned())
def test_that_every_drawn_plan_is_feasible(case):
    assert broken(*case) == set()


@given(tiny_instances(), st.integers(0, 2**32 - 1))
def test_that_limits_are_named_where_they_are_broken_and_nowhere_else(instance, seed):
    assume(len(instance.devices) > 1)
    solution = random_plan(instance, seed)
    report = check(instance, solution)
    expected = set()
    for n, one in enumerate(solution.replicas):
        requests = one.batch * len(one.stages)
        for k, stage in enumerate(one.stages):
            device = instance.devices[instance.device_index()[stage.device]]
            is_master = stage.device == one.master
            need = need_bytes(instance, one.role, requests, stage.stop - stage.start, is_master)
            if need > device.memory_bytes * (1 + TOLERANCE):
                expected.add(("memory", f"replicas[{n}].stages[{k}]"))
        if one.role == "decode":
            rate = 1 / (len(one.stages) * replica_times(instance, one).slowest_s)
            if rate < instance.workload.min_tokens_per_s / (1 + TOLERANCE):
                expected.add(("token-rate", f"replicas[{n}]"))
    assert {(v.constraint, v.where) for v in report.violations} == expected
    assert report.objective == objective(instance, solution)
    assert all(0 < v.amount < math.inf for v in report.violations)


def spoilt(instance: Instance, solution: Solution) -> list[tuple[str, Solution]]:
    """Return the plan with each rule of its structure broken in every place."""
    return [
        (rule, Solution((*solution.replicas[:n], changed, *solution.replicas[n + 1 :])))
        for n, one in enumerate(solution.replicas)
        for rule, changed in _spoilt_replica(instance, solution, n, one)
    ]


def _spoilt_replica(instance, solution, n: int, one: Replica):
    last = len(one.stages) - 1
    others = [r for m, r in enumerate(solution.replicas) if m != n]
    yield "master-in-replica", replace(one, master=others[0].master)
    yield "batch-range", replace(one, batch=0)
    yield "batch-range", replace(one, batch=max(1, instance.workload.max_batch) + 1)
    yield "cover", replace(one, stages=one.stages[1:])
    yield "cover", replace(one, stages=one.stages[:-1])
    for k, stage in enumerate(one.stages):
        yield "device-known", _with_stage(one, k, device="ghost")
        yield "device-once", _with_stage(one, k, device=others[0].stages[0].device)
        yield "cover", _with_stage(one, k, start=stage.start - 1)
        yield "cover", _with_stage(one, k, stop=stage.start)
        yield "cover", _with_stage(one, k, stop=stage.stop + 1)
    for i, j in itertools.combinations(range(last + 1), 2):
        stages = list(one.stages)
        stages[i], stages[j] = stages[j], stages[i]
        yield "cover", replace(one, stages=tuple(stages))


def _with_stage(one: Replica, k: int, **changes) -> Replica:
    stages = list(one.stages)
    stages[k] = replace(stages[k], **changes)
    return replace(one, stages=tuple(stages))


@given(planned())
def test_that_no_spoilt_plan_passes(case):
    instance, solution = case
    for rule, changed in spoilt(instance, solution):
        report = check(instance, changed)
        assert rule in {v.constraint for v in report.violations}
        assert not {v.constraint for v in report.violations} & LIMITS
        assert report.objective is None


@given(planned(), st.sampled_from(["prefill", "decode"]))
def test_that_a_plan_without_one_role_is_refused(case, role):
    instance, solution = case
    rest = tuple(one for one in solution.replicas if one.role != role)
    (violation,) = check(instance, Solution(rest)).violations
    assert violation.constraint == "role-count"
    assert role in violation.message


@given(planned())
def test_that_ample_memory_changes_no_objective(case):
    instance, solution = case
    assert check(instance, solution).objective == check(ample(instance), solution).objective
