"""`gsa`: greedy server assignment (arXiv 2512.21884), one client and equal runs everywhere.

The blocks are cut into stages of m blocks, and every server hosts one stage.
"""

from __future__ import annotations

import itertools

import numpy as np

from shardopt.models.block_placement.data import Hosting, Instance, Route, Solution
from shardopt.models.block_placement.tables import IntArray, Tables, make_tables
from shardopt.models.errors import InputError
from shardopt.models.result import Result
from shardopt.solvers.block_placement.greedy_placement import (
    SUM_TOLERANCE,
    block_counts,
    decode_times,
    nothing_found,
    require_design_sessions,
)
from shardopt.solvers.budget import Budget
from shardopt.solvers.finish import finish


def gsa(
    instance: Instance, *, design_sessions: int | None = None, blocks_per_server: int | None = None
) -> Result:
    """Assign servers to stages greedily; each session takes the fastest server with room left.

    With several clients it finds nothing.

    Parameters
    ----------
    design_sessions
        Sessions that every stage is made for; by default all of the instance.
    blocks_per_server
        m; by default the smallest of `cg-bp`'s block counts that is not 0.
    """
    require_design_sessions(design_sessions)
    if blocks_per_server is not None and not 1 <= blocks_per_server <= instance.block_count:
        expected = f"an integer from 1 to {instance.block_count}"
        raise InputError(str(blocks_per_server), expected, "blocks_per_server")
    budget = Budget()
    tables = make_tables(instance)
    sessions = instance.session_count if design_sessions is None else design_sessions
    plan = None
    if len(instance.clients) == 1:
        plan = _plan(tables, sessions, blocks_per_server)
    if plan is None:
        return nothing_found(tables, "gsa", budget)
    return finish(instance, "gsa", budget, [plan])


def _plan(tables: Tables, sessions: int, m: int | None) -> Solution | None:
    counts = block_counts(tables, sessions)
    if m is None:
        if not counts.any():
            return None
        m = int(counts[counts > 0].min())
    servers = np.flatnonzero((counts > 0) & (m <= tables.U))
    stage_of = assign(tables, servers, sessions, m)
    if stage_of is None:
        return None
    return _route(tables, stage_of, m)


def assign(tables: Tables, servers: IntArray, sessions: int, m: int) -> dict[int, int] | None:
    """Return the stage of each server; ``None`` if a stage has room for too few sessions."""
    stages = -(-tables.block_count // m)
    decode, farthest = decode_times(tables.instance)
    cost = {int(j): float(farthest[j] + decode[j] * m) for j in servers}
    worst = max(cost.values(), default=0.0) + 1.0  # t0
    time, capacity = np.full(stages, sessions * worst), np.zeros(stages)
    stage_of: dict[int, int] = {}
    for j in sorted(cost, key=lambda j: (cost[j], j)):
        short = capacity < sessions
        if short.any():
            waiting = np.where(short, time, -np.inf)
            largest = waiting.max()
            stage = int(np.argmax(waiting >= largest - SUM_TOLERANCE * abs(largest)))
        else:
            stage = int(np.argmin(capacity))
        room = int(tables.slots[j, m]) // m  # f_j
        time[stage] -= (worst - cost[j]) * min(max(0.0, sessions - capacity[stage]), room)
        capacity[stage] += room
        stage_of[j] = stage
    return stage_of if (capacity >= sessions).all() else None


def _route(tables: Tables, stage_of: dict[int, int], m: int) -> Solution | None:
    """Fill the servers of every stage, fastest first, and join what the stages have in common."""
    instance, client = tables.instance, tables.instance.clients[0]
    stages = [(a, min(a + m, tables.block_count)) for a in range(0, tables.block_count, m)]
    filled: list[list[tuple[int, int]]] = []  # by stage: (server, sessions up to and with it)
    for n, (start, stop) in enumerate(stages):
        blocks = stop - start
        cost = tables.fixed[0] + tables.per_block[0] * blocks
        servers = sorted((j for j in stage_of if stage_of[j] == n), key=lambda j: (cost[j], j))
        rooms = [int(tables.slots[j, blocks]) // blocks for j in servers]
        ends = [min(end, client.sessions) for end in itertools.accumulate(rooms)]
        if not ends or ends[-1] < client.sessions:
            return None
        filled.append(list(zip(servers, ends, strict=True)))
    routes, done = [], 0
    for end in sorted({end for stage in filled for _, end in stage} - {0}):
        path = [next(j for j, upto in stage if upto > done) for stage in filled]
        names = tuple(instance.servers[j].name for j in path)
        routes.append(Route(client.name, names, end - done))
        done = end
    placement = tuple(
        Hosting(instance.servers[j].name, *stages[stage_of[j]]) for j in sorted(stage_of)
    )
    return Solution(placement, tuple(routes))
