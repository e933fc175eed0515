"""`replica-clustering`: the sets that column generation knows, and the relaxation over them."""

from __future__ import annotations

import highspy
import numpy as np

from shardopt.models.replica_clustering.formulations.columns import Columns
from shardopt.models.replica_clustering.tables import IntArray
from shardopt.solvers.backends.contract import BackendError
from shardopt.solvers.replica_clustering.modes import Prices
from shardopt.solvers.replica_clustering.rates import ROLES, RateModel, rate_sets


class Pool:
    """Sets of devices with their true rates, each once for each role."""

    def __init__(self, model: RateModel) -> None:
        self._model = model
        self._number: dict[tuple[int, tuple[int, ...]], int] = {}
        self._rate: list[float] = []
        self._batch: list[int] = []

    def add(self, role: int, counts: IntArray) -> list[tuple[tuple[int, ...], float]]:
        """Add the sets ``counts[n, type]`` that are new; return them with their rates."""
        new = [c for c in map(tuple, counts.tolist()) if (role, c) not in self._number]
        new = list(dict.fromkeys(new))
        if not new:
            return []
        sets = [(np.flatnonzero(c), np.array([n for n in c if n > 0])) for c in new]
        rate, batch = rate_sets(self._model, sets, "best")
        for n, c in enumerate(new):
            self._number[role, c] = len(self._rate)
            self._rate.append(float(rate[n, role]))
            self._batch.append(int(batch[n, role]))
        return list(zip(new, rate[:, role].tolist(), strict=True))

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self._rate)

    def columns(self) -> Columns:
        """Return all of them that can serve."""
        keys, rate = list(self._number), np.array(self._rate)
        serving = rate > 0.0
        role = np.array([role for role, _ in keys], dtype=np.int64)
        count = np.array([c for _, c in keys], dtype=np.int64)
        count = count.reshape(len(keys), self._model.type_count)
        batch = np.array(self._batch, dtype=np.int64)
        return Columns(role[serving], count[serving], rate[serving], batch[serving])


class Relaxation:
    """The relaxation of `columns`, to which columns are added (HiGHS' simplex)."""

    def __init__(self, model: RateModel, scale: float, seed: int) -> None:
        self._scale = scale
        highspy.Highs.resetGlobalScheduler(True)  # it keeps the first run's number of threads
        self._highs = highspy.Highs()
        for name, value in (
            ("output_flag", False),
            ("threads", 1),
            ("parallel", "off"),
            ("random_seed", seed % 2**31),
        ):
            self._highs.setOptionValue(name, value)
        none, nothing = np.empty(0, dtype=np.int32), np.empty(0)
        for _ in ROLES:
            self._highs.addRow(0.0, np.inf, 0, none, nothing)
        for most in model.available.tolist():
            self._highs.addRow(-np.inf, float(most), 0, none, nothing)
        rows = np.array([0, 1], dtype=np.int32)
        self._highs.addCol(-1.0, 0.0, np.inf, 2, rows, np.array([-1.0, -1.0]))  # lambda

    def add(self, role: int, counts: tuple[int, ...], rate: float) -> None:
        """Add a column."""
        used = [i for i, n in enumerate(counts) if n > 0]
        rows = np.array([role, *(2 + i for i in used)], dtype=np.int32)
        values = np.array([rate * self._scale, *(float(counts[i]) for i in used)])
        self._highs.addCol(0.0, 0.0, np.inf, len(rows), rows, values)

    def solve(self) -> Prices:
        """Return what the optimum's duals say."""
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            native = self._highs.modelStatusToString(status)
            raise BackendError(f"HiGHS ended the relaxation with {native!r}")
        dual = np.array(self._highs.getSolution().row_dual)
        weight, cost = np.maximum(dual[:2], 0.0), np.maximum(-dual[2:], 0.0)
        return Prices(weight * self._scale / weight.sum(), cost / weight.sum())
