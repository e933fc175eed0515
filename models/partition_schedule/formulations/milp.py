"""`partition-schedule`: `direct`, the whole problem as a MILP (spec section 4.1).

Sets: blocks ``i``, tiers ``j``, nodes ``k`` of a tier, requests ``r``. Columns: ``u[i,j]`` block
i lies before tier j; ``fits[j][k]`` node k has the memory for tier j's run; ``y[j][r,k]`` request
r is served by k; ``d[r,j]`` its service, ``x[r,j]`` the transfer after it, ``S[r,j]`` its start;
``first[j][r,q]`` r is served before q.

Starts count from the request's own arrival, so that late arrivals spoil no digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shardopt.models.formulation import LinearFormulation, require_size
from shardopt.models.linear import LinearModel
from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.formulations.common import layout, plan_in_order
from shardopt.models.partition_schedule.formulations.windows import Windows, windows
from shardopt.models.partition_schedule.tables import FloatArray, IntArray, Tables, make_tables


@dataclass(frozen=True)
class Program:
    """The model being built: its tables and the indices of its columns by name.

    ``unit`` is what 1.0 of a time in the model stands for, in seconds. ``u[i, j]`` has a column
    for all j from 0 to T, the first being 0 and the last 1. ``S`` and ``first`` are empty where
    starts play no part. ``z`` is the makespan or the largest service; `mean-latency` has no use
    for it.
    """

    tables: Tables
    unit: float
    windows: Windows
    model: LinearModel
    u: IntArray
    fits: list[IntArray]
    y: list[IntArray]
    d: IntArray
    x: IntArray
    S: IntArray
    first: list[dict[tuple[int, int], int]]
    z: int

    @property
    def requests(self) -> range:
        """All requests."""
        return range(self.tables.request_count)

    @property
    def tiers(self) -> range:
        """All tiers."""
        return range(self.tables.tier_count)

    def units(self, seconds: FloatArray, r: int) -> FloatArray:
        """Return times of request r in units.

        What is longer than any plan allows counts for twice that: it stays excluded, and a
        hopeless node spoils no coefficients.
        """
        longest = 2.0 * float(self.windows.end[r, -1])
        return np.minimum(seconds, longest) / self.unit


def build(instance: Instance, *, upper_bound: float) -> LinearFormulation:
    """Build the model.

    Parameters
    ----------
    upper_bound
        Seconds, at least the objective of some plan. Worse ones are cut off.
    """
    tables = make_tables(instance)
    _require_size(tables)
    p = _columns(tables, upper_bound)
    cut_order(p)
    node_of_tier(p)
    memory(p)
    service(p)
    transfer(p)
    if instance.objective == "bottleneck":
        bottleneck(p)
    else:
        precedence(p)
        no_overlap(p)
    if instance.objective == "makespan":
        makespan(p)
    return LinearFormulation(
        p.model, lambda values: _decode(p, values), lambda plan: _encode(p, plan), p.unit
    )


def _require_size(tables: Tables) -> None:
    requests, blocks = float(tables.request_count), float(tables.block_count)
    nodes = float(sum(len(speed) for speed in tables.speed))
    pairs = 0.0 if tables.instance.objective == "bottleneck" else requests**2
    tiers = tables.tier_count
    columns = blocks * (tiers + 1) + nodes * requests + tiers * pairs
    nonzeros = (2 * nodes + 4 * tiers) * requests * blocks + 3 * nodes * blocks
    require_size(columns, nonzeros + (2 * nodes + 4 * tiers) * pairs)


def _columns(tables: Tables, upper_bound: float) -> Program:
    requests, tiers, count = tables.request_count, tables.tier_count, tables.block_count
    objective = tables.instance.objective
    timed = objective != "bottleneck"
    limits = windows(tables, upper_bound)
    mean = np.zeros((requests, tiers))
    if objective == "mean-latency":
        mean[:, -1] = 1.0 / requests  # of S + d on the last tier
    model = LinearModel()
    end = np.broadcast_to(np.arange(tiers + 1), (count, tiers + 1)).ravel()
    u = model.add_columns(end.size, lower=end == tiers, upper=end > 0, integer=True)
    fits = [model.add_columns(len(speed), upper=1.0) for speed in tables.speed]
    y = [
        model.add_binaries(requests * len(speed)).reshape(requests, len(speed))
        for speed in tables.speed
    ]
    d = model.add_columns(mean.size, cost=mean.ravel()).reshape(mean.shape)
    x = model.add_columns(requests * (tiers - 1), cost=0.0 if timed else 1.0)
    S = np.empty((0, tiers), dtype=np.int64)
    if timed:  # within windows, of which `arrival` is part
        low = limits.start.ravel() / upper_bound
        high = np.maximum(low, (limits.end - limits.service).ravel() / upper_bound)
        S = model.add_columns(mean.size, cost=mean.ravel(), lower=low, upper=high)
        S = S.reshape(mean.shape)
    pairs = _pairs(tables, limits) if timed else []
    first = [dict(zip(them, model.add_binaries(len(them)).tolist(), strict=True)) for them in pairs]
    return Program(
        tables=tables,
        unit=upper_bound,
        windows=limits,
        model=model,
        u=u.reshape(count, tiers + 1),
        fits=fits,
        y=y,
        d=d,
        x=x.reshape(requests, tiers - 1),
        S=S,
        first=first,
        z=int(model.add_columns(1, cost=0.0 if objective == "mean-latency" else 1.0)[0]),
    )


def _pairs(tables: Tables, limits: Windows) -> list[list[tuple[int, int]]]:
    """Return per tier the pairs (r, q), in both orders, whose windows overlap."""
    start = tables.arrival_s[:, None] + limits.start
    end = tables.arrival_s[:, None] + limits.end
    overlap = [
        (start[:, None, j] < end[:, j]) & (start[:, j] < end[:, None, j])
        for j in range(tables.tier_count)
    ]
    return [[(int(r), int(q)) for r, q in np.argwhere(both) if r != q] for both in overlap]


def cut_order(p: Program) -> None:
    """u[i,j] >= u[i+1,j], u[i,j] <= u[i,j+1], and each tier has a block."""
    count = p.tables.block_count
    for j in p.tiers:
        for i in range(count - 1):
            p.model.add_row([p.u[i, j], p.u[i + 1, j]], [1.0, -1.0], lower=0.0)
        for i in range(count):
            p.model.add_row([p.u[i, j], p.u[i, j + 1]], [-1.0, 1.0], lower=0.0)
        p.model.add_row(*_on_tier(p, j, np.ones(count)), lower=1.0)


def node_of_tier(p: Program) -> None:
    """Serve each request by one node of each tier: sum_k y[r,j,k] = 1."""
    for j in p.tiers:
        for r in p.requests:
            p.model.add_row(p.y[j][r], lower=1.0, upper=1.0)


def memory(p: Program) -> None:
    """Choose only nodes that fit; fits[j][k] forbids a run from a or before to beyond reach_k(a).

    That is u[reach,j+1] - u[a,j] <= 1 - fits. In bytes, or in GB, a backend's tolerance would
    accept runs that the checker refuses; rows of 0 and 1 need none. Of all a with the same reach
    the last one implies the others.
    """
    for j in p.tiers:
        ends = {size: p.tables.reach(size) for size in set(p.tables.memory[j].tolist())}
        for k, size in enumerate(p.tables.memory[j].tolist()):
            for a, b in enumerate(ends[size]):
                if b < p.tables.block_count and b != ends[size][a + 1]:
                    columns = [p.u[b, j + 1], p.u[a, j], p.fits[j][k]]
                    p.model.add_row(columns, [1.0, -1.0, 1.0], upper=1.0)
            for r in p.requests:
                p.model.add_row([p.y[j][r, k], p.fits[j][k]], [1.0, -1.0], upper=0.0)


def service(p: Program) -> None:
    """d[r,j] >= n_r F_j / C_jk - big (1 - y[r,j,k]); big is n_r F_j / C_jk at its largest."""
    flops = np.array([block.flops_per_token for block in p.tables.instance.blocks])
    for j in p.tiers:
        ends = p.tables.reach(int(p.tables.memory[j].max()))
        for r in p.requests:
            for k, speed in enumerate(p.tables.speed[j]):
                times = p.units(p.tables.tokens[r] * flops / speed, r)
                before = np.append(0.0, np.cumsum(times))
                most = (before[ends] - before).max()
                big = max(0.0, most - p.windows.service[r, j] / p.unit)
                columns, values = _on_tier(p, j, -times)
                columns = np.append(columns, [p.d[r, j], p.y[j][r, k]])
                p.model.add_row(columns, np.append(values, [1.0, -big]), lower=-big)


def transfer(p: Program) -> None:
    """x[r,j] = latency_j + n_r / bandwidth_j sum_i a_i (u[i,j+1] - u[i+1,j+1])."""
    for j in p.tiers[:-1]:
        for r in p.requests:
            handed = p.tables.tokens[r] * p.tables.activation[:-1] / p.tables.bandwidth[j]
            times = p.units(p.tables.latency[j] + handed, r)
            ends_here = np.append(times, 0.0) - np.append(0.0, times)
            columns = np.append(p.u[:, j + 1], p.x[r, j])
            p.model.add_row(columns, np.append(-ends_here, 1.0), lower=0.0, upper=0.0)


def precedence(p: Program) -> None:
    """S[r,j+1] >= S[r,j] + d[r,j] + x[r,j]."""
    for r in p.requests:
        for j in p.tiers[:-1]:
            columns = [p.S[r, j + 1], p.S[r, j], p.d[r, j], p.x[r, j]]
            p.model.add_row(columns, [1.0, -1.0, -1.0, -1.0], lower=0.0)


def no_overlap(p: Program) -> None:
    """One of two is first where both chose the same node; then the other starts after its end."""
    arrival_s = p.tables.arrival_s / p.unit
    start, end = p.windows.start / p.unit, p.windows.end / p.unit
    for j in p.tiers:
        for (r, q), first in p.first[j].items():
            if r < q:
                for k in range(len(p.tables.speed[j])):
                    columns = [first, p.first[j][q, r], p.y[j][r, k], p.y[j][q, k]]
                    p.model.add_row(columns, [1.0, 1.0, -1.0, -1.0], lower=-1.0)
            later = arrival_s[q] - arrival_s[r]
            big = end[r, j] - start[q, j] - later  # > 0, as the windows overlap
            columns = [p.S[q, j], p.S[r, j], p.d[r, j], first]
            p.model.add_row(columns, [1.0, -1.0, -1.0, -big], lower=-later - big)


def makespan(p: Program) -> None:
    """Let z >= A_r + S + d on the last tier."""
    for r in p.requests:
        columns = [p.z, p.S[r, -1], p.d[r, -1]]
        p.model.add_row(columns, [1.0, -1.0, -1.0], lower=p.tables.arrival_s[r] / p.unit)


def bottleneck(p: Program) -> None:
    """Let z >= d[0,j]."""
    for j in p.tiers:
        p.model.add_row([p.z, p.d[0, j]], [1.0, -1.0], lower=0.0)


def _on_tier(p: Program, j: int, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the row ``sum_i values[i] (u[i,j+1] - u[i,j])``: a sum over the run of tier j."""
    return np.append(p.u[:, j + 1], p.u[:, j]), np.append(values, -values)


