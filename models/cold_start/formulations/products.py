"""`cold-start`: `minlp/scip`, the published program P0 with its products (spec section 4.3).

The position-based program of `direct` with the binaries ``a[n,k]`` and ``y[n,i]`` only: loading,
computing and receiving are products of what a position holds and who stands there. An
independent cross-check, not a fast method.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyscipopt import Model, quicksum

from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.formulations.common import require_size
from shardopt.models.cold_start.tables import FloatArray, Tables, make_tables
from shardopt.models.formulation import ScipFormulation

GB, TFLOP, MB = 1e9, 1e12, 1e6

Matrix = list[list[Any]]


@dataclass(frozen=True)
class Program:
    """The model being built. ``end[n][i]``: the run at n ends with i, the one at n + 1 follows."""

    tables: Tables
    unit: float
    model: Any
    a: Matrix
    y: Matrix
    end: Matrix
    F: list[Any]

    @property
    def positions(self) -> range:
        """All positions: more than devices or blocks are never used."""
        return range(len(self.F))

    @property
    def blocks(self) -> range:
        """All blocks."""
        return range(self.tables.block_count)

    @property
    def devices(self) -> range:
        """All devices."""
        return range(self.tables.device_count)

    def held(self, n: int, sizes: FloatArray, blocks: range) -> Any:
        """Return the sizes of the blocks at position ``n``, of those in ``blocks``."""
        return quicksum(float(sizes[i]) * self.y[n][i] for i in blocks)

    def of_device(self, n: int, values: FloatArray) -> Any:
        """Return the value of the device at position ``n``."""
        return quicksum(float(values[k]) * self.a[n][k] for k in self.devices)

    def load(self, n: int, blocks: range) -> Any:
        """Return Load of the blocks at position ``n``: GB times units per GB."""
        sizes = np.diff(self.tables.weight) / GB
        return self.held(n, sizes, blocks) * self.of_device(n, GB / self.tables.load / self.unit)

    def comp(self, n: int, blocks: range) -> Any:
        """Return Comp of the blocks at position ``n``: TFLOP times units per TFLOP."""
        sizes = np.diff(self.tables.work) / TFLOP
        rate = TFLOP / self.tables.compute / self.unit
        return self.held(n, sizes, blocks) * self.of_device(n, rate)


def build(instance: Instance, *, unit: float) -> ScipFormulation:
    """Build the model; ``unit`` is what 1.0 of the objective stands for, in seconds."""
    tables = make_tables(instance)
    positions = float(min(tables.device_count, tables.block_count))
    cells = positions * tables.device_count * tables.block_count
    require_size(positions * (tables.device_count + 2 * tables.block_count), 10 * cells)
    p = _variables(tables, unit)
    device_once(p)
    one_device_per_position(p)
    non_empty_run(p)
    cover(p)
    contiguous(p)
    memory(p)
    transfer = transfers(p)
    if tables.layerwise:
        time_layerwise(p, transfer)
    else:
        time_whole_run(p, transfer)
    p.model.setObjective(p.F[-1], "minimize")
    return ScipFormulation(p.model, lambda value: _decode(p, value), unit)


def _variables(tables: Tables, unit: float) -> Program:
    model = Model()
    count, devices = tables.block_count, tables.device_count
    positions = range(min(devices, count))

    def binaries(rows: range, columns: int) -> Matrix:
        return [[model.addVar(vtype="B") for _ in range(columns)] for _ in rows]

    return Program(
        tables=tables,
        unit=unit,
        model=model,
        a=binaries(positions, devices),
        y=binaries(positions, count),
        end=[[model.addVar(lb=0.0, ub=1.0) for _ in range(count - 1)] for _ in positions[1:]],
        F=[model.addVar(lb=0.0) for _ in positions],
    )


def device_once(p: Program) -> None:
    """Give each device one position at most, (c2)."""
    for k in p.devices:
        p.model.addCons(quicksum(p.a[n][k] for n in p.positions) <= 1)


def one_device_per_position(p: Program) -> None:
    """u_1 = 1, u_n <= u_{n-1}: no position has two devices, and none is left out."""
    p.model.addCons(quicksum(p.a[0]) == 1)
    for n in p.positions[1:]:
        p.model.addCons(quicksum(p.a[n]) <= quicksum(p.a[n - 1]))


def non_empty_run(p: Program) -> None:
    """u_n <= sum_i y[n,i], and no block where there is no device, (c5)."""
    for n in p.positions:
        p.model.addCons(quicksum(p.y[n]) >= quicksum(p.a[n]))
        for i in p.blocks:
            p.model.addCons(p.y[n][i] <= quicksum(p.a[n]))


def cover(p: Program) -> None:
    """Put each block at one position, (c3) and (c4)."""
    for i in p.blocks:
        p.model.addCons(quicksum(p.y[n][i] for n in p.positions) == 1)


def contiguous(p: Program) -> None:
    """Block i + 1 is nowhere before block i, (c6)."""
    for n in p.positions:
        for i in p.blocks[:-1]:
            here = quicksum(p.y[q][i] for q in range(n + 1))
            p.model.addCons(here >= quicksum(p.y[q][i + 1] for q in range(n + 1)))


def memory(p: Program) -> None:
    """y[n,i] + y[n,reach_k(i)] <= 2 - a[n,k]: two blocks that cannot share a run on k, (c7)."""
    for n in p.positions:
        for k in p.devices:
            for i in p.blocks:
                reach = int(p.tables.reach[k, i])
                if reach == i:
                    p.model.addCons(p.y[n][i] + p.a[n][k] <= 1)
                elif reach < p.tables.block_count:
                    p.model.addCons(p.y[n][i] + p.y[n][reach] + p.a[n][k] <= 2)


def transfers(p: Program) -> list[Any]:
    """Return C_n: latency and MB handed over, times the slower of both ends or the link's rate."""
    tables, links = p.tables, p.tables.instance.links_bytes_per_s
    sizes = tables.activation[:-1] / MB
    received: list[Any] = [0.0]
    for n in p.positions[1:]:
        end = p.end[n - 1]
        for i in p.blocks[:-1]:
            p.model.addCons(end[i] >= p.y[n - 1][i] + p.y[n][i + 1] - 1)
        amount = quicksum(float(sizes[i]) * end[i] for i in p.blocks[:-1])
        latency = tables.latency / p.unit * quicksum(end)
        time = p.model.addVar(lb=0.0)
        if links is None:
            for at, field in ((n - 1, "uplink_bytes_per_s"), (n, "downlink_bytes_per_s")):
                rates = np.array([getattr(d, field) for d in tables.instance.devices])
                per_mb = p.of_device(at, MB / rates / p.unit)
                p.model.addCons(time >= latency + amount * per_mb)
        else:
            per_mb = p.model.addVar(lb=0.0, ub=float(tables.inverse_rate.max() * MB / p.unit))
            for d, e in itertools.permutations(p.devices, 2):
                rate = float(tables.inverse_rate[d, e] * MB / p.unit)
                p.model.addCons(per_mb >= rate * (p.a[n - 1][d] + p.a[n][e] - 1))
            p.model.addCons(time >= latency + amount * per_mb)
        received.append(time)
    return received


