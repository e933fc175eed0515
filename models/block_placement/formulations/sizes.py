"""`block-placement`: pooled `runs` with the sizes of runs as columns to branch on (ours).

The relaxation moves when sizes are decided and hardly when positions are: stages can be permuted
at almost no cost, and a relaxation mixes them. So a search decides sizes with the relaxation, by
``N[t,m]``, how many servers of type t host m blocks or more; what is left, the positions for a
*box* of sizes, is a constraint model.

Runs are *lengthened*: a run may grow at its front as long as memory has room for its visits, or
keep memory for blocks before the first one. So some optimal plan has only runs of U_j blocks and
runs whose visits leave no room for one block more: the use of memory decides sizes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.formulations import runs
from shardopt.models.block_placement.formulations.common import (
    UNITS_PER_SESSION,
    cost_scale_s,
    hosting_types,
    layout,
    limited,
    to_solution,
)
from shardopt.models.block_placement.formulations.packing import cover_values
from shardopt.models.block_placement.formulations.shapes import (
    Shapes,
    Visits,
    add_shapes,
    classes,
)
from shardopt.models.block_placement.tables import FloatArray, IntArray, Tables
from shardopt.models.formulation import CpFormulation, SearchFormulation, TooLargeError
from shardopt.models.integer import constraint_model
from shardopt.models.linear import LinearArrays

MAX_NONZEROS = 5e6
"""Of the relaxation, which is solved thousands of times."""


@dataclass(frozen=True)
class Counted:
    """A model of `runs` with, by group, the columns ``at_least[m - 1]``: N[t,m].

    ``classes`` lists the groups that `Shapes` does not tell apart.
    """

    program: runs.Program
    at_least: list[IntArray]
    classes: list[list[int]]
    shapes: Shapes

    def largest(self, upper: FloatArray) -> list[IntArray]:
        """Return, by class, the most blocks of each server where ``N`` is at most ``upper``."""
        parts = np.split(upper, np.cumsum([columns.size for columns in self.at_least])[:-1])
        sizes = [
            (part > np.arange(len(group.servers))[:, None]).sum(axis=1)
            for part, group in zip(parts, self.program.groups, strict=True)
        ]
        return [np.concatenate([sizes[n] for n in members]) for members in self.classes]

    @cached_property
    def arrays(self) -> LinearArrays:
        """The finished model."""
        return self.program.model.arrays()


@dataclass(frozen=True)
class SizesFormulation(SearchFormulation):
    """The relaxation, and the constraint model of any box.

    A *box* is a pair of bounds on all columns ``N``, type after type. ``cutoff``: only plans
    below it are looked for, in the model's unit; ``exhaustive``: there are no others.
    """

    tables: Tables
    unit: float
    cutoff: float
    exhaustive: bool
    offset: float = 0.0

    @cached_property
    def pooled(self) -> Counted:
        """A group per type: a relaxation, for slots of two servers are not one store."""
        return _counted(self.tables, hosting_types(self.tables))

    @cached_property
    def placed(self) -> Counted:
        """The same, with the rows that help to place runs."""
        return _counted(self.tables, hosting_types(self.tables), covered=True)

    @cached_property
    def apart(self) -> Counted:
        """A group per server."""
        types = hosting_types(self.tables)
        return _counted(self.tables, [(j,) for members in types for j in members], covered=True)

    @property
    def size(self) -> dict[str, int]:
        """Return the relaxation's size."""
        model = self.pooled.program.model
        return {"columns": model.column_count, "rows": model.row_count}

    @cached_property
    def places(self) -> list[IntArray]:
        """By type, where its columns stand among all columns ``N``."""
        after = np.cumsum([0, *(columns.size for columns in self.pooled.at_least)])
        return [np.arange(a, b) for a, b in itertools.pairwise(after)]

    def propagate(self, lower: FloatArray, upper: FloatArray) -> None:
        """Tighten a box in place: as many servers have m blocks or more as have m + 1 or more."""
        for place in self.places:
            upper[place] = np.minimum.accumulate(upper[place])
            lower[place] = np.maximum.accumulate(lower[place][::-1])[::-1]

    def sizes_within(self, lower: FloatArray, upper: FloatArray) -> float:
        """Return how many vectors of sizes a box holds (identical servers told apart)."""
        product = 1.0
        for place, members in zip(self.places, hosting_types(self.tables), strict=True):
            for rank in range(len(members)):
                product *= 1.0 + (upper[place] > rank).sum() - (lower[place] > rank).sum()
        return product

    def decode(self, plan: Solution) -> Solution:
        """Return the plan: the search reports plans and not values."""
        return plan

    def positions(
        self, lower: FloatArray, upper: FloatArray, cutoff: float, *, pooled: bool
    ) -> CpFormulation:
        """Build the constraint model of a box: its plans that cost ``cutoff`` at most."""
        model = self.placed if pooled else self.apart
        if not pooled:
            lower, upper = self._by_server(lower), self._by_server(upper)
        restricted = _restricted(model, lower, upper)
        scale = UNITS_PER_SESSION * self.tables.session_count / cutoff
        return CpFormulation(
            constraint_model(restricted, cutoff, scale),
            lambda values: self._trimmed(runs.decode(model.program, np.array(values, dtype=float))),
            lambda plan: {},
            unit=self.unit / scale,
        )

    def _by_server(self, count: FloatArray) -> FloatArray:
        """Return the bounds server by server: within a type they are ordered by falling size."""
        parts = zip(self.places, hosting_types(self.tables), strict=True)
        ranks = [count[place] > rank for place, servers in parts for rank in range(len(servers))]
        return np.concatenate(ranks).astype(np.float64)

    def _trimmed(self, plan: Solution) -> Solution:
        """Leave out what no session runs: the models let every server host something."""
        used = layout(self.tables, plan)
        return to_solution(self.tables.instance, used.run, used.visits)


