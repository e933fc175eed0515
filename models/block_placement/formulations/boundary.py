"""`block-placement`: `boundary` (ours), sessions as a flow over blocks (spec section "Exact 2").

Per server j: binary ``y[j,l]``, it hosts block l; ``s[j,l]``, its run starts at l. Per client
c: integer ``p[c,j,l]``, sessions that run block l on j; ``e[c,j,l]``, sessions that enter j at
boundary l; ``x[c,j,l]``, sessions that leave j after block l. With y and p integer the others
are, too: x > 0 only at the end of a run, and inside it e is a difference of p.

Small, and strong where memory is loose. Its memory rows are those of the page, tightened to
integers: with w/c and M_j/c in them a backend's tolerance lets plans pass that the checker
refuses, and where w/c is a million or more it may find no plan where there is one.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

import numpy as np

from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.formulations.common import (
    UNITS_PER_SESSION,
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
from shardopt.models.formulation import CpFormulation, LinearFormulation
from shardopt.models.integer import constraint_model
from shardopt.models.linear import LinearModel

ROUNDING = 1e-9
"""Relative: a plan that costs just what is allowed stays allowed."""


@dataclass(frozen=True)
class Program:
    """The model being built.

    Attributes
    ----------
    server
        The servers that can host; the axis ``host`` below counts these.
    y, s
        ``int[host, block]``.
    p, e, x
        ``int[client, host, block]``.
    """

    tables: Tables
    server: list[int]
    model: LinearModel
    y: IntArray
    s: IntArray
    p: IntArray
    e: IntArray
    x: IntArray

    @property
    def last(self) -> int:
        """The last block, L - 1."""
        return self.tables.block_count - 1

    def limit(self, c: int, h: int) -> float:
        """Return the sessions of client c that visit a host at most."""
        return float(self.tables.limit[c, self.server[h]])

    def per_client_and_host(self) -> itertools.product[tuple[int, int]]:
        """Return all pairs (client, host)."""
        return itertools.product(range(len(self.p)), range(len(self.server)))


def build(
    instance: Instance,
    *,
    relaxed: bool = False,
    ceiling_s: float | None = None,
    objective: float | None = None,
) -> LinearFormulation:
    """Build the model.

    ``relaxed`` leaves integrality out; steps dearer than ``ceiling_s`` are charged that; plans
    dearer than ``objective`` may be left out.
    """
    p = _program(limited(instance, ceiling_s, objective), relaxed)
    return LinearFormulation(
        p.model,
        lambda values: None if relaxed else _decode(p, values),
        lambda plan: _encode(p, plan),
        unit=cost_scale_s(p.tables) / instance.session_count,
    )


def build_constraints(
    instance: Instance, *, objective: float, ceiling_s: float | None = None
) -> CpFormulation:
    """Build the model for CP-SAT, of plans that cost ``objective`` at most: all is integer."""
    p = _program(limited(instance, ceiling_s, objective), relaxed=False)
    unit = cost_scale_s(p.tables) / instance.session_count
    cutoff = objective / unit * (1 + ROUNDING)
    scale = UNITS_PER_SESSION * instance.session_count / cutoff
    return CpFormulation(
        constraint_model(p.model.arrays(), cutoff, scale),
        lambda values: _decode(p, np.array(values, dtype=float)),
        lambda plan: dict(enumerate(np.rint(_encode(p, plan)).astype(int).tolist())),
        unit=unit / scale,
    )


def _program(tables: Tables, relaxed: bool) -> Program:
    p = _columns(tables, relaxed)
    contiguous_run(p)
    flow_through_server(p)
    leave_at_end(p)
    flow_between_servers(p)
    memory(p)
    cuts(p)
    earlier_twin_starts_first(p)
    return p


def _columns(tables: Tables, relaxed: bool) -> Program:
    server = hosts(tables)
    clients, count = tables.client_count, tables.block_count
    one, all_ = (len(server), count), (clients, len(server), count)
    require_size(3.0 * np.prod(all_), 12.0 * np.prod(all_))
    model = LinearModel()
    scale = cost_scale_s(tables)

    def flow(cost: FloatArray | float = 0.0, integer: bool = False) -> IntArray:
        upper = np.broadcast_to(tables.limit[:, server, None], all_).ravel()
        costs = np.broadcast_to(cost, all_).ravel()
        columns = model.add_columns(upper.size, cost=costs, upper=upper, integer=integer)
        return columns.reshape(all_)

    size = int(np.prod(one))
    return Program(
        tables=tables,
        server=server,
        model=model,
        y=model.add_columns(size, upper=1.0, integer=not relaxed).reshape(one),
        s=model.add_columns(size, upper=1.0).reshape(one),
        p=flow(tables.per_block[:, server, None] / scale, integer=not relaxed),
        e=flow(tables.fixed[:, server, None] / scale),
        x=flow(),
    )


def contiguous_run(p: Program) -> None:
    """y[l] - y[l-1] <= s[l] <= y[l], one start at most, and at most U_j blocks."""
    for h, j in enumerate(p.server):
        for block in range(p.last + 1):
            before = [p.y[h, block - 1]] if block else []
            values = [1.0, -1.0, *(1.0 for _ in before)]
            p.model.add_row([p.s[h, block], p.y[h, block], *before], values, lower=0.0)
            p.model.add_row([p.s[h, block], p.y[h, block]], [1.0, -1.0], upper=0.0)
        p.model.add_row(p.s[h], upper=1.0)
        p.model.add_row(p.y[h], upper=float(p.tables.U[j]))


def flow_through_server(p: Program) -> None:
    """p[l] = e[l] + p[l-1] - x[l-1], and x <= p <= D_cj y."""
    for c, h in p.per_client_and_host():
        for block in range(p.last + 1):
            ran, entered, left = p.p[c, h], p.e[c, h], p.x[c, h]
            before = [ran[block - 1], left[block - 1]] if block else []
            values = [1.0, -1.0, -1.0, 1.0][: 2 + len(before)]
            p.model.add_row([ran[block], entered[block], *before], values, lower=0.0, upper=0.0)
            p.model.add_row([ran[block], left[block]], [1.0, -1.0], lower=0.0)
            p.model.add_row([ran[block], p.y[h, block]], [1.0, -p.limit(c, h)], upper=0.0)


def leave_at_end(p: Program) -> None:
    """x[l] <= D_cj (1 - y[l+1]): a server is never left early."""
    for c, h in p.per_client_and_host():
        for block in range(p.last):
            columns = [p.x[c, h, block], p.y[h, block + 1]]
            p.model.add_row(columns, [1.0, p.limit(c, h)], upper=p.limit(c, h))


def flow_between_servers(p: Program) -> None:
    """As many enter as leave at every boundary; D_c enter at 0 and leave at L."""
    for c, sessions in enumerate(p.tables.sessions):
        demand = float(sessions)
        p.model.add_row(p.e[c, :, 0], lower=demand, upper=demand)
        p.model.add_row(p.x[c, :, p.last], lower=demand, upper=demand)
        for boundary in range(1, p.last + 1):
            columns = np.concatenate([p.e[c, :, boundary], p.x[c, :, boundary - 1]])
            values = np.repeat([1.0, -1.0], len(p.server))
            p.model.add_row(columns, values, lower=0.0, upper=0.0)


def memory(p: Program) -> None:
    """sum_{c,l} p <= n_j(sum_l y), by the lines of its least concave majorant.

    (w/c) sum_l y + sum_{c,l} p <= M_j/c is a concave majorant, too, and n_j its floor: so no
    whole number fits between. The least one is tighter, and all its numbers are integers.
    """
    for h, j in enumerate(p.server):
        size = np.arange(p.tables.U[j] + 1)
        free = np.minimum(p.tables.slots[j, size], p.tables.limit[:, j].sum() * size)
        columns = np.concatenate([p.y[h], p.p[:, h].ravel()])
        sizes = [p.last + 1, p.p[:, h].size]
        for (m, n), (later, more) in itertools.pairwise(_majorant(free)):
            run, rise = later - m, more - n
            values = np.repeat([-float(rise), float(run)], sizes)
            p.model.add_row(columns, values, upper=float(run * n - rise * m))


def _majorant(values: IntArray) -> list[tuple[int, int]]:
    """Return the corners (place, value) of the least concave function above ``values``."""
    corners: list[tuple[int, int]] = []
    for place, value in enumerate(values.tolist()):
        while len(corners) > 1:
            (a, low), (b, high) = corners[-2:]
            if (high - low) * (place - a) > (value - low) * (b - a):
                break
            corners.pop()
        corners.append((place, value))
    return corners


def cuts(p: Program) -> None:
    """sum_l p <= U_j sum_l e; sum_l e <= D_cj; p[l] <= sum of e over the last U_j boundaries."""
    for c, h in p.per_client_and_host():
        most = int(p.tables.U[p.server[h]])
        columns = np.concatenate([p.p[c, h], p.e[c, h]])
        p.model.add_row(columns, np.repeat([1.0, -float(most)], p.last + 1), upper=0.0)
        p.model.add_row(p.e[c, h], upper=p.limit(c, h))
        for block in range(p.last + 1):
            entered = p.e[c, h, max(0, block - most + 1) : block + 1]
            values = [1.0, *(-1.0 for _ in entered)]
            p.model.add_row([p.p[c, h, block], *entered], values, upper=0.0)


def earlier_twin_starts_first(p: Program) -> None:
    """Break symmetry: sum_l (l+1) s[j] <= sum_l (l+1) s[j'] for identical j, j'."""
    place = {j: h for h, j in enumerate(p.server)}
    weight = np.arange(1.0, p.last + 2)
    for members in hosting_types(p.tables):
        for j, later in itertools.pairwise(members):
            columns = np.concatenate([p.s[place[j]], p.s[place[later]]])
            p.model.add_row(columns, np.concatenate([weight, -weight]), upper=0.0)


def _decode(p: Program, values: FloatArray) -> Solution:
    runs: dict[int, Run] = {}
    visits: dict[Visit, int] = {}
    for h, j in enumerate(p.server):
        blocks = np.flatnonzero(values[p.y[h]] > 0.5)
        if blocks.size == 0:
            continue
        runs[j] = (int(blocks[0]), int(blocks[-1]) + 1)
        entered = np.rint(values[p.e[:, h]]).astype(np.int64)
        for c, at in np.argwhere(entered > 0):
            visits[int(c), j, int(at)] = int(entered[c, at])
    return to_solution(p.tables.instance, runs, visits)


def _encode(p: Program, solution: Solution) -> FloatArray:
    values = np.zeros(p.model.column_count)
    types = hosting_types(p.tables)
    plan = in_order(types, layout(p.tables, solution), key=lambda run: run[0])
    place = {j: h for h, j in enumerate(p.server)}
    for j, (start, stop) in plan.run.items():
        values[p.y[place[j], start:stop]] = 1.0
        values[p.s[place[j], start]] = 1.0
    left: Counter[Visit] = Counter()
    for (c, j, at), sessions in plan.visits.items():
        stop = plan.run[j][1]
        values[p.e[c, place[j], at]] += sessions
        values[p.p[c, place[j], at:stop]] += sessions
        left[c, j, stop] += sessions
    for (c, j, stop), sessions in left.items():
        values[p.x[c, place[j], stop - 1]] = sessions
    return values
