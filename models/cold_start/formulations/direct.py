"""`cold-start`: `direct`, the published program P0 over positions, made linear (spec section 4.1).

arXiv 2508.11287 gives P0 without a linearisation; products and `max` are made linear by us.

Sets: positions ``n`` of the pipeline, devices ``k``, blocks ``i``. Columns: ``a[n,k]`` device k is
at position n; ``y[n,i]`` block i is at n; ``x[n,k,i] = a y``; ``v[n,k,i]`` the run at n ends with
i and another follows; ``f[n,k,i]`` the run at n begins with i + 1; ``S, C, F[n]`` the end of
waiting, the transfer and the finish.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.formulations.common import (
    canonical_stages,
    finish_times,
    require_size,
    twins,
)
from shardopt.models.cold_start.formulations.windows import RELATIVE_MARGIN
from shardopt.models.cold_start.tables import FloatArray, IntArray, Tables, make_tables
from shardopt.models.formulation import LinearFormulation
from shardopt.models.linear import LinearModel

MemoryRows = Literal["exact", "bytes"]


@dataclass(frozen=True)
class Program:
    """The model being built: its tables and the indices of its columns by name.

    ``unit`` is what 1.0 of a time in the model stands for, in seconds; no time counts for more
    than ``longest`` units. ``v`` and ``f`` have one block less than ``x``. ``m[n,k]`` exists
    only with memory rows in bytes.
    """

    tables: Tables
    unit: float
    longest: float
    model: LinearModel
    a: IntArray
    y: IntArray
    x: IntArray
    v: IntArray
    f: IntArray
    S: IntArray
    C: IntArray
    F: IntArray
    m: IntArray | None

    @property
    def positions(self) -> range:
        """All positions: more than devices or blocks are never used."""
        return range(len(self.F))

    @property
    def load(self) -> FloatArray:
        """``float[k, i]``: P_i / r_k in units."""
        return self.units(np.diff(self.tables.weight) / self.tables.load[:, None])

    @property
    def comp(self) -> FloatArray:
        """``float[k, i]``: W_i / c_k in units."""
        return self.units(np.diff(self.tables.work) / self.tables.compute[:, None])

    def units(self, seconds: FloatArray) -> FloatArray:
        """Return times in units."""
        return np.minimum(seconds / self.unit, self.longest)


def build(
    instance: Instance,
    *,
    unit: float,
    upper_bound: float | None = None,
    memory_rows: MemoryRows = "exact",
) -> LinearFormulation:
    """Build the model.

    Parameters
    ----------
    unit
        Seconds that 1.0 of the objective stands for; best about the optimum.
    upper_bound
        Seconds of a known plan. Blocks that take longer on a device are not put there, and
        nothing counts for more than twice that: a hopeless device spoils no coefficients.
    memory_rows
        ``bytes`` writes the memory rule as it is published. It is there to be compared with
        and is not exact: a backend's tolerance of 1e-6 accepts a run some hundred bytes over.
    """
    tables = make_tables(instance)
    _require_size(tables)
    p = _columns(tables, unit, upper_bound, memory_rows)
    device_once(p)
    one_device_per_position(p)
    no_holes(p)
    non_empty_run(p)
    cover(p)
    contiguous(p)
    product(p)
    if p.m is None:
        memory_exact(p)
    else:
        memory_bytes(p, p.m)
    run_ends_and_begins(p)
    if instance.links_bytes_per_s is None:
        transfer_star(p)
    else:
        transfer_links(p)
    if tables.layerwise:
        time_layerwise(p)
    else:
        time_whole_run(p)
    earlier_twin_first(p)
    return LinearFormulation(
        p.model, lambda values: _decode(p, values), lambda plan: _encode(p, plan), unit
    )


def _require_size(tables: Tables) -> None:
    devices, blocks = float(tables.device_count), float(tables.block_count)
    positions = min(devices, blocks)
    cells = positions * devices * blocks
    nonzeros = 20 * cells + positions**2 * blocks
    nonzeros += devices * cells if tables.instance.links_bytes_per_s is not None else 0.0
    nonzeros += blocks * cells if tables.layerwise else 0.0
    require_size(3 * cells + positions * (devices + blocks), nonzeros)


def _columns(
    tables: Tables, unit: float, upper_bound: float | None, memory_rows: MemoryRows
) -> Program:
    count, devices = tables.block_count, tables.device_count
    positions = min(devices, count)
    model = LinearModel()
    # x[n,k,i] = 0 where block i alone is too much for device k.
    fits = (tables.reach > np.arange(count)) | (memory_rows == "bytes")
    if upper_bound is not None:
        load = np.diff(tables.weight) / tables.load[:, None]
        comp = np.diff(tables.work) / tables.compute[:, None]
        fits &= load + comp <= upper_bound * (1 + RELATIVE_MARGIN)
    a = model.add_binaries(positions * devices).reshape(positions, devices)
    y = model.add_binaries(positions * count).reshape(positions, count)
    shape = (positions, devices, count)
    upper = np.broadcast_to(fits, shape).astype(np.float64)
    x = model.add_columns(upper.size, upper=upper.ravel()).reshape(shape)
    inner = (positions, devices, count - 1)
    v = model.add_columns(int(np.prod(inner)), upper=1.0).reshape(inner)
    f = model.add_columns(int(np.prod(inner)), upper=1.0).reshape(inner)
    wait = model.add_columns(positions)
    first = np.arange(positions) == 0
    transfer = model.add_columns(positions, upper=np.where(first, 0.0, np.inf))  # C_1 = 0
    last = np.arange(positions) == positions - 1
    finish = model.add_columns(positions, cost=last.astype(np.float64))  # minimise F_K
    m = None
    if memory_rows == "bytes":
        m = model.add_columns(positions * devices).reshape(positions, devices)
    longest = np.inf if upper_bound is None else 2.0 * upper_bound / unit
    return Program(tables, unit, longest, model, a, y, x, v, f, wait, transfer, finish, m)


def device_once(p: Program) -> None:
    """Give each device one position at most, (c2)."""
    for k in range(p.tables.device_count):
        p.model.add_row(p.a[:, k], upper=1.0)


def one_device_per_position(p: Program) -> None:
    """u_n = sum_k a[n,k] <= 1."""
    for n in p.positions:
        p.model.add_row(p.a[n], upper=1.0)


def no_holes(p: Program) -> None:
    """u_1 = 1 and u_n <= u_{n-1}: the pipeline fills its positions from the front."""
    p.model.add_row(p.a[0], lower=1.0)
    for n in p.positions[1:]:
        p.model.add_row(*_difference(p.a[n - 1], p.a[n]), lower=0.0)


def non_empty_run(p: Program) -> None:
    """sum_i y[n,i] >= u_n, (c5)."""
    for n in p.positions:
        p.model.add_row(*_difference(p.y[n], p.a[n]), lower=0.0)


def cover(p: Program) -> None:
    """Put each block at one position, (c3) and (c4)."""
    for i in range(p.tables.block_count):
        p.model.add_row(p.y[:, i], lower=1.0, upper=1.0)


def contiguous(p: Program) -> None:
    """Block i + 1 is nowhere before block i, (c6)."""
    for n in p.positions:
        for i in range(p.tables.block_count - 1):
            p.model.add_row(*_difference(p.y[: n + 1, i], p.y[: n + 1, i + 1]), lower=0.0)


def product(p: Program) -> None:
    """X = a y: sum_k x[n,k,i] = y[n,i] and x[n,k,i] <= a[n,k]."""
    for n in p.positions:
        for i in range(p.tables.block_count):
            p.model.add_row(*_difference(p.x[n, :, i], p.y[n, i]), lower=0.0, upper=0.0)
            for k in range(p.tables.device_count):
                p.model.add_row([p.x[n, k, i], p.a[n, k]], [1.0, -1.0], upper=0.0)


def memory_exact(p: Program) -> None:
    """x[n,k,i] + x[n,k,reach_k(i)] <= a[n,k]: two blocks that cannot share a run, (c7).

    Rows of 0 and 1 need no tolerance, unlike rows in bytes.
    """
    reach, count = p.tables.reach, p.tables.block_count
    for n in p.positions:
        for k, i in zip(*np.nonzero((reach > np.arange(count)) & (reach < count)), strict=True):
            columns = [p.x[n, k, i], p.x[n, k, reach[k, i]], p.a[n, k]]
            p.model.add_row(columns, [1.0, 1.0, -1.0], upper=0.0)


def memory_bytes(p: Program, m: IntArray) -> None:
    """m[n,k] >= A_i x[n,k,i] and m[n,k] + sum_i P_i x[n,k,i] <= m_k a[n,k], (22) as published."""
    weight = np.diff(p.tables.weight)
    for n in p.positions:
        for k, device in enumerate(p.tables.instance.devices):
            memory = device.memory_bytes
            columns = [m[n, k], *p.x[n, k], p.a[n, k]]
            p.model.add_row(columns, [1.0, *weight / memory, -1.0], upper=0.0)
            for i, activation in enumerate(p.tables.activation):
                row = [m[n, k], p.x[n, k, i]]
                p.model.add_row(row, [1.0, -activation / memory], lower=0.0)


def run_ends_and_begins(p: Program) -> None:
    """v[n,k,i] >= x[n,k,i] - x[n,k,i+1] and f[n,k,i] >= x[n,k,i+1] - x[n,k,i]."""
    for n in p.positions:
        for k in range(p.tables.device_count):
            for i in range(p.tables.block_count - 1):
                here, after = p.x[n, k, i], p.x[n, k, i + 1]
                p.model.add_row([p.v[n, k, i], here, after], [1.0, -1.0, 1.0], lower=0.0)
                p.model.add_row([p.f[n, k, i], after, here], [1.0, -1.0, 1.0], lower=0.0)


def transfer_star(p: Program) -> None:
    """C_n >= the time by the sender's uplink, and by the receiver's downlink.

    1 / min(up, down) is the larger of the two inverses: no product of pairs is needed.
    """
    devices = p.tables.instance.devices
    up = np.array([d.uplink_bytes_per_s for d in devices], dtype=np.float64)
    down = np.array([d.downlink_bytes_per_s for d in devices], dtype=np.float64)
    activation = p.tables.activation[:-1]
    send = p.units(p.tables.latency + activation / up[:, None])
    receive = p.units(p.tables.latency + activation / down[:, None])
    for n in p.positions[1:]:
        p.model.add_row(*_at_least(p.C[n], (p.v[n - 1], send)), lower=0.0)
        p.model.add_row(*_at_least(p.C[n], (p.f[n], receive)), lower=0.0)


def transfer_links(p: Program) -> None:
    """C_n >= sum_{k,i} X_ke(i+1) v[n-1,k,i] - B_e (1 - a[n,e]) for every receiver e."""
    tables = p.tables
    activation = tables.activation[:-1]
    for n in p.positions[1:]:
        for e in range(tables.device_count):
            times = p.units(tables.latency + activation * tables.inverse_rate[:, e, None])
            times[e] = 0.0  # no device sends to itself
            largest = float(times.max(initial=0.0))
            columns, values = _at_least(p.C[n], (p.v[n - 1], times))
            columns, values = np.append(columns, p.a[n, e]), np.append(values, -largest)
            p.model.add_row(columns, values, lower=-largest)


def time_whole_run(p: Program) -> None:
    """S_n >= Load_n, S_n >= F_{n-1}, F_n >= S_n + C_n + Comp_n; eqs. (17)-(24)."""
    for n in p.positions:
        p.model.add_row(*_at_least(p.S[n], (p.x[n], p.load)), lower=0.0)
        if n > 0:
            p.model.add_row([p.S[n], p.F[n - 1]], [1.0, -1.0], lower=0.0)
        arrival = (np.array([p.S[n], p.C[n]]), np.ones(2))
        p.model.add_row(*_at_least(p.F[n], arrival, (p.x[n], p.comp)), lower=0.0)


def time_layerwise(p: Program) -> None:
    """F_n >= F_{n-1} + C_n + Comp_n; for every block q, F_n >= Load up to q + Comp from q on.

    The second is valid for q outside the run too: then it is the run's Load or Comp alone.
    """
    blocks = np.arange(p.tables.block_count)
    for n in p.positions:
        before = [p.C[n]] if n == 0 else [p.C[n], p.F[n - 1]]
        arrival = (np.array(before), np.ones(len(before)))
        p.model.add_row(*_at_least(p.F[n], arrival, (p.x[n], p.comp)), lower=0.0)
        for q in blocks:
            own = np.where(blocks <= q, p.load, 0.0) + np.where(blocks >= q, p.comp, 0.0)
            p.model.add_row(*_at_least(p.F[n], (p.x[n], own)), lower=0.0)


def earlier_twin_first(p: Program) -> None:
    """Break symmetry: a device is used only after its interchangeable predecessor (optional)."""
    for k, later in twins(p.tables):
        for n in p.positions:
            p.model.add_row(*_difference(p.a[:n, k], p.a[: n + 1, later]), lower=0.0)


def _difference(plus: IntArray, minus: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the row ``sum plus - sum minus``."""
    columns = np.concatenate([np.ravel(plus), np.ravel(minus)])
    return columns, np.repeat([1.0, -1.0], [np.size(plus), np.size(minus)])


