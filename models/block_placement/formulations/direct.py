"""`block-placement`: `direct`, the published program as published (spec section "Exact 1").

1-based ``a[j]``, first block, and ``m[j]``, number of blocks; per session r and link (i,j),
binary ``f`` and continuous ``alpha = f a[j]``, ``beta = f a[i]``, ``gamma = f m[j]``,
``delta = f m[i]``. On a link that is used, ``k = alpha - beta + gamma - delta`` blocks are run.

Every session has a source (a = 0, m = 1) and a sink (a = L + 1, m = 1). Nothing is repaired:
neither the weak bounds of the products, nor that equal sessions are interchangeable. Only
``m[j] >= 1`` is ours to relax to 0: no path can use an empty server, for its two link rows
contradict each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.formulations.common import (
    Run,
    Visit,
    capped,
    cost_scale_s,
    require_size,
    to_solution,
)
from shardopt.models.block_placement.tables import FloatArray, IntArray, Tables, make_tables
from shardopt.models.formulation import LinearFormulation
from shardopt.models.linear import LinearModel

Term = tuple[int | None, float]
"""A column, or none and a constant: (column, 0.0) or (None, constant)."""


@dataclass(frozen=True)
class Program:
    """The model being built.

    Attributes
    ----------
    tail, head
        ``int[link]``: links between servers, the source J and the sink J + 1.
    client
        ``int[session]``.
    f, alpha, beta, gamma, delta
        ``int[session, link]``.
    """

    tables: Tables
    model: LinearModel
    client: IntArray
    tail: IntArray
    head: IntArray
    a: IntArray
    m: IntArray
    f: IntArray
    alpha: IntArray
    beta: IntArray
    gamma: IntArray
    delta: IntArray

    @property
    def source(self) -> int:
        """The node that every session starts from."""
        return self.tables.server_count

    @property
    def sink(self) -> int:
        """The node where every session ends."""
        return self.tables.server_count + 1

    def first(self, node: int) -> Term:
        """Return a_j, a constant at source and sink."""
        if node < self.source:
            return int(self.a[node]), 0.0
        return None, 0.0 if node == self.source else self.tables.block_count + 1.0

    def blocks(self, node: int) -> Term:
        """Return m_j, 1 at source and sink."""
        return (int(self.m[node]), 0.0) if node < self.source else (None, 1.0)

    def session_links(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield session, link, and the link's tail and head."""
        for r in range(self.client.size):
            for link, (i, j) in enumerate(zip(self.tail, self.head, strict=True)):
                yield r, link, int(i), int(j)


def build(instance: Instance, *, ceiling_s: float | None = None) -> LinearFormulation:
    """Build the model; steps dearer than ``ceiling_s`` are charged that."""
    tables = capped(make_tables(instance), ceiling_s)
    p = _columns(tables)
    flow(p)
    memory(p)
    run_range(p)
    link(p)
    products(p)
    return LinearFormulation(
        p.model,
        lambda values: _decode(p, values),
        lambda plan: _encode(p, plan),
        unit=cost_scale_s(tables) / instance.session_count,
    )


def _columns(tables: Tables) -> Program:
    servers, count = tables.server_count, tables.block_count
    require_size(5.0 * tables.session_count * servers * (servers + 1) + 2 * servers)
    pairs = [(i, j) for i in range(servers) for j in range(servers) if i != j]
    ends = [link for j in range(servers) for link in ((servers, j), (j, servers + 1))]
    tail, head = np.array([*ends, *pairs], dtype=np.int64).T
    client = np.repeat(np.arange(tables.client_count), tables.sessions)
    # h_c(j,0) on f and h_c(j,1) - h_c(j,0) on k, for links into a server.
    into = head < servers
    fixed, step = np.zeros((client.size, head.size)), np.zeros((client.size, head.size))
    fixed[:, into] = tables.fixed[np.ix_(client, head[into])] / cost_scale_s(tables)
    step[:, into] = tables.per_block[np.ix_(client, head[into])] / cost_scale_s(tables)
    model = LinearModel()
    limits = [count if s.max_blocks is None else s.max_blocks for s in tables.instance.servers]

    def product(sign: float, most: float) -> IntArray:
        columns = model.add_columns(step.size, cost=sign * step.ravel(), upper=most)
        return columns.reshape(step.shape)

    return Program(
        tables=tables,
        model=model,
        client=client,
        tail=tail,
        head=head,
        a=model.add_columns(servers, lower=1.0, upper=count, integer=True),
        m=model.add_columns(servers, upper=np.minimum(limits, count), integer=True),
        f=model.add_binaries(fixed.size, cost=fixed.ravel()).reshape(fixed.shape),
        alpha=product(1.0, count + 1.0),
        beta=product(-1.0, count),
        gamma=product(1.0, count),
        delta=product(-1.0, count),
    )


