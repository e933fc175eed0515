"""A linear model with integer columns alone as a constraint model for CP-SAT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shardopt.models.linear import LinearArrays

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel

NO_LIMIT = 2**60


def constraint_model(arrays: LinearArrays, cutoff: float, scale: float) -> CpModel:
    """Return the model: all columns integer, all coefficients and sides whole numbers.

    Costs are multiplied by ``scale`` and rounded DOWN, so that its bounds stay bounds; what costs
    more than ``cutoff`` (in the units of ``arrays``) is left out. Variables keep their columns'
    numbers; fixed ones are taken out of the rows.
    """
    from ortools.sat.python import cp_model  # slow to import, and not needed to size a model

    model = cp_model.CpModel()
    bounds = zip(np.ceil(arrays.lower), np.floor(arrays.upper), strict=True)
    x = [model.new_int_var(int(low), int(high), "") for low, high in bounds]
    used = (arrays.upper != 0.0) | (arrays.lower != 0.0)
    for row, (low, high) in enumerate(zip(arrays.row_lower, arrays.row_upper, strict=True)):
        entries = slice(arrays.row_start[row], arrays.row_start[row + 1])
        column, value = arrays.column[entries], arrays.coefficient[entries]
        value, column = value[used[column]], column[used[column]]
        if column.size == 0 and low <= 0.0 <= high:
            continue
        total = cp_model.LinearExpr.weighted_sum([x[c] for c in column], [int(v) for v in value])
        least = int(np.ceil(low)) if np.isfinite(low) else -NO_LIMIT
        most = int(np.floor(high)) if np.isfinite(high) else NO_LIMIT
        model.add_linear_constraint(total, least, most)
    priced = np.flatnonzero((arrays.cost != 0.0) & used)
    costs = [int(np.floor(cost)) for cost in arrays.cost[priced] * scale]
    objective = cp_model.LinearExpr.weighted_sum([x[c] for c in priced], costs)
    model.add(objective <= int(np.floor(cutoff * scale)))
    model.minimize(objective)
    return model
