"""Every method against brute force, on tiny instances with every corner of the page.

An exact method finds the optimum, a bound is never above it, a heuristic never below. The short
tests draw new instances at every run; the long ones go through hundreds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from block_placement.brute import brute_force
from block_placement.formulations import (
    DIRECT,
    FAST,
    INTEGRAL,
    SMALL,
    assert_solved,
    has_models,
    solve,
)
from block_placement.instances import tiny_instance, with_brim, with_petals, with_ratio
from block_placement.test_routing import routings
from shardopt.models.block_placement.bounds import chain_bound
from shardopt.models.block_placement.check import check
from shardopt.models.block_placement.data import Instance
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.result import OPTIMALITY_TOLERANCE
from shardopt.solvers.block_placement import exact, routing, runs, sizes
from shardopt.solvers.registry import solver_rows

pytestmark = pytest.mark.usefixtures("in_this_process")

HEURISTICS = [
    row
    for row in solver_rows("block-placement")
    if row.kind == "heuristic" and not row.needs_start and not row.missing()
]
BOUNDS = {
    "packing": ("packing", {}),
    "packing-lp": ("packing", {"relaxed": True}),
    "boundary-lp": ("boundary", {"relaxed": True}),
    "runs-lp": ("runs", {"relaxed": True}),
    "runs-pooled": ("runs", {"pooled": True}),
    "runs-pooled-lp": ("runs", {"pooled": True, "relaxed": True}),
}
SOLVERS = {
    "exact": exact,
    "sizes/cp-sat": sizes,
    "runs/highs": partial(runs, backend="highs"),
    "runs/cbc": partial(runs, backend="cbc"),
}
"""Those that solve more than one model; `runs` pools identical servers first."""
parts = pytest.mark.parametrize("part", range(6))


def drawn(seed: int, **sizes: int) -> Instance:
    """Return a tiny instance; one in five is full to the brim, one in five has tiny caches."""
    instance = tiny_instance(seed, **sizes)
    if seed % 5 == 3:
        return with_brim(instance, seed)
    if seed % 5 == 4:
        return with_ratio(instance, 10.0 ** -(seed % 7))
    return instance


instances = st.builds(drawn, st.integers(0, 2**32 - 1))


def hundreds(part: int, count: int = 60, **sizes: int) -> list[Instance]:
    """Return one of six parts of 360 instances."""
    return [drawn(seed, **sizes) for seed in range(1000 + count * part, 1000 + count * (part + 1))]


def assert_not_above(bound: float | None, optimum: float) -> None:
    assert bound is not None
    assert bound <= optimum * (1 + OPTIMALITY_TOLERANCE) + 1e-12


def assert_bounds(instance: Instance) -> None:
    """Assert that no bound is above the optimum, and that whole numbers never weaken one."""
    optimum = brute_force(instance).value
    if optimum is None or not has_models(instance):
        return
    found = {name: solve(instance, f, **options).bound for name, (f, options) in BOUNDS.items()}
    found["chain"] = chain_bound(make_tables(instance))
    for bound in found.values():
        assert_not_above(bound, optimum)
    for weaker, stronger in [("packing-lp", "packing"), ("runs-pooled-lp", "runs-pooled")]:
        assert_not_above(found[weaker], found[stronger])


def assert_heuristics(instance: Instance) -> None:
    """Assert that heuristics prove nothing, and find nothing better than the optimum."""
    optimum = brute_force(instance).value
    for row in HEURISTICS:
        result = row.load()(instance, **dict(row.fixed))
        assert (result.bound, result.faults) == (None, ())
        if result.objective is None:
            assert result.status == "unknown" or optimum is None
            continue
        assert optimum is not None
        assert result.objective >= optimum * (1 - 1e-12)
        guarantee = result.extra.get("guarantee")
        assert guarantee is None or result.objective <= guarantee * (1 + 1e-9)


def assert_routed(instance: Instance, backend: str) -> None:
    """Assert that a plan's placement gets the best of all routings."""
    best = brute_force(instance).solution
    if best is None:
        return
    known = list(routings(instance, best.placement))
    _, worst = max(known, key=lambda pair: pair[0])
    result = routing(instance, backend=backend, start=worst, threads=1)
    assert (result.status, result.bound, result.faults) == ("feasible", None, ())
    assert result.objective == pytest.approx(min(value for value, _ in known), rel=1e-6, abs=1e-12)
    assert result.solution.placement == best.placement


