"""`partition-schedule`: `direct/cp-sat`, optional intervals and variable cuts (spec section 4.2).

Binaries ``at[j][b]``: the run of tier j begins with block b; integers ``cut[j]`` say the same.
Integers ``S, d, E[j][r]``: start, service and end of request r on tier j. Optional intervals of a
node share these; their presences ``y[j][r][k]`` choose the node.

A service is the difference of two entries of a prefix table, one at each end of the run. Entries
are looked up by the binaries: with element constraints on ``cut``, CP-SAT's search now and then
stalls on instances of four blocks.

Times are integers of ``1 / sigma`` seconds since the first arrival. Services, transfers and
arrivals are rounded DOWN, so that a plan's own times, rounded down, keep every rule of the model:
a bound on it is a true bound after division by sigma.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from ortools.sat.python import cp_model

from shardopt.models.formulation import CpFormulation, require_size
from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.formulations.common import layout, plan_in_order, reach
from shardopt.models.partition_schedule.formulations.windows import Windows, windows
from shardopt.models.partition_schedule.tables import FloatArray, IntArray, Tables, make_tables

HORIZON = 2**40
"""The latest completion in integers: roundings stay below 1e-6 of it, and sums below 2^53."""

Expression = cp_model.LinearExprT
IntVar = cp_model.IntVar
Key = tuple[int, Fraction]
"""A tier, and integers of time per FLOP or per byte: what a service or transfer depends on."""


@dataclass(frozen=True)
class Program:
    """The model being built; lists are by tier, then by request, then by node.

    ``cut`` and ``at`` have all T + 1 ends of runs. What was looked up is kept in ``services``
    and ``transfers``: equal requests and nodes share it. Where starts play no part, ``S`` and
    ``E`` are empty.
    """

    tables: Tables
    sigma: Fraction
    model: cp_model.CpModel
    cut: list[IntVar]
    at: list[dict[int, IntVar]]
    y: list[list[list[IntVar]]]
    S: list[list[IntVar]]
    d: list[list[IntVar]]
    E: list[list[IntVar]]
    services: dict[Key, Expression] = field(default_factory=dict)
    transfers: dict[Key, Expression] = field(default_factory=dict)

    @property
    def requests(self) -> range:
        """All requests."""
        return range(self.tables.request_count)

    @property
    def tiers(self) -> range:
        """All tiers."""
        return range(self.tables.tier_count)

    def look_up(self, j: int, table: Sequence[int] | Mapping[int, int]) -> Expression:
        """Return ``table[cut[j]]``."""
        return sum(table[b] * literal for b, literal in self.at[j].items())

    def tokens(self, r: int) -> Fraction:
        """Return n_r times sigma."""
        return self.sigma * self.tables.instance.requests[r].tokens

    def served(self, r: int, j: int, k: int) -> Expression:
        """Return s(r, j, k), rounded down; it may be negative, and then counts as 0."""
        per_flop = self.tokens(r) / Fraction(self.tables.speed[j][k])
        if (j, per_flop) not in self.services:
            down, up = prefix_tables(self.tables, per_flop)
            self.services[j, per_flop] = self.look_up(j + 1, down) - self.look_up(j, up)
        return self.services[j, per_flop]

    def transferred(self, r: int, j: int) -> Expression:
        """Return x(r, j), rounded down."""
        per_byte = self.tokens(r) / Fraction(self.tables.bandwidth[j])
        if (j, per_byte) not in self.transfers:
            table = {b: rounded_transfer(self.tables, self.sigma, r, j, b) for b in self.at[j + 1]}
            self.transfers[j, per_byte] = self.look_up(j + 1, table)
        return self.transfers[j, per_byte]


def build(instance: Instance, *, upper_bound: float | None) -> CpFormulation:
    """Build the model.

    Parameters
    ----------
    upper_bound
        Seconds, the objective of a known plan. Worse ones are cut off.
    """
    tables = make_tables(instance)
    _require_size(tables)
    p = _program(tables, upper_bound)
    cut_order(p)
    node_of_tier(p)
    memory(p)
    service(p)
    if instance.objective != "bottleneck":
        precedence(p)
        no_overlap(p)
    of_one = [tier[0] for tier in p.d], [p.transferred(0, j) for j in p.tiers[:-1]]
    served, transferred = of_one if instance.objective == "bottleneck" else ([], [])
    p.model.minimize(objective(p.model, tables, p.sigma, p.E, served, transferred))
    share = tables.request_count if instance.objective == "mean-latency" else 1
    return CpFormulation(
        p.model,
        lambda values: _decode(p, values),
        lambda plan: _encode(p, plan),
        unit=float(1 / (p.sigma * share)),
    )


def _require_size(tables: Tables) -> None:
    requests, blocks = float(tables.request_count), float(tables.block_count)
    nodes = float(sum(len(speed) for speed in tables.speed))
    columns = 10 * requests * nodes + tables.tier_count * blocks
    require_size(columns, requests * blocks * (2 * nodes + tables.tier_count))


def _program(tables: Tables, upper_bound: float | None) -> Program:
    limits = windows(tables, upper_bound)
    sigma = scale(tables, limits)
    model = cp_model.CpModel()
    count, tiers = tables.block_count, tables.tier_count
    timed = tables.instance.objective != "bottleneck"
    starts, ends = starts_and_ends(model, tables, limits, sigma) if timed else ([], [])
    # Every tier before and behind an end has a block.
    places = [
        [0] if j == 0 else [count] if j == tiers else range(j, count - tiers + j + 1)
        for j in range(tiers + 1)
    ]
    return Program(
        tables=tables,
        sigma=sigma,
        model=model,
        cut=[model.new_int_var(min(where), max(where), "") for where in places],
        at=[{b: model.new_bool_var("") for b in where} for where in places],
        y=[
            [[model.new_bool_var("") for _ in speed] for _ in tables.tokens]
            for speed in tables.speed
        ],
        S=starts,
        d=[[model.new_int_var(0, HORIZON, "") for _ in tables.tokens] for _ in tables.speed],
        E=ends,
    )


def scale(tables: Tables, limits: Windows) -> Fraction:
    """Return sigma, integers per second, so that the latest completion is at `HORIZON`."""
    return HORIZON / Fraction(float((tables.arrival_s + limits.horizon_s).max()))


def starts_and_ends(
    model: cp_model.CpModel, tables: Tables, limits: Windows, sigma: Fraction
) -> tuple[list[list[IntVar]], list[list[IntVar]]]:
    """Return S and E by tier and request; a start is within its window, `arrival` included."""
    starts, ends = [], []
    for j in range(tables.tier_count):
        from_ = [
            math.floor(sigma * (Fraction(a) + Fraction(since)))
            for a, since in zip(tables.arrival_s, limits.start[:, j], strict=True)
        ]
        until = [
            math.floor(sigma * (Fraction(a) + Fraction(since)))
            for a, since in zip(tables.arrival_s, limits.end[:, j], strict=True)
        ]
        pairs = [(a, max(a, b)) for a, b in zip(from_, until, strict=True)]
        starts.append([model.new_int_var(a, b, "") for a, b in pairs])
        ends.append([model.new_int_var(a, b, "") for a, b in pairs])
    return starts, ends


def prefix_tables(tables: Tables, per_flop: Fraction) -> tuple[list[int], list[int]]:
    """Round prefix sums of the blocks' services: [a, b) lasts at least ``down[b] - up[a]``.

    A block that alone takes longer than the horizon counts as just that: no run with it is in
    any plan that is not cut off, and nothing overflows.
    """
    total, down, up = Fraction(0), [0], [0]
    for block in tables.instance.blocks:
        total += min(Fraction(block.flops_per_token) * per_flop, Fraction(HORIZON + 2))
        down.append(math.floor(total))
        up.append(math.ceil(total))
    return down, up


def rounded_transfer(tables: Tables, sigma: Fraction, r: int, j: int, cut: int) -> int:
    """Return x(r, j) at a cut in integers, at most the true one and at most past the horizon."""
    handed = tables.instance.requests[r].tokens * Fraction(tables.activation[cut - 1])
    seconds = Fraction(tables.latency[j]) + handed / Fraction(tables.bandwidth[j])
    return min(math.floor(sigma * seconds), HORIZON + 1)


def cut_order(p: Program) -> None:
    """Each end of a run is at one place, and each tier has a block: cut[j] + 1 <= cut[j+1]."""
    for cut, at in zip(p.cut, p.at, strict=True):
        p.model.add_exactly_one(at.values())
        p.model.add(cut == sum(b * literal for b, literal in at.items()))
    for j in p.tiers:
        p.model.add(p.cut[j] + 1 <= p.cut[j + 1])


def node_of_tier(p: Program) -> None:
    """Serve each request by one node of each tier."""
    for chosen in p.y:
        for nodes in chosen:
            p.model.add_exactly_one(nodes)


def memory(p: Program) -> None:
    """Choose only nodes that fit: cut[j+1] <= reach_k(cut[j]), looked up."""
    for j in p.tiers:
        for size in set(p.tables.memory[j].tolist()):
            ends = reach(p.tables, size)
            if ends[0] == p.tables.block_count:
                continue
            fits = p.model.new_bool_var("")
            p.model.add(p.cut[j + 1] <= p.look_up(j, ends)).only_enforce_if(fits)
            for k in np.flatnonzero(p.tables.memory[j] == size):
                for nodes in p.y[j]:
                    p.model.add_implication(nodes[k], fits)


def service(p: Program) -> None:
    """d[r,j] >= s(r, j, k) for the node that is chosen."""
    for j in p.tiers:
        for r in p.requests:
            for k, chosen in enumerate(p.y[j][r]):
                p.model.add(p.d[j][r] >= p.served(r, j, k)).only_enforce_if(chosen)


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


def objective(
    model: cp_model.CpModel,
    tables: Tables,
    sigma: Fraction,
    ends: list[list[IntVar]],
    served: Sequence[Expression],
    transferred: Sequence[Expression],
) -> Expression:
    """Return the objective in integers, times R for `mean-latency`; there, arrivals round UP.

    For `bottleneck`, of the only request's ``served`` and ``transferred`` by tier.
    """
    if tables.instance.objective == "mean-latency":
        return sum(ends[-1]) - sum(math.ceil(sigma * Fraction(a)) for a in tables.arrival_s)
    z = model.new_int_var(0, 2 * HORIZON, "")
    largest_of = ends[-1] if tables.instance.objective == "makespan" else served
    for value in largest_of:
        model.add(z >= value)
    return z + sum(transferred)


def _decode(p: Program, values: list[int]) -> Solution:
    cuts = tuple(int(values[cut.index]) for cut in p.cut[1:-1])
    node = np.array(
        [[[values[y.index] for y in nodes].index(1) for nodes in chosen] for chosen in p.y]
    ).T
    when = np.zeros(node.shape)
    if p.S:
        when = np.array([[float(values[s.index]) for s in starts] for starts in p.S]).T
    return plan_in_order(p.tables, cuts, node, when)


def _encode(p: Program, solution: Solution) -> dict[int, int]:
    """Return hints for everything but which memory fits, and the greatest: they follow."""
    cuts, node, start = layout(p.tables, solution)
    hints = {}
    for j, end in enumerate((0, *cuts, p.tables.block_count)):
        hints |= {p.cut[j].index: end}
        hints |= {literal.index: int(b == end) for b, literal in p.at[j].items()}
    transfers = []
    for j, (a, b) in enumerate(p.tables.runs(cuts)):
        for r in p.requests:
            hints |= {y.index: int(k == node[r, j]) for k, y in enumerate(p.y[j][r])}
            per_flop = p.tokens(r) / Fraction(p.tables.speed[j][node[r, j]])
            down, up = prefix_tables(p.tables, per_flop)
            hints[p.d[j][r].index] = max(0, down[b] - up[a])
        if j < len(cuts):
            transfers.append([rounded_transfer(p.tables, p.sigma, r, j, b) for r in p.requests])
    if p.S:
        services = [[hints[d.index] for d in tier] for tier in p.d]
        hints |= hinted_times(p.S, p.E, services, transfers, node, start)
    return hints


def hinted_times(
    starts: list[list[IntVar]],
    ends: list[list[IntVar]],
    services: Sequence[Sequence[int]],
    transfers: Sequence[Sequence[int]],
    node: IntArray,
    when: FloatArray,
) -> dict[int, int]:
    """Return starts and ends in integers, as early as possible in the order of a plan."""
    hints: dict[int, int] = {}
    ready = [0] * len(node)
    for j, tier in enumerate(starts):
        free: dict[int, int] = {}
        for r in np.argsort(when[:, j], kind="stable").tolist():
            least = tier[r].proto.domain[0]
            k = int(node[r, j])
            begin = max(ready[r], free.get(k, 0), least)
            free[k] = ready[r] = begin + services[j][r]
            hints[tier[r].index] = begin
            hints[ends[j][r].index] = ready[r]
        if j < len(transfers):
            ready = [time + x for time, x in zip(ready, transfers[j], strict=True)]
    return hints