def build(
    instance: Instance, *, cutoff: float | None = None, ceiling_s: float | None = None
) -> SizesFormulation:
    """Build the relaxation.

    ``cutoff`` in seconds, as the objective. No step costs more than ``ceiling_s``, which leaves
    bounds valid.
    """
    tables = limited(instance, ceiling_s, cutoff)
    unit = cost_scale_s(tables) / instance.session_count
    dearest = (tables.fixed + tables.per_block * tables.U).sum(axis=1) @ tables.sessions
    below = 1.01 * dearest / cost_scale_s(tables) or 1.0 if cutoff is None else cutoff / unit
    if not fits(tables):
        raise TooLargeError("the relaxation is too large to be solved often")
    formulation = SizesFormulation(tables, unit, below, exhaustive=cutoff is None)
    _ = formulation.pooled.arrays
    return formulation


def fits(tables: Tables) -> bool:
    """Return whether the relaxation is small enough to be solved again and again."""
    return runs.nonzeros(tables, hosting_types(tables)) <= MAX_NONZEROS


def _counted(tables: Tables, groups: list[tuple[int, ...]], *, covered: bool = False) -> Counted:
    p = runs.columns(tables, groups, relaxed=False, clipped=True)
    runs.one_run(p)
    runs.flow(p)
    runs.slots(p)
    runs.count(p)
    lengthened(p)
    if covered:  # does not move the relaxation
        runs.cover(p)
    at_least = [_count_sizes(p, group) for group in p.groups]
    cover(p, at_least)
    told_apart = classes(tables, groups)
    return Counted(p, at_least, told_apart, _shapes(p, told_apart))


def _shapes(p: runs.Program, told_apart: list[list[int]]) -> Shapes:
    visits, sizes = [], []
    for c in range(len(p.demand)):
        visits.append(
            [
                Visits(
                    np.concatenate([p.groups[n].g[c] for n in members]),
                    np.concatenate([p.groups[n].stop - p.groups[n].start for n in members]),
                )
                for members in told_apart
            ]
        )
    for members in told_apart:
        own = [[p.groups[n].most] * len(p.groups[n].servers) for n in members]
        sizes.append(np.concatenate(own))
    return add_shapes(p.model, p.tables, visits, sizes, integer=True)


def _count_sizes(p: runs.Program, group: runs.Group) -> IntArray:
    """N[t,m] - N[t,m+1] = sum of z[t,a,a+m]; N[t,1] is the number of servers."""
    servers = float(len(group.servers))
    lower = np.zeros(group.most)
    lower[0] = servers
    columns = p.model.add_columns(group.most, lower=lower, upper=servers, integer=True)
    for m in range(1, group.most + 1):
        z = group.z[group.size == m]
        ends = columns[m - 1 : m + 1]
        values = np.concatenate([np.ones(z.size), [-1.0, 1.0][: ends.size]])
        p.model.add_row(np.concatenate([z, ends]), values, lower=0.0, upper=0.0)
    return columns


def lengthened(p: runs.Program) -> None:
    """sum_c sum_l (b-l) g[c,l,b] >= sum_{a, m < U} (n(m+1) + 1) z[a,b,m] for all b.

    Otherwise a run of m blocks has room for one more.
    """
    for group in p.groups:
        for stop in range(1, p.tables.block_count + 1):
            ends, visits = group.runs_to(stop), group.visits_to(stop)
            extensible = group.size[ends] < group.most
            z, longer = group.z[ends][extensible], group.size[ends][extensible] + 1
            taken = group.stop[visits] - group.start[visits]
            columns = np.concatenate([z, group.g[:, visits].ravel()])
            values = np.concatenate([-(group.slots[longer] + 1), *[taken] * len(group.g)])
            p.model.add_row(columns, values.astype(np.float64), lower=0.0)


def cover(p: runs.Program, at_least: list[IntArray]) -> None:
    """Every block is hosted, by two servers where one cannot serve everybody (as in `packing`)."""
    values = []
    for group in p.groups:
        v = cover_values(group.slots[1 : group.most + 1], p.tables.session_count)
        values.append(2 * np.diff(v, prepend=0.0))  # twice: constraint models want whole numbers
    p.model.add_row(
        np.concatenate(at_least), np.concatenate(values), lower=2.0 * p.tables.block_count
    )


def _restricted(model: Counted, lower: FloatArray, upper: FloatArray) -> LinearArrays:
    """Return the model with the columns N within a box, and without the runs outside of it."""
    arrays, counts = model.arrays, np.concatenate(model.at_least)
    low, high = arrays.lower.copy(), arrays.upper.copy()
    low[counts], high[counts] = lower, upper
    for group, columns in zip(model.program.groups, model.at_least, strict=True):
        # Runs of m blocks exist when N[m] can be above N[m+1].
        least_longer = np.append(low[columns[1:]], 0.0)
        possible = high[columns] > least_longer
        high[group.z[~possible[group.size - 1]]] = 0.0
        longest = int(np.flatnonzero(possible).max(initial=-1)) + 1
        high[group.g[:, group.stop - group.start > longest]] = 0.0
    restricted = replace(arrays, lower=low, upper=high)
    return model.shapes.within(restricted, model.largest(upper))
