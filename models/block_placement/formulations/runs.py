"""`block-placement`: `runs` (ours, strongest), a column per run (spec section "Exact 3").

``z[t,a,b]``: servers of group t that host [a,b); ``g[c,t,l,b]``: sessions of client c that enter
a server of group t at boundary l and leave it at b. A group is one server. *Pooled*, it is all
servers of a type: then the model is a relaxation, for slots of two servers are not one store, but
with the same linear relaxation at a fraction of the size.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.formulations.common import (
    MAX_COLUMNS,
    MAX_NONZEROS,
    Run,
    Visit,
    cost_scale_s,
    hosting_types,
    hosts,
    in_order,
    layout,
    limited,
    require_size,
    to_solution,
)
from shardopt.models.block_placement.tables import FloatArray, IntArray, Tables
from shardopt.models.formulation import LinearFormulation
from shardopt.models.linear import LinearModel


@dataclass(frozen=True)
class Group:
    """The columns of identical servers.

    Attributes
    ----------
    servers
        Their indices.
    most, slots
        U_j and ``n_j(m)`` of each of them.
    start, stop
        ``int[visit]``, by stop and then start: all that fit into a run.
    g
        ``int[client, visit]``: sessions that enter at ``start`` and leave at ``stop``.
    first, last, size
        ``int[run]``, by last and then first: a run of the blocks [first, last) on a server that
        keeps memory for ``size`` blocks.
    z
        ``int[run]``.
    """

    servers: tuple[int, ...]
    most: int
    slots: IntArray
    start: IntArray
    stop: IntArray
    g: IntArray
    first: IntArray
    last: IntArray
    size: IntArray
    z: IntArray

    def visits_to(self, stop: int) -> slice:
        """Return the places of all visits that stop there, their starts rising by one."""
        return _at(self.stop, stop)

    def runs_to(self, stop: int) -> slice:
        """Return the places of all runs that stop there, their starts rising."""
        return _at(self.last, stop)


def _at(values: IntArray, value: int) -> slice:
    first, after = np.searchsorted(values, [value, value + 1])
    return slice(int(first), int(after))


@dataclass(frozen=True)
class Program:
    """The model being built."""

    tables: Tables
    model: LinearModel
    groups: list[Group]

    @property
    def demand(self) -> list[int]:
        """D_c by client."""
        return [int(sessions) for sessions in self.tables.sessions]

    def nested(self) -> Iterator[tuple[Group, slice, slice, int]]:
        """Yield group, the runs and the visits to b that start by q, and b - q: for all q < b."""
        for group in self.groups:
            for b in range(1, self.tables.block_count + 1):
                runs, visits = group.runs_to(b), group.visits_to(b)
                for place in range(visits.start, visits.stop):
                    q = int(group.start[place])
                    started = int(np.searchsorted(group.first[runs], q, side="right"))
                    by_q = slice(runs.start, runs.start + started)
                    yield group, by_q, slice(visits.start, place + 1), b - q


def build(
    instance: Instance,
    *,
    pooled: bool = False,
    relaxed: bool = False,
    ceiling_s: float | None = None,
    objective: float | None = None,
) -> LinearFormulation:
    """Build the model.

    ``relaxed`` leaves integrality out; steps dearer than ``ceiling_s`` are charged that; plans
    dearer than ``objective`` may be left out.
    """
    tables = limited(instance, ceiling_s, objective)
    types = hosting_types(tables)
    p = columns(tables, types if pooled else [(j,) for j in hosts(tables)], relaxed)
    one_run(p)
    flow(p)
    slots(p)
    count(p)
    trim(p)
    if not pooled:
        earlier_twin_stops_first(p, types)
    return LinearFormulation(
        p.model,
        lambda values: None if relaxed else decode(p, values),
        lambda plan: _encode(p, plan),
        unit=cost_scale_s(tables) / instance.session_count,
    )


def columns(
    tables: Tables, groups: list[tuple[int, ...]], relaxed: bool, *, clipped: bool = False
) -> Program:
    """Return the model without rows; each of ``groups`` lists identical servers.

    ``clipped``: there are also runs from the first block on that keep memory for more blocks.
    """
    runs = sum(float(tables.block_count * tables.U[servers[0]]) for servers in groups)
    require_size((1 + tables.client_count) * runs, nonzeros(tables, groups))
    model = LinearModel()
    made = [_group(tables, model, servers, relaxed, clipped) for servers in groups]
    return Program(tables, model, made)


def fits(tables: Tables) -> bool:
    """Return whether the model with a group per server is small enough to be built."""
    groups: list[tuple[int, ...]] = [(j,) for j in hosts(tables)]
    columns = (1.0 + tables.client_count) * tables.block_count * float(tables.U.sum())
    return columns <= MAX_COLUMNS and nonzeros(tables, groups) <= MAX_NONZEROS


def nonzeros(tables: Tables, groups: list[tuple[int, ...]]) -> float:
    """Return about how many entries the rows `slots` and `count` have."""
    clients, blocks = tables.client_count, tables.block_count
    rows = 2.0 + (clients > 1) * clients
    most = [float(tables.U[servers[0]]) for servers in groups]
    return rows * (1 + clients) * sum(blocks * m * m / 2 for m in most)


def _group(
    tables: Tables, model: LinearModel, servers: tuple[int, ...], relaxed: bool, clipped: bool
) -> Group:
    j = servers[0]
    most = int(tables.U[j])
    ends = [
        (start, stop)
        for stop in range(1, tables.block_count + 1)
        for start in range(max(0, stop - most), stop)
    ]
    start, stop = np.array(ends, dtype=np.int64).T
    runs = [
        (start, stop, size)
        for start, stop in ends
        for size in range(stop - start, most + 1 if clipped and start == 0 else stop - start + 1)
    ]
    first, last, size = np.array(runs, dtype=np.int64).T
    z = model.add_columns(first.size, upper=float(len(servers)), integer=not relaxed)
    g = []
    for c, limit in enumerate(tables.limit[:, j]):
        cost = tables.fixed[c, j] + tables.per_block[c, j] * (stop - start)
        upper = float(limit)
        scaled = cost / cost_scale_s(tables)
        g.append(model.add_columns(start.size, cost=scaled, upper=upper, integer=not relaxed))
    slots = tables.slots[j]
    return Group(servers, most, slots, start, stop, np.array(g), first, last, size, z)


def one_run(p: Program) -> None:
    """sum_{a,b} z[t,a,b] <= servers in the group."""
    for group in p.groups:
        p.model.add_row(group.z, upper=float(len(group.servers)))


def flow(p: Program) -> None:
    """Per client and boundary as many enter as leave; D_c enter at 0."""
    for c, sessions in enumerate(p.demand):
        for boundary in range(p.tables.block_count):
            enter = [group.g[c, group.start == boundary] for group in p.groups]
            leave = [group.g[c, group.stop == boundary] for group in p.groups]
            columns = np.concatenate([*enter, *leave, np.empty(0, dtype=np.int64)])
            sizes = [sum(map(len, enter)), sum(map(len, leave))]
            demand = float(sessions) if boundary == 0 else 0.0
            p.model.add_row(columns, np.repeat([1.0, -1.0], sizes), lower=demand, upper=demand)


def slots(p: Program) -> None:
    """sum_c sum_{l<=q} (b-l) g[c,l,b] <= sum_{a<=q} n(b-a) z[a,b] for all q < b.

    For q = b - 1 that is memory; the others forbid to enter a run before its start.
    """
    for group, runs, visits, _ in p.nested():
        # More slots than all sessions can fill would only blow up the coefficients.
        longest = group.last[runs] - group.first[runs]
        everything = p.tables.limit[:, group.servers[0]].sum() * longest
        free = np.minimum(group.slots[group.size[runs]], everything)
        taken = group.stop[visits] - group.start[visits]
        columns = np.concatenate([group.z[runs], group.g[:, visits].ravel()])
        values = np.concatenate([-free, *[taken] * len(group.g)]).astype(np.float64)
        p.model.add_row(columns, values, upper=0.0)


def count(p: Program) -> None:
    """sum_{c in C} sum_{l<=q} g <= sum_{a<=q} min(D_C, floor(n(b-a) / (b-q))) z[a,b] (a cut).

    A session that enters at l <= q takes at least b - q slots. C is each client, and all.
    """
    clients = range(len(p.demand))
    sets = [[c] for c in clients] if len(clients) == 1 else [*([c] for c in clients), [*clients]]
    for group, runs, visits, least in p.nested():
        at_most = group.slots[group.size[runs]] // least
        for chosen in sets:
            served = np.minimum(at_most, p.tables.limit[chosen, group.servers[0]].sum())
            entered = group.g[chosen, visits].ravel()
            columns = np.concatenate([group.z[runs], entered])
            values = np.concatenate([-served, np.ones(entered.size)])
            p.model.add_row(columns, values, upper=0.0)


def trim(p: Program) -> None:
    """z[a,b] <= sum_c g[c,a,b]: some session runs the first block (a cut)."""
    for group in p.groups:
        for z, entered in zip(group.z, group.g.T, strict=True):
            values = [1.0, *(-1.0 for _ in entered)]
            p.model.add_row([z, *entered], values, upper=0.0)


def cover(p: Program) -> None:
    """Every block is hosted, and by k servers unless fewer have room for all sessions on it.

    A run [a,b) serves ``n(b-a) // (b-l)`` sessions on block l. Rounding up the demand times
    (k - 1)/R and a little gives each run a weight of up to k, and all that host l a sum of k. No
    gain for the relaxation, but for constraint models.
    """
    everybody = p.tables.session_count
    for block, k in itertools.product(range(p.tables.block_count), (1, 2, 3)):
        columns, values = [], []
        for group in p.groups:
            hosting = np.flatnonzero((group.first <= block) & (group.last > block))
            free, after = group.slots[group.size[hosting]], group.last[hosting] - block
            served = np.minimum(free // after, everybody)
            columns.append(group.z[hosting])
            values.append(np.where(served > 0, np.minimum(k, (k - 1) * served // everybody + 1), 0))
        p.model.add_row(np.concatenate(columns), np.concatenate(values) * 1.0, lower=float(k))


def earlier_twin_stops_first(p: Program, types: list[tuple[int, ...]]) -> None:
    """Break symmetry: sum b z[j] <= sum b z[j'] for identical j, j'."""
    group_of = {group.servers[0]: group for group in p.groups}
    for members in types:
        for earlier, later in itertools.pairwise(group_of[j] for j in members):
            columns = np.concatenate([earlier.z, later.z])
            values = np.concatenate([earlier.last, -later.last]).astype(np.float64)
            p.model.add_row(columns, values, upper=0.0)


def decode(p: Program, values: FloatArray) -> Solution:
    """Return the plan; a pool's slots may not suffice for it when they are split."""
    runs: dict[int, Run] = {}
    visits: Counter[Visit] = Counter()
    for group in p.groups:
        hosted = np.repeat(np.arange(group.z.size), np.rint(values[group.z]).astype(np.int64))
        mine: dict[int, Run] = {
            j: (int(group.first[n]), int(group.last[n]))
            for j, n in zip(group.servers, hosted, strict=False)
        }
        runs |= mine
        left = {j: int(group.slots[stop - start]) for j, (start, stop) in mine.items()}
        entered = np.rint(values[group.g]).astype(np.int64)
        for n in np.flatnonzero(entered.any(axis=0)):  # by stop, the longest visits first
            at, stop = int(group.start[n]), int(group.stop[n])
            for c, sessions in enumerate(entered[:, n]):
                visits += _spread(c, at, stop, int(sessions), mine, left)
    return to_solution(p.tables.instance, runs, visits)


def _spread(
    c: int, at: int, stop: int, sessions: int, runs: dict[int, Run], left: dict[int, int]
) -> Counter[Visit]:
    """Spread equal visits over a pool's servers, first over those that start latest.

    Where no server has room for what is left, one takes it all the same: only in a pool, whose
    slots are not one store; the routes then have to be mended.
    """
    visits: Counter[Visit] = Counter()
    able = [j for j, (start, end) in runs.items() if start <= at and end == stop]
    able.sort(key=lambda j: -runs[j][0])
    for j in able:
        taken = min(sessions, left[j] // (stop - at))
        visits[c, j, at] += taken
        left[j] -= taken * (stop - at)
        sessions -= taken
    if sessions and able:
        visits[c, able[-1], at] += sessions
    return +visits


def _encode(p: Program, solution: Solution) -> FloatArray:
    values = np.zeros(p.model.column_count)
    plan = in_order(hosting_types(p.tables), layout(p.tables, solution), key=lambda run: run[1])
    group_of = {j: group for group in p.groups for j in group.servers}
    for j, (start, stop) in plan.run.items():
        values[group_of[j].z[_place(group_of[j], start, stop)]] += 1.0
    for (c, j, at), sessions in plan.visits.items():
        group = group_of[j]
        values[group.g[c, _place(group, at, plan.run[j][1])]] += sessions
    return values


def _place(group: Group, start: int, stop: int) -> int:
    visits = group.visits_to(stop)
    first = int(group.start[visits.start])
    return int(visits.start) + start - first
