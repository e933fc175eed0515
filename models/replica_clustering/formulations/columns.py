"""`replica-clustering`: `columns` (ours), a MILP over sets of devices (spec section 5.1).

Column: x[n], how many replicas of set n are in the plan; for prefill and for decode. Equal
devices are one type, and a set is a vector of counts by type.

    max lambda,  lambda <= sum rate x over prefill,  lambda <= sum rate x over decode
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shardopt.models.formulation import CpFormulation, LinearFormulation, require_size
from shardopt.models.integer import constraint_model
from shardopt.models.linear import LinearModel
from shardopt.models.replica_clustering.data import Instance, Role, Solution
from shardopt.models.replica_clustering.grouping import Group, to_groups, to_solution
from shardopt.models.replica_clustering.tables import FloatArray, IntArray, Tables, make_tables

ROLES: tuple[Role, Role] = ("prefill", "decode")

LAMBDA = 1000.0
"""What lambda is about in the MILP, and why: backends have absolute tolerances."""
INTEGER_LAMBDA = 1e9
"""What it is about in whole numbers."""
LARGEST_SUM = 2.0**61
"""More than any sum in whole numbers."""


@dataclass(frozen=True)
class Columns:
    """Sets of devices that may become replicas.

    Attributes
    ----------
    role
        ``int[n]``, 0 for prefill and 1 for decode.
    count
        ``int[n, type]``.
    rate
        ``float[n]``, requests/s.
    batch
        ``int[n]``, the batch that has this rate.
    """

    role: IntArray
    count: IntArray
    rate: FloatArray
    batch: IntArray

    @property
    def size(self) -> int:
        """The number of columns."""
        return len(self.role)

    def take(self, which: NDArray[np.bool_]) -> Columns:
        """Return some of the columns."""
        return Columns(self.role[which], self.count[which], self.rate[which], self.batch[which])

    def chosen(self, times: IntArray) -> list[Group]:
        """Return the groups of a plan that has column n ``times[n]`` times."""
        return [
            Group(ROLES[self.role[n]], int(self.batch[n]), tuple(self.count[n].tolist()))
            for n in np.flatnonzero(times).tolist()
            for _ in range(int(times[n]))
        ]

    def times(self, groups: list[Group]) -> IntArray:
        """Return how often each column is in a plan, whatever its batches."""
        place = {
            (ROLES[role], tuple(count)): n
            for n, (role, count) in enumerate(
                zip(self.role.tolist(), self.count.tolist(), strict=True)
            )
        }
        times = np.zeros(self.size, dtype=np.int64)
        for group in groups:
            times[place[group.role, group.count]] += 1
        return times


@dataclass(frozen=True)
class Program:
    """The model being built: ``x[n]`` and lambda, ``total``; ``rate[n]`` in its unit."""

    columns: Columns
    types: tuple[tuple[int, ...], ...]
    rate: FloatArray
    model: LinearModel
    x: IntArray
    total: int


def build(instance: Instance, *, columns: Columns, rate: float, most: float) -> LinearFormulation:
    """Build the MILP.

    Parameters
    ----------
    rate
        About lambda: what rates are scaled by.
    most
        A bound on lambda; rates above it count as this.
    """
    tables, scale = make_tables(instance), LAMBDA / rate
    p = _program(tables, columns, np.minimum(columns.rate, most) * scale, most * scale)

    def decode(values: FloatArray) -> Solution:
        return _decode(p, tables, values)

    def encode(solution: Solution) -> FloatArray:
        times = columns.times(to_groups(tables, solution)).astype(np.float64)
        total = min(float((p.rate * times)[columns.role == r].sum()) for r in (0, 1))
        return np.append(times, total)

    return LinearFormulation(p.model, decode, encode, unit=scale, reciprocal=True)


def build_integer(
    instance: Instance, *, columns: Columns, rate: float, most: float
) -> CpFormulation:
    """Build the same for CP-SAT; rates are rounded UP, so that its bound on lambda stays one."""
    tables = make_tables(instance)
    scale = INTEGER_LAMBDA / rate
    largest = most * float(_most_times(tables.types.members, columns).sum() + 1.0)
    scale = min(scale, LARGEST_SUM / largest)
    rates = np.ceil(np.minimum(columns.rate, most) * scale)
    p = _program(tables, columns, rates, np.ceil(most * scale))

    def decode(values: list[int]) -> Solution:
        return _decode(p, tables, np.array(values, dtype=np.float64))

    def encode(solution: Solution) -> dict[int, int]:
        times = columns.times(to_groups(tables, solution))
        return dict(enumerate(times.tolist()))

    model = constraint_model(p.model.arrays(), cutoff=0.0, scale=1.0)
    return CpFormulation(model, decode, encode, unit=scale, reciprocal=True, by_relaxation=True)


def _program(tables: Tables, columns: Columns, rate: FloatArray, most: float) -> Program:
    require_size(columns.size, float((columns.count > 0).sum()) + 2.0 * columns.size)
    model = LinearModel()
    upper = _most_times(tables.types.members, columns)
    x = model.add_columns(columns.size, upper=upper, integer=True)
    total = int(model.add_columns(1, cost=-1.0, upper=most)[0])
    p = Program(columns, tables.types.members, rate, model, x, total)
    phase_rate(p)
    device_once(p)
    role_count(p)
    return p


def phase_rate(p: Program) -> None:
    """Lambda is at most the sum of rates, in each of the two phases."""
    for role in (0, 1):
        mine = p.columns.role == role
        row = np.append(p.x[mine], p.total), np.append(p.rate[mine], -1.0)
        p.model.add_row(*row, lower=0.0)


def device_once(p: Program) -> None:
    """No more devices of a type than there are."""
    for i, members in enumerate(p.types):
        used = np.flatnonzero(p.columns.count[:, i])
        p.model.add_row(p.x[used], p.columns.count[used, i], upper=float(len(members)))


def role_count(p: Program) -> None:
    """At least one replica of each role."""
    for role in (0, 1):
        p.model.add_row(p.x[p.columns.role == role], lower=1.0)


def _most_times(types: tuple[tuple[int, ...], ...], columns: Columns) -> FloatArray:
    """Return how often the devices are there for each column."""
    available = np.array([len(members) for members in types])
    times = available / np.maximum(columns.count, 1)
    most: FloatArray = np.where(columns.count > 0, times, available.sum()).min(axis=1)
    return np.floor(most)


def _decode(p: Program, tables: Tables, values: FloatArray) -> Solution:
    times = np.rint(values[p.x]).astype(np.int64)
    return to_solution(tables, p.columns.chosen(times))
