"""The formulations on their backends, and what they are asked to prove."""

from __future__ import annotations

import pytest

from partition_schedule.instances import OBJECTIVES
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.partition_schedule.exact_models import longest_s
from shardopt.solvers.settings import Settings

METHODS = {
    "direct/highs": ("milp", "highs"),
    "direct/cbc": ("milp", "cbc"),
    "direct/cp-sat": ("intervals", "cp-sat"),
}
SCHEDULED = ("mean-latency", "makespan")
methods = pytest.mark.parametrize("method", METHODS)
objectives = pytest.mark.parametrize("objective", OBJECTIVES)
scheduled = pytest.mark.parametrize("objective", SCHEDULED)


def solve(method, instance, plan=None, **options):
    """Solve a formulation in this process; ``plan`` is what to start from and to beat."""
    module, backend = METHODS[method]
    upper = longest_s(make_tables(instance)) if plan is None else check(instance, plan).objective
    build = f"shardopt.models.partition_schedule.formulations.{module}:build"
    return solve_exact(
        Job(instance, build, backend, {"upper_bound": upper, **options}),
        method,
        Settings(threads=1),
        known=[plan],
        isolated=False,
    )


def assert_optimal(result, optimum_s):
    assert result.faults == ()
    assert result.termination == "completed"
    if optimum_s is None:
        assert result.status == "infeasible"
    else:
        assert result.status == "optimal"
        assert result.objective == pytest.approx(optimum_s, rel=1e-6)
        assert result.bound <= optimum_s * (1 + 1e-7)
