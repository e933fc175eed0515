"""A series of MILPs in one process: the best answer of all counts, and nothing is proven."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shardopt.models.formulation import LinearFormulation, SeriesFormulation
from shardopt.models.linear import LinearModel
from shardopt.solvers.backends import series
from shardopt.solvers.backends.contract import Run


def pack(values, weights, room, relaxed) -> LinearFormulation:
    """Return a knapsack; it costs 100 less the values that are packed."""
    model = LinearModel()
    model.add_columns(1, cost=100.0, lower=1.0, upper=1.0)
    columns = model.add_columns(len(values), cost=-np.array(values), upper=1.0, integer=not relaxed)
    model.add_row(columns, weights, upper=room)
    return LinearFormulation(model, lambda v: v, lambda v: v, unit=1.0)


def impossible() -> LinearFormulation:
    model = LinearModel()
    model.add_row(model.add_binaries(1), lower=2.0)
    return LinearFormulation(model, lambda v: v, lambda v: v, unit=1.0)


def solve(models, *, cutoff=np.inf, left=math.inf, stopped=False):
    """Solve a series; return (number of the model, value) of each plan, bounds, and the verdict."""
    plans, bounds, built = [], [], []

    def build(n: int, relaxed: bool) -> LinearFormulation:
        if not relaxed:
            built.append(n)
        return models[n](relaxed)

    formulation = SeriesFormulation(len(models), build, lambda plan: plan, 1.0, cutoff)
    run = Run(
        seed=0,
        threads=1,
        presolve=True,
        left=lambda: left,
        stopped=lambda: stopped,
        plan=plans.append,
        bound=bounds.append,
    )
    verdict = series.solve(formulation, None, run)
    costs = [(n, float(build(n, True).model.arrays().cost @ values)) for n, values in plans]
    return costs, bounds, verdict, built


# Relaxed, the first promises 100 - 15 and keeps 100 - 10; the second keeps 100 - 12.
PROMISING = [
    lambda relaxed: pack([10.0, 10.0], [2.0, 2.0], 3.0, relaxed),
    lambda relaxed: pack([12.0], [1.0], 1.0, relaxed),
    lambda relaxed: pack([5.0], [1.0], 1.0, relaxed),
    lambda relaxed: impossible(),
]


def test_that_the_best_model_of_a_series_wins():
    plans, bounds, verdict, _ = solve(PROMISING)
    assert plans[-1] == (1, pytest.approx(88.0))
    assert verdict.termination == "completed"
    assert (bounds, verdict.bound, verdict.infeasible) == ([], None, False)


def test_that_models_that_promise_less_than_the_best_plan_are_left_out():
    *_, built = solve(PROMISING)
    assert set(built) == {0, 1}


def test_that_only_plans_better_than_the_cutoff_are_told():
    assert solve(PROMISING, cutoff=88.0)[0] == []
    assert solve(PROMISING, cutoff=89.0)[0] == [(1, pytest.approx(88.0))]


def test_that_a_series_without_any_answer_is_not_called_infeasible():
    plans, _, verdict, _ = solve(PROMISING[3:])
    assert plans == []
    assert (verdict.termination, verdict.infeasible) == ("completed", False)


@pytest.mark.parametrize(
    ("change", "termination"), [({"stopped": True}, "interrupted"), ({"left": 0.0}, "time-limit")]
)
def test_that_a_series_ends_when_it_is_told_to(change, termination):
    plans, _, verdict, built = solve(PROMISING, **change)
    assert (plans, built) == ([], [])
    assert verdict.termination == termination
