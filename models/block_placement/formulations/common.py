"""`block-placement`: what several formulations need beside the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shardopt.models.block_placement.bounds import within
from shardopt.models.block_placement.data import Hosting, Instance, Route, Solution
from shardopt.models.block_placement.tables import Tables, make_tables
from shardopt.models.formulation import TooLargeError

MAX_COLUMNS = 5e6
MAX_NONZEROS = 5e7

UNITS_PER_SESSION = 2.0**25
"""Costs of constraint models; finer ones make them slower. Rounding takes 3e-8 a visit."""

Run = tuple[int, int]
"""A run [start, stop)."""
Visit = tuple[int, int, int]
"""Client, server, and the boundary at which its run is entered."""


@dataclass(frozen=True)
class Layout:
    """A plan by indices: the run of every server that hosts one, the sessions of every visit."""

    run: dict[int, Run]
    visits: Counter[Visit]


def require_size(columns: float, nonzeros: float = 0.0) -> None:
    """Refuse a model whose estimated size is beyond what fits in memory."""
    if columns > MAX_COLUMNS or nonzeros > MAX_NONZEROS:
        raise TooLargeError(
            f"the model would have about {columns:.2g} columns and {nonzeros:.2g} nonzeros; "
            f"the limits are {MAX_COLUMNS:.2g} and {MAX_NONZEROS:.2g}"
        )


def cost_scale_s(tables: Tables) -> float:
    """Return what costs are divided by: the largest of one block on one server."""
    return float((tables.fixed[:, :, None] + tables.per_block[:, :, None]).max()) or 1.0


def capped(tables: Tables, ceiling_s: float | None) -> Tables:
    """Return tables in which no step costs more than ``ceiling_s`` beside what its blocks cost.

    Costs only fall, so a bound stays a bound. One hopelessly slow server, or a round trip that
    stands for "unreachable", would leave all other costs without digits beside it.
    """
    if ceiling_s is None:
        return tables
    return replace(
        tables,
        fixed=np.minimum(tables.fixed, ceiling_s),
        per_block=np.minimum(tables.per_block, ceiling_s),
    )


def limited(instance: Instance, ceiling_s: float | None, objective: float | None) -> Tables:
    """Return tables with capped costs, for plans that cost ``objective`` at most."""
    tables = make_tables(instance)
    return capped(tables if objective is None else within(tables, objective), ceiling_s)


def hosts(tables: Tables) -> list[int]:
    """Return the servers that can host a block and serve a session on it."""
    return [int(j) for j in np.flatnonzero(tables.U > 0)]


def hosting_types(tables: Tables) -> list[tuple[int, ...]]:
    """Return the servers that can host, identical ones together."""
    return [members for members in tables.types.members if tables.U[members[0]] > 0]


def layout(tables: Tables, solution: Solution) -> Layout:
    """Return a plan trimmed: without blocks at the front of a run that no session runs."""
    index, clients = tables.instance.server_index(), tables.instance.client_index()
    run = {index[h.server]: (h.start, h.stop) for h in solution.placement}
    visits: Counter[Visit] = Counter()
    for route in solution.routes:
        at = 0
        for name in route.path:
            visits[clients[route.client], index[name], at] += route.sessions
            at = run[index[name]][1]
    first: dict[int, int] = {}
    for _, j, at in visits:
        first[j] = min(at, first.get(j, at))
    return Layout({j: (start, run[j][1]) for j, start in first.items()}, visits)


def in_order(types: Iterable[Sequence[int]], plan: Layout, key: Callable[[Run], int]) -> Layout:
    """Return the plan with identical servers permuted so that ``key`` of their runs rises.

    Servers without a run come first. That is the one among equal plans that symmetry breaking
    leaves.
    """
    becomes: dict[int, int] = {}
    for members in types:
        ordered = sorted(members, key=lambda j: key(plan.run[j]) if j in plan.run else -1)
        becomes |= dict(zip(ordered, members, strict=True))
    return Layout(
        {becomes[j]: run for j, run in plan.run.items()},
        Counter({(c, becomes[j], at): n for (c, j, at), n in plan.visits.items()}),
    )


def to_solution(
    instance: Instance, runs: Mapping[int, Run], visits: Mapping[Visit, int]
) -> Solution:
    """Split the visits of each client into paths, always along the first visit that is left."""
    names = [server.name for server in instance.servers]
    routes = []
    for c, client in enumerate(instance.clients):
        left = {(at, j): n for (d, j, at), n in sorted(visits.items()) if d == c and n > 0}
        while path := _first_path(instance.block_count, runs, left):
            sessions = min(left[step] for step in path)
            for step in path:
                left[step] -= sessions
            routes.append(Route(client.name, tuple(names[j] for _, j in path), sessions))
    placement = tuple(Hosting(names[j], *run) for j, run in sorted(runs.items()))
    return Solution(placement, tuple(routes))


def _first_path(
    count: int, runs: Mapping[int, Run], left: Mapping[tuple[int, int], int]
) -> list[tuple[int, int]]:
    """Return (boundary, server) of each step; nothing if no path leads to the last block."""
    path: list[tuple[int, int]] = []
    at = 0
    while at < count:
        step = next(((b, j) for (b, j), n in left.items() if b == at and n > 0), None)
        if step is None:
            return []
        path.append(step)
        at = runs[step[1]][1]
    return path