def flow(p: Program) -> None:
    """Out - in is 1 at a session's source, -1 at its sink, 0 at every server."""
    for f in p.f:
        for node in range(p.sink + 1):
            out, into = f[p.tail == node], f[p.head == node]
            net = float(node == p.source) - float(node == p.sink)
            values = np.repeat([1.0, -1.0], [out.size, into.size])
            p.model.add_row(np.concatenate([out, into]), values, lower=net, upper=net)


def memory(p: Program) -> None:
    """m_j w + c sum_r sum_i k <= M_j, divided by c."""
    instance = p.tables.instance
    cache = instance.cache_bytes_per_session
    for j in range(p.source):
        into = p.head == j
        parts = [p.alpha[:, into], p.beta[:, into], p.gamma[:, into], p.delta[:, into]]
        columns = np.concatenate([[p.m[j]], *(part.ravel() for part in parts)])
        signs = np.repeat([1.0, -1.0, 1.0, -1.0], parts[0].size)
        values = np.concatenate([[instance.weight_bytes / cache], signs])
        p.model.add_row(columns, values, upper=float(p.tables.memory[j]) / cache)


def run_range(p: Program) -> None:
    """a_j + m_j <= L + 1."""
    for first, blocks in zip(p.a, p.m, strict=True):
        p.model.add_row([first, blocks], upper=p.tables.block_count + 1.0)


def link(p: Program) -> None:
    """Alpha <= a_i + m_i and beta + delta <= a_j + m_j - 1: j starts no later, and stops later."""
    for r, n, i, j in p.session_links():
        _at_most(p.model, [p.alpha[r, n]], [p.first(i), p.blocks(i)], 0.0)
        _at_most(p.model, [p.beta[r, n], p.delta[r, n]], [p.first(j), p.blocks(j)], -1.0)


def products(p: Program) -> None:
    """Value <= most f, value <= v and value >= v - most (1 - f), for all four products f v."""
    most = float(p.tables.block_count)
    for r, n, i, j in p.session_links():
        _product(p, int(p.alpha[r, n]), int(p.f[r, n]), p.first(j), most + 1)
        _product(p, int(p.beta[r, n]), int(p.f[r, n]), p.first(i), most)
        _product(p, int(p.gamma[r, n]), int(p.f[r, n]), p.blocks(j), most)
        _product(p, int(p.delta[r, n]), int(p.f[r, n]), p.blocks(i), most)


def _product(p: Program, value: int, f: int, factor: Term, most: float) -> None:
    p.model.add_row([value, f], [1.0, -most], upper=0.0)
    _at_most(p.model, [value], [factor], 0.0)
    column, constant = factor
    mine = [] if column is None else [column]
    signs = [-1.0, most, *(1.0 for _ in mine)]
    p.model.add_row([value, f, *mine], signs, upper=most - constant)


def _at_most(model: LinearModel, left: list[int], right: list[Term], constant: float) -> None:
    """Add sum left <= sum right + constant."""
    columns = [column for column, _ in right if column is not None]
    values = np.repeat([1.0, -1.0], [len(left), len(columns)])
    model.add_row([*left, *columns], values, upper=constant + sum(term[1] for term in right))


def _decode(p: Program, values: FloatArray) -> Solution:
    first = np.rint(values[p.a]).astype(np.int64) - 1
    blocks = np.rint(values[p.m]).astype(np.int64)
    runs: dict[int, Run] = {
        int(j): (int(first[j]), int(first[j] + blocks[j])) for j in np.flatnonzero(blocks)
    }
    visits: dict[Visit, int] = {}
    for c, used in zip(p.client, values[p.f] > 0.5, strict=True):
        for i, j in zip(p.tail[used], p.head[used], strict=True):
            if j in runs and (i == p.source or i in runs):
                at = 0 if i == p.source else runs[int(i)][1]
                visits[int(c), int(j), at] = visits.get((int(c), int(j), at), 0) + 1
    return to_solution(p.tables.instance, runs, visits)


def _encode(p: Program, solution: Solution) -> FloatArray:
    values = np.zeros(p.model.column_count)
    values[p.a] = 1.0
    index = p.tables.instance.server_index()
    for hosting in solution.placement:
        values[p.a[index[hosting.server]]] = hosting.start + 1
        values[p.m[index[hosting.server]]] = hosting.stop - hosting.start
    link_of = {ends: n for n, ends in enumerate(zip(p.tail, p.head, strict=True))}
    first = np.append(values[p.a], [0.0, p.tables.block_count + 1.0])
    blocks = np.append(values[p.m], [1.0, 1.0])
    r = 0
    for client in p.tables.instance.clients:
        for route in (route for route in solution.routes if route.client == client.name):
            path = [p.source, *(index[name] for name in route.path), p.sink]
            links = [link_of[ends] for ends in itertools.pairwise(path)]
            for session in range(r, r + route.sessions):
                values[p.f[session, links]] = 1.0
                values[p.alpha[session, links]] = first[path[1:]]
                values[p.beta[session, links]] = first[path[:-1]]
                values[p.gamma[session, links]] = blocks[path[1:]]
                values[p.delta[session, links]] = blocks[path[:-1]]
            r += route.sessions
    return values
