"""The search over sizes, against brute force and where its parts must agree."""

from __future__ import annotations

import numpy as np
import pytest

from block_placement.brute import brute_force
from block_placement.instances import tiny_instance
from block_placement.test_formulations import assert_solved
from shardopt.models.block_placement.data import Instance
from shardopt.models.block_placement.formulations import sizes
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.result import Result
from shardopt.solvers.backends import relaxation
from shardopt.solvers.backends.contract import BackendError
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.block_placement import size_search
from shardopt.solvers.block_placement.mending import mended
from shardopt.solvers.settings import Settings

BUILD = "shardopt.models.block_placement.formulations.sizes:build"


def solve(instance: Instance, cutoff: float | None = None) -> Result:
    return solve_exact(
        Job(instance, BUILD, size_search.__name__, {"cutoff": cutoff}),
        "sizes/cp-sat",
        Settings(threads=1),
        repair=lambda plan: mended(instance, plan, 5.0),
        isolated=False,
    )


def can_host_all(instance: Instance) -> bool:
    return bool(make_tables(instance).U.sum() >= instance.block_count)


@pytest.mark.parametrize("seed", range(24))
def test_that_the_search_agrees_with_brute_force(seed: int) -> None:
    instance = tiny_instance(seed)
    if can_host_all(instance):
        assert_solved(instance, solve(instance), brute_force(instance).value)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 400))
def test_that_the_search_agrees_with_brute_force_on_many(seed: int) -> None:
    instance = tiny_instance(seed)
    if can_host_all(instance):
        assert_solved(instance, solve(instance), brute_force(instance).value)


@pytest.mark.parametrize("seed", range(12))
def test_that_the_search_survives_relaxations_that_fail(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = relaxation.Relaxation.solve

    def failing(self, lower, upper, cutoff, basis=None):  # type: ignore[no-untyped-def]
        if int(lower.sum() + upper.sum()) % 2:
            raise BackendError("gave up")
        return whole(self, lower, upper, cutoff, basis)

    monkeypatch.setattr(relaxation.Relaxation, "solve", failing)
    instance = tiny_instance(seed)
    if can_host_all(instance):
        assert_solved(instance, solve(instance), brute_force(instance).value)


@pytest.mark.parametrize("seed", range(12))
def test_that_nothing_is_below_an_optimum_as_cutoff(seed: int) -> None:
    instance = tiny_instance(seed)
    optimum = brute_force(instance).value
    if optimum is None or optimum == 0.0:
        pytest.skip("there is no cutoff")
    result = solve(instance, optimum)
    assert result.solution is None
    assert result.bound == pytest.approx(optimum, rel=1e-6)


def test_that_boxes_are_tightened_and_counted() -> None:
    instance = next(tiny_instance(s) for s in range(50) if can_host_all(tiny_instance(s)))
    formulation = sizes.build(instance)
    arrays = formulation.pooled.arrays
    columns = np.concatenate(formulation.pooled.at_least)
    lower, upper = arrays.lower[columns].copy(), arrays.upper[columns].copy()
    formulation.propagate(lower, upper)
    tables = make_tables(instance)
    assert formulation.sizes_within(lower, upper) == np.prod(tables.U[tables.U > 0])
    assert formulation.sizes_within(upper, upper) == 1.0
