"""A linear relaxation that is solved again and again under other bounds, by HiGHS' simplex."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from shardopt.models.linear import FloatArray, IntArray, LinearArrays
from shardopt.solvers.backends.contract import BackendError
from shardopt.solvers.backends.highs import as_lp

_STATUS = highspy.HighsModelStatus
MOST_S = 5.0
"""What a solve may take, or ten times the longest that ended: simplex can cycle."""
_NOTHING_BELOW = (_STATUS.kInfeasible, _STATUS.kObjectiveBound)


@dataclass(frozen=True)
class Relaxed:
    """An optimal point of the relaxation, and the basis to go on from."""

    value: float
    x: FloatArray
    basis: Any


class Relaxation:
    """The relaxation of a model, of which only some columns' bounds ever change.

    Parameters
    ----------
    columns
        Those columns.
    left
        Seconds left.
    """

    def __init__(
        self, arrays: LinearArrays, columns: IntArray, seed: int, left: Callable[[], float]
    ) -> None:
        self._columns = columns.astype(np.int32)
        self._left = left
        self._longest_s = math.inf  # the first solve may take what it needs
        self._highs = highspy.Highs()
        for name, value in (
            ("output_flag", False),
            ("solver", "simplex"),
            ("presolve", "off"),  # it costs more than it saves, and a basis goes without it
            ("threads", 1),
            ("parallel", "off"),
            ("random_seed", seed % 2**31),
        ):
            self._highs.setOptionValue(name, value)
        self.become(arrays)

    def become(self, arrays: LinearArrays) -> None:
        """Take other coefficients; bases still fit."""
        lp = as_lp(arrays, 1.0)
        lp.integrality_ = [highspy.HighsVarType.kContinuous] * arrays.cost.size
        self._highs.passModel(lp)

    def solve(
        self, lower: FloatArray, upper: FloatArray, cutoff: float, basis: Any = None
    ) -> Relaxed | None:
        """Return the optimum under these bounds; ``None`` when there is none below the cutoff.

        Raises
        ------
        TimeoutError
            Time ran out before that was known.
        BackendError
            HiGHS gave up, twice.
        """
        highs = self._highs
        highs.changeColsBounds(self._columns.size, self._columns, lower, upper)
        for again in (False, True):  # after numerical trouble from scratch, and to the end
            highs.setOptionValue("objective_bound", math.inf if again else cutoff)
            if basis is None or again:
                highs.clearSolver()
            else:
                highs.setBasis(basis)
            began = highs.getRunTime()
            most = min(self._left(), max(MOST_S, 10 * self._longest_s))
            highs.setOptionValue("time_limit", began + most)
            highs.run()
            status = highs.getModelStatus()
            if status in _NOTHING_BELOW:
                return None
            if status == _STATUS.kOptimal:
                longest = 0.0 if math.isinf(self._longest_s) else self._longest_s
                self._longest_s = max(longest, highs.getRunTime() - began)
                value = highs.getInfo().objective_function_value
                return Relaxed(value, np.array(highs.getSolution().col_value), highs.getBasis())
            if self._left() <= 0.0:
                raise TimeoutError
        raise BackendError(f"HiGHS ended a relaxation with {highs.modelStatusToString(status)!r}")
