"""Formulations for tests: which one device takes a model of a single block (`cold-start`).

They are tiny and know nothing of memory. The `hard` ones hang a hard problem onto it, whose
negative costs keep every bound below every plan.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from shardopt.models.cold_start.data import Block, Device, Instance, Solution, plan
from shardopt.models.cold_start.evaluate import objective
from shardopt.models.formulation import (
    CpFormulation,
    LinearFormulation,
    ScipFormulation,
    TooLargeError,
)
from shardopt.models.linear import FloatArray, LinearModel

BUILD = {
    "highs": "toy_models:build",
    "cbc": "toy_models:build",
    "cp-sat": "toy_models:build_cp",
    "scip": "toy_models:build_scip",
}
GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "highs-presolve.json").read_text())


def instance(*seconds: float, memory_bytes: tuple[float, ...] = ()) -> Instance:
    """Device ``k`` needs ``seconds[k]`` for the only block."""
    memory = memory_bytes or (1e9,) * len(seconds)
    devices = tuple(
        Device(f"d{k}", 1.0 / s, 1e9, m, 1.0, 1.0)
        for k, (s, m) in enumerate(zip(seconds, memory, strict=True))
    )
    return Instance("toy", "tests", (Block(1.0, 0.0, 1.0),), devices, "whole-run")


def alone(instance: Instance, k: int) -> Solution:
    return plan(instance, [(k, 0, 1)])


def times(instance: Instance) -> list[float]:
    return [objective(instance, alone(instance, k)) for k in range(len(instance.devices))]


def _one_hot(instance: Instance, solution: Solution) -> FloatArray:
    k = instance.device_index()[solution.stages[0].device]
    return np.eye(len(instance.devices))[k]


def build(
    instance: Instance,
    *,
    unit: float = 1.0,
    hard_columns: int = 0,
    market: bool = False,
    impossible: bool = False,
) -> LinearFormulation:
    seconds = np.array(times(instance))
    model = LinearModel()
    chosen = model.add_binaries(len(seconds), cost=seconds / unit)
    model.add_row(chosen, lower=1.0, upper=1.0)
    if impossible:
        model.add_row(chosen, 2.0, lower=1.0, upper=1.0)
    random = np.random.default_rng(0)
    if hard_columns:  # a multi-dimensional knapsack
        packed = model.add_binaries(
            hard_columns, cost=-random.integers(10, 100, hard_columns) / unit
        )
        for _ in range(30):
            weights = random.integers(1, 100, hard_columns)
            model.add_row(packed, weights, upper=float(20 * hard_columns))
    if market:  # market split: no plan for a long while
        split = model.add_binaries(50)
        for _ in range(6):
            weights = random.integers(0, 100, 50)
            half = float(weights.sum() // 2)
            model.add_row(split, weights, lower=half, upper=half)

    def encode(solution: Solution) -> FloatArray:
        rest = np.zeros(model.column_count - len(seconds))
        return np.concatenate([_one_hot(instance, solution), rest])

    def decode(values: FloatArray) -> Solution:
        return alone(instance, int(np.argmax(values[: len(seconds)])))

    return LinearFormulation(model, decode, encode, unit)


def build_cp(
    instance: Instance,
    *,
    unit: float = 1e-6,
    hard_columns: int = 0,
    market: bool = False,
    impossible: bool = False,
) -> CpFormulation:
    seconds = times(instance)
    model = cp_model.CpModel()
    chosen = [model.new_bool_var("") for _ in seconds]
    model.add_exactly_one(chosen)
    if impossible:
        model.add(cp_model.LinearExpr.weighted_sum(chosen, [2] * len(chosen)) == 1)
    cost = cp_model.LinearExpr.weighted_sum(chosen, [int(s // unit) for s in seconds])
    random = np.random.default_rng(0)
    if hard_columns:
        packed = [model.new_bool_var("") for _ in range(hard_columns)]
        for _ in range(30):
            weights = random.integers(1, 100, hard_columns).tolist()
            model.add(cp_model.LinearExpr.weighted_sum(packed, weights) <= 20 * hard_columns)
        values = [int(v / unit) for v in random.integers(10, 100, hard_columns)]
        cost = cost - cp_model.LinearExpr.weighted_sum(packed, values)
    if market:
        split = [model.new_bool_var("") for _ in range(50)]
        for _ in range(6):
            weights = random.integers(0, 100, 50).tolist()
            model.add(cp_model.LinearExpr.weighted_sum(split, weights) == sum(weights) // 2)
    model.minimize(cost)

    def encode(solution: Solution) -> dict[int, int]:
        return {k: int(v) for k, v in enumerate(_one_hot(instance, solution))}

    return CpFormulation(model, lambda v: alone(instance, v.index(1)), encode, unit)


def build_scip(instance: Instance, **options: Any) -> ScipFormulation:
    return as_scip(build(instance, **options))


def as_scip(linear: LinearFormulation) -> ScipFormulation:
    import pyscipopt

    arrays = linear.model.arrays()
    model = pyscipopt.Model()
    x = [
        model.addVar(vtype="I" if whole else "C", lb=_finite(low), ub=_finite(high), obj=cost)
        for whole, low, high, cost in zip(
            arrays.integer, arrays.lower, arrays.upper, arrays.cost, strict=True
        )
    ]
    for r, (low, high) in enumerate(zip(arrays.row_lower, arrays.row_upper, strict=True)):
        entries = slice(arrays.row_start[r], arrays.row_start[r + 1])
        terms = zip(arrays.coefficient[entries], arrays.column[entries], strict=True)
        row = pyscipopt.quicksum(float(c) * x[j] for c, j in terms)
        if np.isfinite(low):
            model.addCons(row >= float(low))
        if np.isfinite(high):
            model.addCons(row <= float(high))

    def decode(value: Callable[[Any], float]) -> Any:
        return linear.decode(np.array([value(variable) for variable in x]))

    return ScipFormulation(model, decode, linear.unit, linear.offset)


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def golden() -> LinearFormulation:
    """Return the model on which the presolve of HiGHS 1.12 to 1.15.1 loses the optimum."""
    model = LinearModel()
    columns = zip(GOLDEN["cost"], GOLDEN["lower"], GOLDEN["upper"], GOLDEN["integer"], strict=True)
    for cost, lower, upper, integer in columns:
        model.add_columns(
            1,
            cost=cost,
            lower=-np.inf if lower is None else lower,
            upper=np.inf if upper is None else upper,
            integer=integer,
        )
    rows = zip(GOLDEN["rows"], GOLDEN["row_lower"], GOLDEN["row_upper"], strict=True)
    for row, lower, upper in rows:
        model.add_row(
            [column for column, _ in row],
            [coefficient for _, coefficient in row],
            lower=-np.inf if lower is None else lower,
            upper=np.inf if upper is None else upper,
        )
    return plain(model)


def plain(model: LinearModel) -> LinearFormulation:
    """Return a formulation whose plans are the column values themselves."""
    return LinearFormulation(model, lambda values: values, lambda values: values, unit=1.0)


def build_too_large(instance: Instance) -> LinearFormulation:
    raise TooLargeError("direct: 10 GB estimated, 8 GB available")


def build_never(instance: Instance) -> LinearFormulation:
    return sum(range(10**15))  # type: ignore[return-value]  # holds the GIL, deaf to everything


def build_maximum(instance: object) -> LinearFormulation:
    """Maximise ``100 + 3 x0 + 5 x1 + 7 x2`` with two of the three: 112."""
    model = LinearModel()
    x = model.add_binaries(3, cost=[-3.0, -5.0, -7.0])
    model.add_row(x, upper=2.0)
    return LinearFormulation(model, lambda v: v, lambda v: v, unit=-1.0, offset=100.0)


def build_overflowing(instance: Instance) -> CpFormulation:
    model = cp_model.CpModel()
    x = model.new_int_var(0, 2**40, "x")
    model.add(2**40 * x >= 1)
    model.minimize(x)
    return CpFormulation(model, lambda v: v, lambda v: v, unit=1.0)


def _market() -> tuple[Any, Any]:
    random = np.random.default_rng(3)
    return random.integers(0, 100, (7, 60)), random.integers(0, 2, 60)


def planted_market_split() -> tuple[LinearFormulation, FloatArray]:
    weights, planted = _market()
    model = LinearModel()
    x = model.add_binaries(60, cost=np.arange(60.0))
    for row, total in zip(weights, weights @ planted, strict=True):
        model.add_row(x, row, lower=float(total), upper=float(total))
    return plain(model), planted.astype(float)


def planted_market_split_cp() -> tuple[CpFormulation, dict[int, int]]:
    weights, planted = _market()
    model = cp_model.CpModel()
    x = [model.new_bool_var("") for _ in range(60)]
    for row, total in zip(weights, weights @ planted, strict=True):
        model.add(cp_model.LinearExpr.weighted_sum(x, row.tolist()) == int(total))
    model.minimize(cp_model.LinearExpr.weighted_sum(x, list(range(60))))
    formulation = CpFormulation(model, lambda v: v, lambda v: v, unit=1.0)
    return formulation, {j: int(v) for j, v in enumerate(planted)}


def tiny_costs() -> tuple[LinearFormulation, float]:
    """Return a covering problem whose plans all cost less than 1e-4, and its optimum."""
    random = np.random.default_rng(1)
    costs = random.integers(100, 130, 14)
    rows = [random.choice(14, 4, replace=False) for _ in range(12)]
    model = LinearModel()
    x = model.add_binaries(14, cost=costs * 1e-8)
    for row in rows:
        model.add_row(np.sort(x[row]), lower=1.0)
    plans = np.array(list(itertools.product((0, 1), repeat=14)))
    covers = np.all([plans[:, row].sum(axis=1) >= 1 for row in rows], axis=0)
    return plain(model), float((plans[covers] @ costs).min()) * 1e-8


def build_without_starts(instance: Instance) -> LinearFormulation:
    def encode(solution: Solution) -> FloatArray:
        raise KeyError("no such column")

    return dataclasses.replace(build(instance), encode=encode)


def knapsack(seed: int) -> LinearFormulation:
    """Return a knapsack in several dimensions with many plans of nearly the same cost."""
    random = np.random.default_rng(seed)
    model = LinearModel()
    x = model.add_binaries(35, cost=-1.0 - 0.01 * random.random(35))
    for _ in range(8):
        model.add_row(x, random.integers(20, 60, 35), upper=500.0)
    return plain(model)