def time_whole_run(p: Program, transfer: list[Any]) -> None:
    """F_n >= max(Load_n, F_{n-1}) + C_n + Comp_n, eqs. (17)-(24)."""
    for n in p.positions:
        rest = transfer[n] + p.comp(n, p.blocks)
        p.model.addCons(p.F[n] >= p.load(n, p.blocks) + rest)
        if n > 0:
            p.model.addCons(p.F[n] >= p.F[n - 1] + rest)


def time_layerwise(p: Program, transfer: list[Any]) -> None:
    """F_n >= F_{n-1} + C_n + Comp_n; for every block q, F_n >= Load up to q + Comp from q on."""
    count = p.tables.block_count
    for n in p.positions:
        before = p.F[n - 1] if n > 0 else 0.0
        p.model.addCons(p.F[n] >= before + transfer[n] + p.comp(n, p.blocks))
        for q in p.blocks:
            own = p.load(n, range(q + 1)) + p.comp(n, range(q, count))
            p.model.addCons(p.F[n] >= own)


def _decode(p: Program, value: Callable[[Any], float]) -> Solution | None:
    stages = []
    for n in p.positions:
        held = [i for i in p.blocks if value(p.y[n][i]) > 0.5]
        if held:
            k = max(p.devices, key=lambda k: value(p.a[n][k]))
            stages.append((k, held[0], held[-1] + 1))
    return p.tables.decode(stages) if stages else None
