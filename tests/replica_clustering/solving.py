"""What the tests of the solvers of `replica-clustering` share."""

from __future__ import annotations

import numpy as np
import pytest

from shardopt.models.formulation import LinearFormulation
from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.data import Instance, Solution
from shardopt.models.replica_clustering.tables import DeviceTypes, Tables, make_tables
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result


def assert_solved(instance: Instance, result: Result, optimum: float | None) -> None:
    """Assert the optimum and its proof, or the proof that there is no plan."""
    assert result.faults == ()
    assert result.termination == "completed"
    if optimum is None:
        assert result.status == "infeasible"
        return
    assert result.status == "optimal"
    assert result.objective == pytest.approx(optimum, rel=1e-9)
    assert result.bound <= optimum * (1 + OPTIMALITY_TOLERANCE)
    assert check(instance, result.solution).feasible


def untyped(instance: Instance) -> Tables:
    """Return tables in which every device is a type of its own, equal ones too."""
    tables = make_tables(instance)
    members = tuple((k,) for k in range(tables.device_count))
    tables.__dict__["types"] = DeviceTypes(members)  # where its cached property looks first
    return tables


def assert_encoded(formulation: LinearFormulation, plan: Solution, objective: float) -> None:
    """Assert that a plan's values keep every row, and have its objective."""
    arrays, values = formulation.model.arrays(), formulation.encode(plan)
    assert np.all(values >= arrays.lower - 1e-9)
    assert np.all(values <= arrays.upper + 1e-9)
    rows = np.repeat(np.arange(arrays.row_lower.size), np.diff(arrays.row_start))
    sums = np.bincount(
        rows, weights=arrays.coefficient * values[arrays.column], minlength=arrays.row_lower.size
    )
    slack = 1e-9 * max(1.0, float(np.abs(arrays.coefficient).max()))
    assert np.all(sums >= arrays.row_lower - slack)
    assert np.all(sums <= arrays.row_upper + slack)
    assert formulation.reciprocal
    assert formulation.unit / -(arrays.cost @ values) == pytest.approx(objective, rel=1e-12)
