"""`cold-start`: `minlp`, the published program P0 with its products, for SCIP (spec section 4.3).

An independent cross-check of `direct`: binaries ``a[n,k]`` (device k at position n) and
``y[n,i]`` (block i at n) alone; a stage's sizes are sums over its blocks, its rates sums over
its device, and its times their products. Sizes are parts of the whole model and rates are
whole models per unit of time, which is the page's GB, TFLOP and MB made safe for any input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyscipopt import Model, quicksum

from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.formulations.common import require_size, twins
from shardopt.models.cold_start.tables import FloatArray, Tables, make_tables
from shardopt.models.formulation import ScipFormulation

Expression = Any


@dataclass(frozen=True)
class Program:
    """The model being built; ``a[n][k]``, ``y[n][i]``, and per position C and F.

    ``unit`` is what 1.0 of a time in the model stands for, in seconds.
    """

    tables: Tables
    unit: float
    model: Model
    a: list[list[Any]]
    y: list[list[Any]]
    C: list[Any]
    F: list[Any]

    @property
    def positions(self) -> range:
        """All positions: more than devices or blocks are never used."""
        return range(len(self.F))

    @property
    def devices(self) -> range:
        """All devices."""
        return range(self.tables.device_count)

    @property
    def blocks(self) -> range:
        """All blocks."""
        return range(self.tables.block_count)

    def used(self, n: int) -> Expression:
        """Return u_n = sum_k a[n,k]."""
        return quicksum(self.a[n])

    def weight(self, n: int, blocks: range) -> Expression:
        """Return the weights at position n among some blocks, as a part of all."""
        parts = _parts(np.diff(self.tables.weight), self.tables.weight[-1])
        return quicksum(parts[i] * self.y[n][i] for i in blocks)

    def work(self, n: int, blocks: range) -> Expression:
        """Return the work at position n among some blocks, as a part of all."""
        parts = _parts(np.diff(self.tables.work), self.tables.work[-1])
        return quicksum(parts[i] * self.y[n][i] for i in blocks)

    def load_all(self, n: int) -> Expression:
        """Return the time in which the device at position n would load the whole model."""
        times = self.tables.weight[-1] / self.tables.load / self.unit
        return quicksum(float(times[k]) * self.a[n][k] for k in self.devices)

    def compute_all(self, n: int) -> Expression:
        """Return the time in which the device at position n would compute the whole model."""
        times = self.tables.work[-1] / self.tables.compute / self.unit
        return quicksum(float(times[k]) * self.a[n][k] for k in self.devices)


def build(instance: Instance, *, unit: float) -> ScipFormulation:
    """Build the model; ``unit`` is what 1.0 of the objective stands for, in seconds."""
    tables = make_tables(instance)
    p = _columns(tables, unit)
    device_once(p)
    one_device_per_position(p)
    no_holes(p)
    non_empty_run(p)
    cover(p)
    contiguous(p)
    memory(p)
    transfer(p)
    if tables.layerwise:
        time_layerwise(p)
    else:
        time_whole_run(p)
    earlier_twin_first(p)
    p.model.setObjective(p.F[-1], "minimize")
    return ScipFormulation(p.model, lambda value: _decode(p, value), unit)


def _columns(tables: Tables, unit: float) -> Program:
    devices, count = tables.device_count, tables.block_count
    positions = min(devices, count)
    # Products are pairs of columns, a few per position, device and block.
    require_size(positions * (devices + count), 100.0 * positions * devices * count)
    model = Model()

    def binaries(width: int) -> list[list[Any]]:
        return [[model.addVar(vtype="B") for _ in range(width)] for _ in range(positions)]

    def times() -> list[Any]:
        return [model.addVar(lb=0.0) for _ in range(positions)]

    return Program(tables, unit, model, binaries(devices), binaries(count), times(), times())


def device_once(p: Program) -> None:
    """Give each device one position at most, (c2)."""
    for k in p.devices:
        p.model.addCons(quicksum(p.a[n][k] for n in p.positions) <= 1)


def one_device_per_position(p: Program) -> None:
    """u_n <= 1."""
    for n in p.positions:
        p.model.addCons(p.used(n) <= 1)


def no_holes(p: Program) -> None:
    """u_1 = 1 and u_n <= u_{n-1}."""
    p.model.addCons(p.used(0) == 1)
    for n in p.positions[1:]:
        p.model.addCons(p.used(n) <= p.used(n - 1))


def non_empty_run(p: Program) -> None:
    """u_n <= sum_i y[n,i] <= L u_n, (c5): blocks only where a device is."""
    for n in p.positions:
        p.model.addCons(quicksum(p.y[n]) >= p.used(n))
        for i in p.blocks:
            p.model.addCons(p.y[n][i] <= p.used(n))


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
    """Blocks i and reach_k(i) are not both at a position that device k has, (c7); exact."""
    reach = p.tables.reach
    for n in p.positions:
        for k in p.devices:
            for i in p.blocks:
                first_out = int(reach[k, i])
                if first_out == i:
                    p.model.addCons(p.a[n][k] + p.y[n][i] <= 1)
                elif first_out < len(p.blocks):
                    p.model.addCons(p.a[n][k] + p.y[n][i] + p.y[n][first_out] <= 2)


def transfer(p: Program) -> None:
    """C_n >= u_n latency + the activation handed over * the time that the largest would take.

    The activation is sum_i A_i y[n-1,i] y[n,i+1]: of one block, where the run at n begins.
    """
    sizes = _parts(p.tables.activation, p.tables.activation.max())
    p.model.addCons(p.C[0] == 0)
    for n in p.positions[1:]:
        handed = p.model.addVar(lb=0.0, ub=1.0)
        pairs = (sizes[i] * p.y[n - 1][i] * p.y[n][i + 1] for i in p.blocks[:-1])
        p.model.addCons(handed >= quicksum(pairs))
        latency = p.tables.latency / p.unit * p.used(n)
        for slowest in _largest_transfers(p, n):
            p.model.addCons(p.C[n] >= latency + handed * slowest)


def _largest_transfers(p: Program, n: int) -> list[Expression]:
    """Return the time of the largest activation from position n - 1 to n: the longest counts."""
    per_rate = float(p.tables.activation.max()) / p.unit
    if p.tables.instance.links_bytes_per_s is not None:
        times = per_rate * p.tables.inverse_rate
        longest = p.model.addVar(lb=0.0)
        pairs = (
            float(times[d, e]) * p.a[n - 1][d] * p.a[n][e]
            for d in p.devices
            for e in p.devices
            if d != e
        )
        p.model.addCons(longest >= quicksum(pairs))
        return [longest]
    devices = p.tables.instance.devices
    up = [per_rate / (d.uplink_bytes_per_s or 1.0) for d in devices]
    down = [per_rate / (d.downlink_bytes_per_s or 1.0) for d in devices]
    return [
        quicksum(up[k] * p.a[n - 1][k] for k in p.devices),
        quicksum(down[k] * p.a[n][k] for k in p.devices),
    ]


def time_whole_run(p: Program) -> None:
    """F_n >= max(Load_n, F_{n-1}) + C_n + Comp_n; eqs. (17)-(24)."""
    for n in p.positions:
        comp = p.work(n, p.blocks) * p.compute_all(n)
        p.model.addCons(p.F[n] >= p.weight(n, p.blocks) * p.load_all(n) + p.C[n] + comp)
        if n > 0:
            p.model.addCons(p.F[n] >= p.F[n - 1] + p.C[n] + comp)


def time_layerwise(p: Program) -> None:
    """F_n >= F_{n-1} + C_n + Comp_n; for every block q, F_n >= Load up to q + Comp from q on."""
    for n in p.positions:
        before = p.F[n - 1] if n > 0 else 0
        p.model.addCons(p.F[n] >= before + p.C[n] + p.work(n, p.blocks) * p.compute_all(n))
        for q in p.blocks:
            load = p.weight(n, p.blocks[: q + 1]) * p.load_all(n)
            p.model.addCons(p.F[n] >= load + p.work(n, p.blocks[q:]) * p.compute_all(n))


def earlier_twin_first(p: Program) -> None:
    """Break symmetry: a device is used only after its interchangeable predecessor (optional)."""
    for k, later in twins(p.tables):
        for n in p.positions:
            before = quicksum(p.a[q][k] for q in range(n))
            p.model.addCons(before >= quicksum(p.a[q][later] for q in range(n + 1)))


def _parts(sizes: FloatArray, whole: float) -> list[float]:
    return [float(v) for v in sizes / whole] if whole > 0 else [0.0] * len(sizes)


def _decode(p: Program, value: Any) -> Solution | None:
    stages = []
    for n in p.positions:
        blocks = [i for i in p.blocks if value(p.y[n][i]) > 0.5]
        if blocks:
            k = max(p.devices, key=lambda k: value(p.a[n][k]))
            stages.append((k, blocks[0], blocks[-1] + 1))
    return p.tables.decode(stages) if stages else None