def _decode(p: Program, values: FloatArray) -> Solution:
    before = np.rint(values[p.u[:, 1:-1]]).astype(np.int64)
    node = np.stack([values[y].argmax(axis=1) for y in p.y], axis=1)
    when = np.zeros(node.shape)
    if p.S.size:
        when = values[p.S] * p.unit + p.tables.arrival_s[:, None]
    return plan_in_order(p.tables, tuple(before.sum(axis=0).tolist()), node, when)


def _encode(p: Program, solution: Solution) -> FloatArray:
    cuts, node, start = layout(p.tables, solution)
    values = np.zeros(p.model.column_count)
    values[p.u] = np.arange(p.tables.block_count)[:, None] < [0, *cuts, p.tables.block_count]
    for j, run in enumerate(p.tables.runs(cuts)):
        values[p.fits[j]] = p.tables.eligible(j, *run)
        values[p.y[j][p.requests, node[:, j]]] = 1.0
        served = p.tables.service_s(j, *run)[p.requests, node[:, j]]
        values[p.d[:, j]] = served / p.unit
        if j < len(cuts):
            values[p.x[:, j]] = p.tables.transfer_s(j, cuts[j]) / p.unit
    if p.S.size:
        values[p.S] = (start - p.tables.arrival_s[:, None]) / p.unit
        for j, pairs in enumerate(p.first):
            for (r, q), first in pairs.items():
                values[first] = node[r, j] == node[q, j] and start[r, j] < start[q, j]
    ends = values[p.d[0]]
    if p.S.size:
        ends = values[p.S[:, -1]] + values[p.d[:, -1]] + p.tables.arrival_s / p.unit
    values[p.z] = ends.max()
    return values
