"""What one session can do: rows that no plan breaks, and that relaxations do."""

from __future__ import annotations

import numpy as np
import pytest

from block_placement.brute import brute_force
from block_placement.instances import tiny_instance
from shardopt import generate
from shardopt.models.block_placement.formulations import sizes
from shardopt.models.block_placement.formulations.common import hosting_types
from shardopt.models.block_placement.formulations.shapes import MOST_SHAPES, classes
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.linear import FloatArray, LinearArrays
from shardopt.solvers.backends.relaxation import Relaxation


def least(arrays: LinearArrays, cutoff: float = np.inf) -> float | None:
    """Return the optimum of the relaxation."""
    nothing = np.zeros(0, dtype=np.int64)
    found = Relaxation(arrays, nothing, 0, lambda: 60.0).solve(np.zeros(0), np.zeros(0), cutoff)
    return None if found is None else found.value


def fixed(formulation: sizes.SizesFormulation, *by_type: list[int]) -> LinearArrays:
    """Return the relaxation's model for servers of these sizes."""
    upper = [
        np.array([sum(size >= m for size in own) for m in range(1, place.size + 1)])
        for own, place in zip(by_type, formulation.places, strict=True)
    ]
    counts: FloatArray = np.concatenate(upper).astype(np.float64)
    return sizes._restricted(formulation.pooled, counts, counts)


@pytest.mark.parametrize("seed", range(40))
def test_that_the_rows_cut_no_plan_off(seed: int) -> None:
    instance = tiny_instance(seed)
    optimum = brute_force(instance).value
    if optimum is None:
        return
    formulation = sizes.build(instance)
    bound = least(formulation.pooled.arrays)
    assert bound is not None
    assert bound * formulation.unit <= optimum * (1 + 1e-7)


def test_that_a_session_visits_no_more_servers_than_there_are() -> None:
    """Nine stages of four blocks would serve it; seven servers host four."""
    formulation = sizes.build(generate("block-placement", "bloom-clustered-9", sessions=112))
    told = fixed(formulation, [4] * 7, [35] * 2)
    with_shapes = least(told)
    shapes = formulation.pooled.shapes
    open_sizes = formulation.pooled.largest(formulation.pooled.arrays.upper[counts_of(formulation)])
    without = least(shapes.within(told, [size * 70 for size in open_sizes]))
    assert with_shapes is not None
    assert without is not None
    # A session that skips an A100 would need nine of the seven slices.
    assert with_shapes * formulation.unit == pytest.approx(0.66325527, rel=1e-6)
    assert without * formulation.unit == pytest.approx(0.65799919, rel=1e-6)


def counts_of(formulation: sizes.SizesFormulation) -> np.ndarray:
    return np.concatenate(formulation.pooled.at_least)


def test_that_full_sizes_change_nothing() -> None:
    pooled = sizes.build(tiny_instance(3)).pooled
    full = pooled.largest(pooled.arrays.upper[np.concatenate(pooled.at_least)])
    again = pooled.shapes.within(pooled.arrays, full)
    assert np.array_equal(again.coefficient, pooled.arrays.coefficient)


@pytest.mark.parametrize("preset", ["bloom-bellcanada-26", "random-tight", "typed"])
def test_that_like_sizes_share_a_class_until_shapes_are_few(preset: str) -> None:
    tables = make_tables(generate("block-placement", preset, seed=1))
    groups = hosting_types(tables)
    told_apart = classes(tables, groups)
    counts = [sum(len(groups[n]) for n in members) for members in told_apart]
    assert np.prod([count + 1 for count in counts]) <= MOST_SHAPES or len(told_apart) == 1
    assert sorted(n for members in told_apart for n in members) == list(range(len(groups)))
    largest = [max(tables.U[groups[n][0]] for n in members) for members in told_apart]
    assert largest == sorted(largest)
