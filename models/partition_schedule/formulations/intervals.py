"""`partition-schedule`: `direct/cp-sat`, intervals on nodes, also under given cuts (section 4.2).

Binaries ``at[j][b]``: the run of tier j begins with block b. Integers ``S, d, E[j][r]``: start,
service and end of request r on tier j. Optional intervals of a node share these; their presences
``y[j][r][k]`` choose the node. ``first[j][r, q]``: r is served before q, where they share a node.

The intervals alone say all that ``first`` says. But with nothing to decide, CP-SAT proves that ends
are later by one unit, and again by one: on one thread, 3 of 39 tiny instances do not end.

Times are integers of ``1 / sigma`` seconds since the first arrival. Services, transfers and
arrivals are rounded DOWN, so that a plan's own times, rounded down, keep every rule of the model:
a bound on it is a true bound after division by sigma.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from ortools.sat.python import cp_model

from shardopt.models.formulation import CpFormulation, require_size
from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.formulations.common import layout, plan_in_order
from shardopt.models.partition_schedule.formulations.windows import windows
from shardopt.models.partition_schedule.tables import Cuts, Tables, make_tables

MOST_HORIZON = 2**40
"""The latest completion in integers: with some digits less, roundings show."""
MOST_SUM = 2**62
"""CP-SAT refuses models in which a sum could be larger."""

Expression = cp_model.LinearExpr
IntVar = cp_model.IntVar


@dataclass(frozen=True)
class Program:
    """The model being built; lists are by tier, then by request, then by node.

    ``at`` has all T + 1 ends of runs, the first at 0 and the last at N. ``S``, ``E`` and ``first``
    are empty where starts play no part.
    """

    tables: Tables
    horizon: int
    sigma: Fraction
    model: cp_model.CpModel
    at: list[dict[int, IntVar]]
    y: list[list[list[IntVar]]]
    d: list[list[IntVar]]
    S: list[list[IntVar]]
    E: list[list[IntVar]]
    first: list[dict[tuple[int, int], IntVar]]

    @property
    def requests(self) -> range:
        """All requests."""
        return range(self.tables.request_count)

    @property
    def tiers(self) -> range:
        """All tiers."""
        return range(self.tables.tier_count)

    def units(self, seconds: Fraction) -> int:
        """Return a time in integers, at most the true one, and at most past the horizon."""
        return min(math.floor(self.sigma * seconds), self.horizon + 1)

    def work(self, r: int, j: int, k: int) -> list[int]:
        """Return the work of request r on node k before each block, every block rounded down."""
        tokens = self.tables.instance.requests[r].tokens
        per_flop = Fraction(tokens) / Fraction(self.tables.speed[j][k])
        blocks = self.tables.instance.blocks
        times = (self.units(per_flop * Fraction(block.flops_per_token)) for block in blocks)
        return list(itertools.accumulate(times, initial=0))

    def transfer(self, r: int, j: int, cut: int) -> int:
        """Return x(r, j) at a cut."""
        handed = self.tables.instance.requests[r].tokens * Fraction(self.tables.activation[cut - 1])
        latency, bandwidth = Fraction(self.tables.latency[j]), Fraction(self.tables.bandwidth[j])
        return self.units(latency + handed / bandwidth)

    def look_up(self, j: int, table: list[int] | dict[int, int]) -> Expression:
        """Return the entry of a table where tier j begins."""
        return Expression.weighted_sum(
            list(self.at[j].values()), [int(table[b]) for b in self.at[j]]
        )

    def transferred(self, r: int, j: int) -> Expression:
        """Return x(r, j) at the cut that is chosen."""
        return self.look_up(j + 1, {b: self.transfer(r, j, b) for b in self.at[j + 1]})


def build(instance: Instance, *, upper_bound: float, cuts: Cuts | None = None) -> CpFormulation:
    """Build the model.

    Parameters
    ----------
    upper_bound
        Seconds, at least the objective of some plan. Worse ones are cut off.
    cuts
        Only plans with these cuts are in the model; all their runs fit on some node.
    """
    tables = make_tables(instance)
    _require_size(tables)
    p = _program(tables, upper_bound, cuts)
    cut_order(p)
    node_of_tier(p)
    memory(p)
    service(p)
    if instance.objective != "bottleneck":
        precedence(p)
        no_overlap(p)
        order(p)
    minimize(p)
    mean = instance.objective == "mean-latency"
    return CpFormulation(
        p.model,
        lambda values: _decode(p, values),
        lambda plan: _encode(p, plan),
        unit=float(1 / (p.sigma * (tables.request_count if mean else 1))),
        offset=-float(tables.arrival_s.mean()) if mean else 0.0,
    )


def _require_size(tables: Tables) -> None:
    requests, blocks = float(tables.request_count), float(tables.block_count)
    tiers, nodes = tables.tier_count, float(sum(len(speed) for speed in tables.speed))
    pairs = 0.0 if tables.instance.objective == "bottleneck" else requests**2
    columns = tiers * blocks + requests * (nodes + 3 * tiers) + tiers * pairs
    require_size(columns, requests * blocks * (2 * nodes + tiers) + pairs * (2 * tiers + 4 * nodes))


def _program(tables: Tables, upper_bound: float, cuts: Cuts | None) -> Program:
    limits = windows(tables, upper_bound, cuts)
    # A look-up has N + 1 entries, each of which adds up N blocks at most as long as the horizon.
    horizon = min(MOST_HORIZON, MOST_SUM // (tables.block_count + 1) ** 2)
    sigma = horizon / Fraction(float((tables.arrival_s + limits.end[:, -1]).max()))
    timed = tables.instance.objective != "bottleneck"
    model, tiers = cp_model.CpModel(), range(tables.tier_count)

    def within(j: int) -> list[IntVar]:
        earliest, latest = limits.start[:, j], limits.end[:, j]
        ends = [
            [math.floor(sigma * (Fraction(a) + Fraction(since))) for since in span]
            for a, *span in zip(tables.arrival_s, earliest, latest, strict=True)
        ]
        return [model.new_int_var(low, max(low, high), "") for low, high in ends]

    count, pairs = tables.block_count, list(itertools.permutations(range(len(tables.tokens)), 2))
    # Every tier before and behind an end has a block.
    places = [[0], *(range(j, count - len(tiers) + j + 1) for j in tiers[1:]), [count]]
    if cuts is not None:
        places = [[cut] for cut in (0, *cuts, count)]
    return Program(
        tables=tables,
        horizon=horizon,
        sigma=sigma,
        model=model,
        at=[{b: model.new_bool_var("") for b in where} for where in places],
        y=[
            [[model.new_bool_var("") for _ in speed] for _ in tables.tokens]
            for speed in tables.speed
        ],
        d=[[model.new_int_var(0, horizon, "") for _ in tables.tokens] for _ in tiers],
        S=[within(j) for j in tiers] if timed else [],
        E=[within(j) for j in tiers] if timed else [],
        first=[{pair: model.new_bool_var("") for pair in pairs} for _ in tiers] if timed else [],
    )


def cut_order(p: Program) -> None:
    """Let each end of a run be at one place, with at least one block between two of them."""
    for at in p.at:
        p.model.add_exactly_one(at.values())
    block = list(range(p.tables.block_count + 1))
    for j in p.tiers:
        p.model.add(p.look_up(j, block) + 1 <= p.look_up(j + 1, block))


def node_of_tier(p: Program) -> None:
    """Serve each request by one node of each tier."""
    for chosen in p.y:
        for nodes in chosen:
            p.model.add_exactly_one(nodes)


def memory(p: Program) -> None:
    """Choose only nodes that fit: the run ends where the memory does, or before."""
    block = list(range(p.tables.block_count + 1))
    for j in p.tiers:
        for size in set(p.tables.memory[j].tolist()):
            fits = p.model.new_bool_var("")
            farthest = p.look_up(j, p.tables.reach(size).tolist())
            p.model.add(p.look_up(j + 1, block) <= farthest).only_enforce_if(fits)
            for k in np.flatnonzero(p.tables.memory[j] == size):
                for nodes in p.y[j]:
                    p.model.add_implication(nodes[k], fits)


def service(p: Program) -> None:
    """d[r,j] = s(r, j, k) for the node that is chosen, a difference of two sums, and E = S + d."""
    for j in p.tiers:
        for r in p.requests:
            for k, chosen in enumerate(p.y[j][r]):
                work = p.work(r, j, k)
                lasts = p.look_up(j + 1, work) - p.look_up(j, work)
                p.model.add(p.d[j][r] == lasts).only_enforce_if(chosen)
            if p.S:
                p.model.add(p.E[j][r] == p.S[j][r] + p.d[j][r])


def precedence(p: Program) -> None:
    """S[r,j+1] >= E[r,j] + x(r, j)."""
    for j in p.tiers[:-1]:
        for r in p.requests:
            p.model.add(p.S[j + 1][r] >= p.E[j][r] + p.transferred(r, j))


def no_overlap(p: Program) -> None:
    """A node serves one request at a time: its optional intervals do not overlap."""
    for j in p.tiers:
        for k in range(len(p.tables.speed[j])):
            p.model.add_no_overlap(
                p.model.new_optional_interval_var(p.S[j][r], p.d[j][r], p.E[j][r], p.y[j][r][k], "")
                for r in p.requests
            )


def order(p: Program) -> None:
    """Of two requests on a node one is first, and the other starts after its end (implied)."""
    for j in p.tiers:
        for (r, q), first in p.first[j].items():
            p.model.add(p.S[j][q] >= p.E[j][r]).only_enforce_if(first)
            if r < q:
                for one, other in zip(p.y[j][r], p.y[j][q], strict=True):
                    p.model.add_bool_or(first, p.first[j][q, r], ~one, ~other)


def minimize(p: Program) -> None:
    """Minimise the sum of ends; the latest one; or the largest service plus the transfers."""
    if p.tables.instance.objective == "mean-latency":
        p.model.minimize(Expression.sum(*p.E[-1]))
        return
    z = p.model.new_int_var(0, p.horizon, "z")
    if p.tables.instance.objective == "makespan":
        p.model.add_max_equality(z, p.E[-1])
        p.model.minimize(z)
        return
    p.model.add_max_equality(z, [d for (d,) in p.d])
    p.model.minimize(z + Expression.sum(0, *(p.transferred(0, j) for j in p.tiers[:-1])))


def _decode(p: Program, values: list[int]) -> Solution:
    cuts = [next(b for b, literal in at.items() if values[literal.index]) for at in p.at[1:-1]]
    node = np.array(
        [[[values[y.index] for y in nodes].index(1) for nodes in chosen] for chosen in p.y]
    ).T
    when = np.zeros(node.shape)
    if p.S:
        when = np.array([[float(values[s.index]) for s in starts] for starts in p.S]).T
    return plan_in_order(p.tables, tuple(cuts), node, when)


def _encode(p: Program, solution: Solution) -> dict[int, int]:
    """Return hints: a plan's choices, and times in its order that are as early as they can be."""
    cuts, node, start = layout(p.tables, solution)
    hints: dict[int, int] = {}
    for at, end in zip(p.at, (0, *cuts, p.tables.block_count), strict=True):
        hints |= {literal.index: int(b == end) for b, literal in at.items()}
    ready = [0] * len(node)
    for j, (a, b) in enumerate(p.tables.runs(cuts)):
        free: dict[int, int] = {}
        in_order = np.argsort(start[:, j], kind="stable").tolist()
        for r in in_order:
            k = int(node[r, j])
            work = p.work(r, j, k)
            hints |= {y.index: int(other == k) for other, y in enumerate(p.y[j][r])}
            hints[p.d[j][r].index] = work[b] - work[a]
            if p.S:
                begin = max(ready[r], free.get(k, 0), p.S[j][r].proto.domain[0])
                free[k] = ready[r] = begin + work[b] - work[a]
                hints |= {p.S[j][r].index: begin, p.E[j][r].index: ready[r]}
            if j < len(cuts):
                ready[r] += p.transfer(r, j, b)
        if p.S:
            for r, q in itertools.combinations(in_order, 2):
                hints[p.first[j][r, q].index] = int(node[r, j] == node[q, j])
                hints[p.first[j][q, r].index] = 0
    return hints
