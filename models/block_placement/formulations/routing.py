"""`block-placement`: `routing`, optimal routes for a given placement (spec section "Exact").

Published as a min-cost integral multicommodity flow with node capacities; smaller (ours):
integer ``f[c, arc]``, sessions of client c on an arc. An arc is a server and a boundary at
which its run is entered: 0, or the stop of another run; it leads to the stop of its own.
Memory stands in slots, so that every number in its rows is an integer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shardopt.models.block_placement.data import Hosting, Instance, Route, Solution
from shardopt.models.block_placement.tables import FloatArray, IntArray, Tables, make_tables
from shardopt.models.formulation import LinearFormulation
from shardopt.models.linear import LinearModel

Arc = tuple[int, int, int]
"""Server, boundary at which its run is entered, and its stop."""


@dataclass(frozen=True)
class Program:
    """The model being built: columns ``flow[client, arc]``; ``blocks[arc]`` run on each arc."""

    tables: Tables
    placement: tuple[Hosting, ...]
    arcs: list[Arc]
    blocks: IntArray
    model: LinearModel
    flow: IntArray


def build(
    instance: Instance,
    *,
    placement: Sequence[Hosting],
    unit: float,
    slots: Mapping[str, int] | None = None,
    relaxed: bool = False,
) -> LinearFormulation:
    """Build the model.

    Parameters
    ----------
    unit
        Seconds that 1.0 of the model's objective stands for.
    slots
        Slots of each server by name; by default all that its memory has beside its run.
    relaxed
        Sessions may be split into fractions.
    """
    tables = make_tables(instance)
    p = _columns(tables, tuple(placement), unit, relaxed)
    demand_and_flow(p)
    memory(p, slots)
    return LinearFormulation(
        p.model, lambda values: _decode(p, values), lambda plan: _encode(p, plan), unit
    )


def _columns(tables: Tables, placement: tuple[Hosting, ...], unit: float, relaxed: bool) -> Program:
    arcs = useful_arcs(tables, placement)
    server = np.array([j for j, _, _ in arcs], dtype=np.int64)
    blocks = np.array([stop - at for _, at, stop in arcs], dtype=np.int64)
    model = LinearModel()
    cost = tables.fixed[:, server] + tables.per_block[:, server] * blocks
    cost /= tables.instance.session_count * unit
    upper = np.repeat([c.sessions for c in tables.instance.clients], len(arcs))
    flow = model.add_columns(cost.size, cost=cost.ravel(), upper=upper, integer=not relaxed)
    return Program(tables, placement, arcs, blocks, model, flow.reshape(cost.shape))


def useful_arcs(tables: Tables, placement: Sequence[Hosting]) -> list[Arc]:
    """Return the arcs that lie on some path from boundary 0 to L, by boundary and server."""
    index = tables.instance.server_index()
    boundaries = {0, *(run.stop for run in placement)}
    arcs = sorted(
        (at, index[run.server], run.stop)
        for run in placement
        for at in boundaries
        if run.start <= at < run.stop
    )
    reached = {0}
    for at, _, stop in arcs:
        if at in reached:
            reached.add(stop)
    led = {tables.block_count}  # boundaries from which a path leads to the end
    for at, _, stop in sorted(arcs, key=lambda arc: -arc[0]):
        if stop in led:
            led.add(at)
    return [(j, at, stop) for at, j, stop in arcs if at in reached and stop in led]


def demand_and_flow(p: Program) -> None:
    """D_c sessions leave boundary 0; as many leave every other boundary as arrive there."""
    boundaries = {0} | {stop for _, _, stop in p.arcs} - {p.tables.block_count}
    for boundary in sorted(boundaries):
        leave = [n for n, (_, at, _) in enumerate(p.arcs) if at == boundary]
        arrive = [n for n, (_, _, stop) in enumerate(p.arcs) if stop == boundary]
        values = np.repeat([1.0, -1.0], [len(leave), len(arrive)])
        for flow, client in zip(p.flow, p.tables.instance.clients, strict=True):
            demand = float(client.sessions) if boundary == 0 else 0.0
            p.model.add_row(flow[leave + arrive], values, lower=demand, upper=demand)


def memory(p: Program, slots: Mapping[str, int] | None) -> None:
    """Sum of k over all sessions through j <= n_j, in slots."""
    index = p.tables.instance.server_index()
    for run in p.placement:
        j = index[run.server]
        mine = [n for n, arc in enumerate(p.arcs) if arc[0] == j]
        free = int(p.tables.slots[j, run.stop - run.start]) if slots is None else slots[run.server]
        blocks = np.tile(p.blocks[mine], len(p.flow)).astype(np.float64)
        p.model.add_row(p.flow[:, mine].ravel(), blocks, upper=float(free))


def _decode(p: Program, values: FloatArray) -> Solution:
    """Split each client's flow into paths, always along the first arc that has sessions left."""
    names = [server.name for server in p.tables.instance.servers]
    routes = []
    for flow, client in zip(p.flow, p.tables.instance.clients, strict=True):
        left = np.rint(values[flow]).astype(np.int64)
        for _ in range(len(p.arcs)):
            path = _first_path(p, left)
            if not path:
                break
            sessions = int(left[path].min())
            left[path] -= sessions
            servers = tuple(names[p.arcs[n][0]] for n in path)
            routes.append(Route(client.name, servers, sessions))
    return Solution(p.placement, tuple(routes))


def _first_path(p: Program, left: IntArray) -> list[int]:
    path: list[int] = []
    at = 0
    for n, (_, enters, stop) in enumerate(p.arcs):  # sorted by the boundary that is entered
        if enters == at and left[n] > 0:
            path.append(n)
            at = stop
    return path


def _encode(p: Program, solution: Solution) -> FloatArray:
    values = np.zeros(p.model.column_count)
    index, clients = p.tables.instance.server_index(), p.tables.instance.client_index()
    arc_of = {(j, at): n for n, (j, at, _) in enumerate(p.arcs)}
    for route in solution.routes:
        at = 0
        for server in route.path:
            arc = arc_of[index[server], at]
            values[p.flow[clients[route.client], arc]] += route.sessions
            at = p.arcs[arc][2]
    return values