def assert_agrees(name: str, instance: Instance) -> None:
    if has_models(instance):
        assert_solved(instance, solve(instance, name), brute_force(instance).value)


def assert_exact(method: Callable, instance: Instance) -> None:
    assert_solved(instance, method(instance, threads=1), brute_force(instance).value)


@pytest.mark.parametrize("name", FAST)
@settings(max_examples=40)
@given(instance=instances)
def test_that_a_formulation_has_the_optimum_of_brute_force(name, instance):
    assert_agrees(name, instance)


@pytest.mark.parametrize("name", SOLVERS)
@settings(max_examples=30)
@given(instance=instances)
def test_that_a_solver_of_many_models_has_the_optimum_of_brute_force(name, instance):
    assert_exact(SOLVERS[name], instance)


@settings(max_examples=30)
@given(instance=instances)
def test_that_no_bound_is_above_the_optimum(instance):
    assert_bounds(instance)


@settings(max_examples=30)
@given(instance=instances, seed=st.integers(0, 1000))
def test_that_no_heuristic_is_below_the_optimum(instance, seed):
    assert_heuristics(with_petals(instance, seed))


@pytest.mark.parametrize("seed", range(200, 220))
def test_that_the_published_program_has_the_optimum_of_brute_force(seed):
    assert_agrees("direct/highs", tiny_instance(seed, **SMALL))


@pytest.mark.long
@pytest.mark.parametrize("name", INTEGRAL)
@parts
def test_that_a_formulation_has_the_optimum_of_hundreds_of_instances(name, part):
    for instance in hundreds(part):
        assert_agrees(name, instance)


@pytest.mark.long
@pytest.mark.parametrize("name", SOLVERS)
@parts
def test_that_a_solver_of_many_models_has_the_optimum_of_hundreds_of_instances(name, part):
    for instance in hundreds(part):
        assert_exact(SOLVERS[name], instance)


@pytest.mark.long
@pytest.mark.parametrize("name", DIRECT)
@parts
def test_that_the_published_program_never_contradicts_brute_force(name, part):
    """It may not end within its limit; then its bound and its plan are what they claim to be."""
    ended = 0
    for seed in range(2000 + 50 * part, 2050 + 50 * part):
        instance = tiny_instance(seed, **SMALL)
        if not has_models(instance):
            continue
        optimum = brute_force(instance).value
        result = solve(instance, name, time_limit=5.0)
        if result.termination == "completed":
            assert_solved(instance, result, optimum)
            ended += 1
            continue
        assert result.faults == ()
        assert result.solution is None or check(instance, result.solution).feasible
        if result.bound is not None and optimum is not None:
            assert_not_above(result.bound, optimum)
    assert ended > 25


@pytest.mark.long
@parts
def test_that_no_bound_is_above_the_optimum_of_hundreds_of_instances(part):
    for instance in hundreds(part):
        assert_bounds(instance)


@pytest.mark.long
@parts
def test_that_no_heuristic_is_below_the_optimum_of_hundreds_of_instances(part):
    for seed, instance in enumerate(hundreds(part)):
        assert_heuristics(with_petals(instance, seed) if seed % 2 else instance)


@pytest.mark.long
@pytest.mark.parametrize("backend", ["highs", "cbc"])
@parts
def test_that_routes_are_the_best_of_hundreds_of_placements(backend, part):
    for instance in hundreds(part):
        assert_routed(instance, backend)