def _at_least(column: int, *terms: tuple[IntArray, FloatArray]) -> tuple[IntArray, FloatArray]:
    """Return the row ``column - sum of terms``, each (columns, coefficients)."""
    columns = [np.array([column], dtype=np.int64), *(np.ravel(c) for c, _ in terms)]
    return np.concatenate(columns), np.concatenate([[1.0], *(-np.ravel(v) for _, v in terms)])


def _decode(p: Program, values: FloatArray) -> Solution | None:
    stages = []
    for n in p.positions:
        blocks = np.flatnonzero(values[p.y[n]] > 0.5)
        if blocks.size:
            k = int(np.argmax(values[p.a[n]]))
            stages.append((k, int(blocks[0]), int(blocks[-1]) + 1))
    return p.tables.decode(stages) if stages else None


def _encode(p: Program, solution: Solution) -> FloatArray:
    values = np.zeros(p.model.column_count)
    stages = canonical_stages(p.tables, solution)
    finish = np.array(finish_times(p.tables, stages)) / p.unit
    for n, (k, start, stop) in enumerate(stages):
        values[p.a[n, k]] = 1.0
        values[p.y[n, start:stop]] = 1.0
        values[p.x[n, k, start:stop]] = 1.0
        if stop < p.tables.block_count:
            values[p.v[n, k, stop - 1]] = 1.0
        if start > 0:
            values[p.f[n, k, start - 1]] = 1.0
            values[p.C[n]] = p.tables.transfer_s(stages[n - 1][0], k, start) / p.unit
        if p.m is not None:
            largest = float(p.tables.activation[start:stop].max())
            values[p.m[n, k]] = largest / p.tables.instance.devices[k].memory_bytes
    # Positions behind the last stage pass its finish on.
    values[p.F] = np.append(finish, np.full(len(p.F) - len(stages), finish[-1]))
    if not p.tables.layerwise:
        load = [p.tables.load_s(k, start, stop) / p.unit for k, start, stop in stages]
        values[p.S] = np.append(0.0, values[p.F[:-1]])
        values[p.S[: len(stages)]] = np.maximum(values[p.S[: len(stages)]], load)
    return values
