"""A mixed-integer linear model as plain arrays, independent of any backend.

Always a MINIMISE model without a constant: that is what all backends treat alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class LinearArrays:
    """``min cost x`` with ``row_lower <= A x <= row_upper`` and ``lower <= x <= upper``.

    ``A`` is stored by rows: row ``r`` has the entries ``row_start[r]:row_start[r + 1]`` of
    ``column`` and ``coefficient``. ``integer[column]`` marks the integer columns.
    """

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    integer: NDArray[np.bool_]
    row_lower: FloatArray
    row_upper: FloatArray
    row_start: IntArray
    column: IntArray
    coefficient: FloatArray


class LinearModel:
    """Collects columns and rows; ``arrays()`` gives the finished model."""

    def __init__(self) -> None:
        self.column_count = 0
        self.row_count = 0
        self._columns: list[tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]] = []
        self._row_lower: list[float] = []
        self._row_upper: list[float] = []
        self._row_length: list[int] = []
        self._column: list[IntArray] = []
        self._coefficient: list[FloatArray] = []

    def add_columns(
        self,
        count: int,
        *,
        cost: ArrayLike = 0.0,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = np.inf,
        integer: bool = False,
    ) -> IntArray:
        """Add ``count`` columns and return their indices; numbers are broadcast."""
        cost_, lower_, upper_ = (
            np.broadcast_to(np.asarray(v, dtype=np.float64), (count,)).copy()
            for v in (cost, lower, upper)
        )
        self._columns.append((cost_, lower_, upper_, np.full(count, integer)))
        indices = np.arange(self.column_count, self.column_count + count, dtype=np.int64)
        self.column_count += count
        return indices

    def add_binaries(self, count: int, *, cost: ArrayLike = 0.0) -> IntArray:
        """Add ``count`` columns in {0, 1}."""
        return self.add_columns(count, cost=cost, upper=1.0, integer=True)

    def add_row(
        self,
        columns: ArrayLike | Iterable[int],
        coefficients: ArrayLike | Iterable[float] = 1.0,
        *,
        lower: float = -np.inf,
        upper: float = np.inf,
    ) -> None:
        """Add ``lower <= sum coefficients * columns <= upper``.

        Entries of one column are added up; zeros are dropped.
        """
        index = np.asarray(columns, dtype=np.int64).ravel()
        value = np.broadcast_to(np.asarray(coefficients, dtype=np.float64).ravel(), index.shape)
        if index.size > 1 and np.any(np.diff(index) <= 0):  # unsorted: repeats are possible
            index, inverse = np.unique(index, return_inverse=True)
            value = np.bincount(inverse, weights=value, minlength=index.size).astype(np.float64)
        keep = value != 0.0
        self._column.append(index[keep])
        self._coefficient.append(value[keep])
        self._row_length.append(int(keep.sum()))
        self._row_lower.append(lower)
        self._row_upper.append(upper)
        self.row_count += 1

    def arrays(self) -> LinearArrays:
        """Return the finished model."""
        columns = self._columns or [(*(np.empty(0),) * 3, np.empty(0, dtype=bool))]
        cost, lower, upper, integer = (np.concatenate(part) for part in zip(*columns, strict=True))
        start = np.concatenate([[0], np.cumsum(self._row_length, dtype=np.int64)]).astype(np.int64)
        return LinearArrays(
            cost=cost,
            lower=lower,
            upper=upper,
            integer=integer,
            row_lower=np.asarray(self._row_lower, dtype=np.float64),
            row_upper=np.asarray(self._row_upper, dtype=np.float64),
            row_start=start,
            column=np.concatenate([*self._column, np.empty(0, dtype=np.int64)]),
            coefficient=np.concatenate([*self._coefficient, np.empty(0)]),
        )
