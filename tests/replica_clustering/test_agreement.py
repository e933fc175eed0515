"""Every registered solver on the same instances: optima, bounds and heuristics side by side."""

from __future__ import annotations

import pytest

from replica_clustering.brute import brute_force
from replica_clustering.draws import tiny_instance
from replica_clustering.solving import assert_solved
from shardopt.models.replica_clustering.bounds import additive_bound
from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.solvers.registry import solver_rows

pytestmark = pytest.mark.usefixtures("in_this_process")

ROWS = solver_rows("replica-clustering")


def assert_agreement(instance):
    """Solve by every method."""
    optimum = brute_force(instance).value
    bound = additive_bound(make_tables(instance))
    assert optimum is None or bound <= optimum * (1 + 1e-12)
    for row in ROWS:
        result = row.load()(instance, **row.fixed)
        if row.kind == "exact":
            assert_solved(instance, result, optimum)
        elif result.objective is not None:
            assert check(instance, result.solution).feasible
            assert result.objective >= optimum * (1 - 1e-12)


@pytest.mark.parametrize("unequal", [False, True])
def test_that_all_methods_agree_on_tiny_instances(unequal):
    for seed in range(200, 202):
        assert_agreement(tiny_instance(seed, unequal))


@pytest.mark.long
@pytest.mark.parametrize("unequal", [False, True])
@pytest.mark.parametrize("part", range(6))
def test_that_all_methods_agree_on_hundreds_of_instances(unequal, part):
    for seed in range(6000 + 30 * part, 6030 + 30 * part):
        assert_agreement(tiny_instance(seed, unequal))
