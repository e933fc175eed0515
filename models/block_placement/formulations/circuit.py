"""`block-placement`: `direct/cp-sat` (ours), a circuit per session (spec section "Exact 1").

Integers ``start[j], size[j], stop[j]`` per server; per session one circuit over its client (the
depot) and the servers, a self-loop meaning that a server is not visited, and ``k[r,j]``, the
blocks that it runs there.

Costs are integers, rounded DOWN, so that a bound on the model is a true bound.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

from ortools.sat.python import cp_model

from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.formulations.common import (
    Run,
    Visit,
    capped,
    hosts,
    layout,
    require_size,
    to_solution,
)
from shardopt.models.block_placement.tables import Tables, make_tables
from shardopt.models.formulation import CpFormulation

LARGEST_TOTAL = 2**53
"""All costs together stay below, where integers are exact as floats."""
DEPOT = -1

IntVar = cp_model.IntVar


@dataclass(frozen=True)
class Session:
    """The variables of one session; ``arc[i, j]`` by pair, `DEPOT` being its client."""

    client: int
    arc: dict[tuple[int, int], IntVar]
    unused: dict[int, IntVar]
    k: dict[int, IntVar]


@dataclass(frozen=True)
class Program:
    """The model being built; dictionaries are by server, and only of servers that can host."""

    tables: Tables
    model: cp_model.CpModel
    servers: list[int]
    start: dict[int, IntVar]
    size: dict[int, IntVar]
    stop: dict[int, IntVar]
    free: dict[int, IntVar]
    sessions: list[Session]


def build(instance: Instance, *, ceiling_s: float | None = None) -> CpFormulation:
    """Build the model; steps dearer than ``ceiling_s`` are charged that."""
    tables = capped(make_tables(instance), ceiling_s)
    servers = len(hosts(tables))
    require_size(float(instance.session_count) * (servers + 1) ** 2)
    p = _program(tables)
    run_range(p)
    for session in p.sessions:
        one_path(p, session)
        link(p, session)
        visit(p, session)
    memory(p)
    earlier_session_first(p)
    scale = _scale(tables)
    p.model.minimize(_cost(p, scale))
    return CpFormulation(
        p.model,
        lambda values: _decode(p, values),
        lambda plan: _encode(p, plan),
        unit=float(1 / (scale * instance.session_count)),
    )


def _program(tables: Tables) -> Program:
    count, servers = tables.block_count, hosts(tables)
    model = cp_model.CpModel()
    most = {j: int(tables.U[j]) for j in servers}
    ends = [DEPOT, *servers]
    sessions = [
        Session(
            client=c,
            arc={(i, j): model.new_bool_var("") for i in ends for j in ends if i != j},
            unused={j: model.new_bool_var("") for j in servers},
            k={j: model.new_int_var(0, most[j], "") for j in servers},
        )
        for c, client in enumerate(tables.instance.clients)
        for _ in range(client.sessions)
    ]
    return Program(
        tables=tables,
        model=model,
        servers=servers,
        start={j: model.new_int_var(0, count, "") for j in servers},
        size={j: model.new_int_var(0, most[j], "") for j in servers},
        stop={j: model.new_int_var(0, count, "") for j in servers},
        free={j: model.new_int_var(0, len(sessions) * most[j], "") for j in servers},
        sessions=sessions,
    )


def run_range(p: Program) -> None:
    """Let stop = start + size, and free = n_j(size)."""
    for j in p.servers:
        p.model.add(p.start[j] + p.size[j] == p.stop[j])
        most = int(p.tables.U[j])
        fill = len(p.sessions) * most  # no plan takes more slots
        slots = [min(int(n), fill) for n in p.tables.slots[j, : most + 1]]
        p.model.add_element(p.size[j], slots, p.free[j])


def one_path(p: Program, session: Session) -> None:
    """Visit servers by one circuit through the client, all L blocks on the way."""
    arcs = [(i + 1, j + 1, literal) for (i, j), literal in session.arc.items()]
    loops = [(j + 1, j + 1, literal) for j, literal in session.unused.items()]
    p.model.add_circuit([*arcs, *loops])
    p.model.add(sum(session.k.values()) == p.tables.block_count)


def link(p: Program, session: Session) -> None:
    """Enter the first server at 0 and others where the last one stopped, and end at L."""
    for (i, j), arc in session.arc.items():
        if j == DEPOT:
            p.model.add(p.stop[i] == p.tables.block_count).only_enforce_if(arc)
        else:
            at = 0 if i == DEPOT else p.stop[i]
            p.model.add(session.k[j] == p.stop[j] - at).only_enforce_if(arc)


def visit(p: Program, session: Session) -> None:
    """Run 1 <= k <= size blocks on visited servers, so none is entered before its start."""
    for j, unused in session.unused.items():
        p.model.add(session.k[j] == 0).only_enforce_if(unused)
        p.model.add(session.k[j] >= 1).only_enforce_if(~unused)
        p.model.add(session.k[j] <= p.size[j])


def memory(p: Program) -> None:
    """sum_r k <= n_j(size)."""
    for j in p.servers:
        p.model.add(sum(session.k[j] for session in p.sessions) <= p.free[j])


def earlier_session_first(p: Program) -> None:
    """Break symmetry: sessions of a client are sorted by the server that they enter first."""
    for one, two in itertools.pairwise(p.sessions):
        if one.client == two.client:
            p.model.add(_first(p, one) <= _first(p, two))


def _first(p: Program, session: Session) -> cp_model.LinearExprT:
    return sum(j * session.arc[DEPOT, j] for j in p.servers)


def _scale(tables: Tables) -> Fraction:
    """Return the largest power of ten that keeps the cost of all sessions below 2^53."""
    servers = hosts(tables)
    total = sum(
        client.sessions
        * (Fraction(tables.fixed[c, j]) + Fraction(tables.per_block[c, j]) * int(tables.U[j]))
        for c, client in enumerate(tables.instance.clients)
        for j in servers
    )
    if total == 0:
        return Fraction(1)
    exponent = math.floor(math.log10(LARGEST_TOTAL) - math.log10(total))
    scale = Fraction(10) ** exponent
    return scale if scale * total < LARGEST_TOTAL else scale / 10


def _cost(p: Program, scale: Fraction) -> cp_model.LinearExprT:
    terms: list[cp_model.LinearExprT] = []
    for session in p.sessions:
        for j in p.servers:
            fixed = math.floor(scale * Fraction(p.tables.fixed[session.client, j]))
            step = math.floor(scale * Fraction(p.tables.per_block[session.client, j]))
            terms.append(fixed * (1 - session.unused[j]) + step * session.k[j])
    return sum(terms)


def _decode(p: Program, values: list[int]) -> Solution:
    runs: dict[int, Run] = {
        j: (values[p.start[j].index], values[p.stop[j].index])
        for j in p.servers
        if values[p.size[j].index]
    }
    visits: dict[Visit, int] = {}
    for session in p.sessions:
        for j in p.servers:
            blocks = values[session.k[j].index]
            if blocks:
                visit = (session.client, j, runs[j][1] - blocks)
                visits[visit] = visits.get(visit, 0) + 1
    return to_solution(p.tables.instance, runs, visits)


def _encode(p: Program, solution: Solution) -> dict[int, int]:
    """Return hints for everything but free slots, which follow."""
    index = p.tables.instance.server_index()
    plan = layout(p.tables, solution)
    hints: dict[int, int] = {}
    for j in p.servers:
        start, stop = plan.run.get(j, (0, 0))
        for variable, value in ((p.start, start), (p.stop, stop), (p.size, stop - start)):
            hints[variable[j].index] = value
    paths = [
        (client.name, [index[name] for name in route.path])
        for client in p.tables.instance.clients
        for route in sorted(solution.routes, key=lambda route: index[route.path[0]])
        if route.client == client.name
        for _ in range(route.sessions)
    ]
    for session, (_, path) in zip(p.sessions, paths, strict=True):
        hints |= {v.index: 0 for v in (*session.arc.values(), *session.k.values())}
        hints |= {v.index: 1 for v in session.unused.values()}
        at = 0
        for j in path:
            hints[session.unused[j].index] = 0
            hints[session.k[j].index] = plan.run[j][1] - at
            at = plan.run[j][1]
        for i, j in itertools.pairwise([DEPOT, *path, DEPOT]):
            hints[session.arc[i, j].index] = 1
    return hints
