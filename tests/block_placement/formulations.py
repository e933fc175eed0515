"""Each formulation on each of its backends, solved in this process."""

from __future__ import annotations

import pytest

from shardopt.models.block_placement.check import check
from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.block_placement.mending import mended
from shardopt.solvers.settings import Settings

HOME = "shardopt.models.block_placement.formulations"
INTEGRAL = {
    "boundary/highs": ("boundary", "highs"),
    "boundary/cbc": ("boundary", "cbc"),
    "runs/highs": ("runs", "highs"),
    "runs/cbc": ("runs", "cbc"),
    "direct/cp-sat": ("circuit", "cp-sat"),
}
"""Memory stands in integers: no tolerance may let a plan pass that the checker refuses."""
DIRECT = {"direct/highs": ("direct", "highs"), "direct/cbc": ("direct", "cbc")}
FAST = ("boundary/highs", "runs/highs", "direct/cp-sat")
SMALL = {"max_servers": 3, "max_blocks": 3, "max_sessions": 2}
"""Sizes of instances for the published program."""


def solve(
    instance: Instance,
    name: str,
    start: Solution | None = None,
    time_limit: float = 60.0,
    **options: object,
) -> Result:
    """Solve a formulation by its solver's name, or by its own name with HiGHS."""
    module, backend = (INTEGRAL | DIRECT).get(name, (name, "highs"))
    may_overfill = name in DIRECT or "pooled" in options
    return solve_exact(
        Job(instance, f"{HOME}.{module}:build", backend, options),
        name,
        Settings(time_limit, threads=1),
        known=[start],
        repair=(lambda plan: mended(instance, plan, 5.0)) if may_overfill else None,
        isolated=False,
    )


def has_models(instance: Instance) -> bool:
    """Return whether formulations are built at all: without enough blocks there is no plan."""
    return make_tables(instance).U.sum() >= instance.block_count


def assert_solved(instance: Instance, result: Result, optimum: float | None) -> None:
    """Assert the optimum and its proof, or the proof that there is no plan."""
    assert result.faults == ()
    if optimum is None:
        assert result.status == "infeasible"
        return
    assert result.status == "optimal"
    assert result.objective == pytest.approx(optimum, rel=1e-6, abs=1e-12)
    assert result.bound <= optimum * (1 + OPTIMALITY_TOLERANCE) + 1e-12
    assert check(instance, result.solution).feasible
