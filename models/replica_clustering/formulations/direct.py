"""`replica-clustering`: `direct` (ours), a MILP over devices, slots and modes (spec section 5.4).

Slot r holds the replica whose lowest device is r, or none. A mode g is a role with a batch and a
number of stages. Columns: binary ``u[r,g]``, slot r is in mode g; binary ``b[i,r,c,h]``, device i
has c blocks in slot r, as master if h = 1; ``f[r,g]``, the slot's requests/s; lambda; with unequal
links binary ``z[i,j,r]``, i hands over to j, and ``p[i]``, the order. ``x[i,r]`` stands for the
sum of ``b[i,r,c,h]`` over c and h.

It is the problem as it reads, for cross-checks on few devices; `columns` is what to solve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shardopt.models.formulation import LinearFormulation, require_size
from shardopt.models.linear import LinearModel
from shardopt.models.replica_clustering.data import Instance, Role, Solution
from shardopt.models.replica_clustering.formulations.columns import LAMBDA
from shardopt.models.replica_clustering.inside import rate_at, to_replica
from shardopt.models.replica_clustering.tables import FloatArray, IntArray, Tables, make_tables


@dataclass(frozen=True)
class Mode:
    """A role, batch and number of stages that some slot can have.

    Attributes
    ----------
    rate
        ``float[device, c, h]`` in units of the model: the rate of a replica whose slowest stage
        is the device with c blocks, as master if h = 1; 0 where the mode forbids that.
    hop
        ``float[device, device]``, the same for hops.
    """

    role: Role
    q: int
    stages: int
    rate: FloatArray
    hop: FloatArray

    def most(self, slot: int) -> float:
        """Return the largest rate in a slot, 0 if it cannot have the mode."""
        devices = len(self.rate) - slot
        if devices < self.stages:
            return 0.0
        most = float(self.rate[slot:].max())
        if self.stages > 1:
            among = self.hop[slot:, slot:][~np.eye(devices, dtype=bool)]
            most = min(most, float(among.max()))
        return most


@dataclass(frozen=True)
class Program:
    """The model being built. ``u`` and ``f`` by [slot, mode], -1 where a slot cannot have it.

    ``most[slot, mode]`` is the largest rate; ``b[device, slot, c, h]`` -1 where i < r or c = 0;
    ``z[device, device, slot]`` -1 where there is none.
    """

    tables: Tables
    modes: list[Mode]
    model: LinearModel
    most: FloatArray
    u: IntArray
    f: IntArray
    b: IntArray
    z: IntArray
    p: IntArray
    total: int

    def slots(self) -> Iterator[tuple[int, IntArray]]:
        """Yield every slot with the modes that it can have."""
        for r in range(self.tables.device_count):
            yield r, np.flatnonzero(self.u[r] >= 0)

    def x(self, i: int, r: int) -> IntArray:
        """Return the columns whose sum is x[i,r]."""
        return self.b[i, r, 1:].ravel()


def build(instance: Instance, *, rate: float, most: float) -> LinearFormulation:
    """Build the MILP.

    Parameters
    ----------
    rate
        About lambda: what rates are scaled by.
    most
        A bound on lambda; rates above it count as this.
    """
    tables = make_tables(instance)
    scale = LAMBDA / rate
    p = _columns(tables, _modes(tables, scale, most * scale), most * scale)
    role_count(p)
    one_mode(p)
    device_once(p)
    leader(p)
    cover(p)
    master_in_replica(p)
    stage_count(p)
    allowed(p)
    slowest_stage(p)
    phase_rate(p)
    if not tables.uniform:
        path(p)
        order(p)
        slowest_hop(p)
    return LinearFormulation(
        p.model,
        lambda values: _decode(p, values),
        lambda solution: _encode(p, solution),
        unit=scale,
        reciprocal=True,
    )


def _modes(tables: Tables, scale: float, most: float) -> list[Mode]:
    longest = min(tables.device_count, tables.block_count)
    found = [_mode(tables, "prefill", 1, s, scale, most) for s in range(1, longest + 1)]
    for s in range(1, min(longest, tables.max_batch) + 1):
        for q in range(1, tables.max_batch // s + 1):
            found.append(_mode(tables, "decode", q, s, scale, most))
    return [mode for mode in found if mode.most(0) > 0.0]


def _mode(tables: Tables, role: Role, q: int, stages: int, scale: float, most: float) -> Mode:
    """Return a mode; rates above ``most`` count as this."""
    per_batch = rate_at(tables, role, q, 1.0) * scale
    blocks = np.arange(tables.block_count + 1)
    if role == "prefill":
        block_s, head_s = tables.prefill_s, tables.prefill_head_s
    else:
        block_s, head_s = tables.decode_s[:, q - 1], tables.decode_head_s[:, q - 1]
    time = block_s[:, None, None] * blocks[:, None] + head_s[:, None, None] * np.arange(2)
    fits = np.stack([tables.most_blocks(role, q, stages, head) for head in (False, True)], axis=1)
    # One stage has all blocks and is the master; several leave a block for each of the others.
    possible = (blocks[:, None] >= 1) & (blocks[:, None] <= fits[:, None, :])
    possible &= blocks[:, None] <= tables.block_count - stages + 1
    if stages == 1:
        possible &= (blocks[:, None] == tables.block_count) & (np.arange(2) == 1)

    def rates(time: FloatArray, possible: NDArray[np.bool_]) -> FloatArray:
        if role == "decode":
            possible = possible & tables.rate_allowed(stages, time)
        with np.errstate(divide="ignore"):
            return np.where(possible, np.minimum(per_batch / time, most), 0.0)

    hop_s = tables.hop_s(role, q)
    return Mode(
        role, q, stages, rates(time, possible), rates(hop_s, np.ones(hop_s.shape, dtype=bool))
    )


def _columns(tables: Tables, modes: list[Mode], most_total: float) -> Program:
    devices, blocks = tables.device_count, tables.block_count
    pairs = devices * (devices + 1) / 2
    require_size(pairs * 2 * blocks, 3.0 * pairs * 2 * blocks * max(1, len(modes)))
    model = LinearModel()
    most = np.array([[mode.most(r) for mode in modes] for r in range(devices)])
    most = most.reshape(devices, len(modes))
    u, f = (np.full(most.shape, -1, dtype=np.int64) for _ in range(2))
    u[most > 0.0] = model.add_binaries(int((most > 0.0).sum()))
    f[most > 0.0] = model.add_columns(int((most > 0.0).sum()), upper=most[most > 0.0])
    b = np.full((devices, devices, blocks + 1, 2), -1, dtype=np.int64)
    z = np.full((devices, devices, devices), -1, dtype=np.int64)
    for r in range(devices):
        usable = np.zeros((devices - r, blocks, 2))
        for g in np.flatnonzero(u[r] >= 0):
            usable = np.maximum(usable, modes[g].rate[r:, 1:] > 0.0)
        columns = model.add_columns(usable.size, upper=usable.ravel(), integer=True)
        b[r:, r, 1:] = columns.reshape(usable.shape)
        if not tables.uniform:
            among = ~np.eye(devices, dtype=bool)
            among[:r], among[:, :r] = False, False
            z[:, :, r][among] = model.add_binaries(int(among.sum()))
    p = model.add_columns(0 if tables.uniform else devices, upper=float(devices))
    total = int(model.add_columns(1, cost=-1.0, upper=most_total)[0])
    return Program(tables, modes, model, most, u, f, b, z, p, total)


def role_count(p: Program) -> None:
    """At least one replica of each role."""
    for role in ("prefill", "decode"):
        mine = [g for g, mode in enumerate(p.modes) if mode.role == role]
        columns = p.u[:, mine]
        p.model.add_row(columns[columns >= 0], lower=1.0)


def one_mode(p: Program) -> None:
    """A slot has one mode or none."""
    for r, modes in p.slots():
        p.model.add_row(p.u[r, modes], upper=1.0)


def device_once(p: Program) -> None:
    """Every device is in one slot at most, with one number of blocks."""
    for i in range(p.tables.device_count):
        p.model.add_row(p.b[i, : i + 1, 1:].ravel(), upper=1.0)


def leader(p: Program) -> None:
    """x[r,r] = sum of u[r,g]; and no device is in a slot without a mode."""
    for r, modes in p.slots():
        for i in range(r, p.tables.device_count):
            lower = 0.0 if i == r else -np.inf
            _add(p, [(p.x(i, r), 1.0), (p.u[r, modes], -1.0)], lower, 0.0)


def cover(p: Program) -> None:
    """The blocks of a slot's devices are all blocks."""
    blocks = np.repeat(np.arange(1.0, p.tables.block_count + 1), 2)
    for r, modes in p.slots():
        held = [(p.x(i, r), blocks) for i in range(r, p.tables.device_count)]
        _add(p, [*held, (p.u[r, modes], -float(p.tables.block_count))], 0.0, 0.0)


def master_in_replica(p: Program) -> None:
    """A slot with a mode has one master."""
    for r, modes in p.slots():
        masters = p.b[r:, r, 1:, 1].ravel()
        _add(p, [(masters, 1.0), (p.u[r, modes], -1.0)], 0.0, 0.0)


def stage_count(p: Program) -> None:
    """A slot has as many devices as its mode has stages."""
    for r, modes in p.slots():
        devices = p.b[r:, r, 1:].ravel()
        stages = np.array([-float(p.modes[g].stages) for g in modes])
        _add(p, [(devices, 1.0), (p.u[r, modes], stages)], 0.0, 0.0)


def allowed(p: Program) -> None:
    """No device has what the slot's mode forbids: memory and token-rate."""
    for r, modes in p.slots():
        for i in range(r, p.tables.device_count):
            for g in modes:
                forbidden = p.x(i, r)[p.modes[g].rate[i, 1:].ravel() == 0.0]
                p.model.add_row(np.append(forbidden, p.u[r, g]), upper=1.0)


def slowest_stage(p: Program) -> None:
    """f[r,g] <= most u[r,g], and the rate that each of the slot's devices allows."""
    for r, modes in p.slots():
        for g in modes:
            most = p.most[r, g]
            _add(p, [([p.f[r, g]], 1.0), ([p.u[r, g]], -most)], -np.inf, 0.0)
            for i in range(r, p.tables.device_count):
                gain = np.minimum(p.modes[g].rate[i, 1:].ravel(), most) - most
                _add(p, [([p.f[r, g]], 1.0), (p.x(i, r), -gain)], -np.inf, most)


def phase_rate(p: Program) -> None:
    """Lambda is at most the sum of rates, in each of the two phases."""
    for role in ("prefill", "decode"):
        mine = [g for g, mode in enumerate(p.modes) if mode.role == role]
        columns = p.f[:, mine]
        _add(p, [(columns[columns >= 0], 1.0), ([p.total], -1.0)], 0.0, np.inf)


def path(p: Program) -> None:
    """The hops of a slot leave and enter each of its devices once at most, S - 1 in all."""
    for r, modes in p.slots():
        for i in range(r, p.tables.device_count):
            for hops in (p.z[i, :, r], p.z[:, i, r]):
                _add(p, [(hops[hops >= 0], 1.0), (p.x(i, r), -1.0)], -np.inf, 0.0)
        hops = p.z[:, :, r]
        stages = np.array([1.0 - p.modes[g].stages for g in modes])
        _add(p, [(hops[hops >= 0], 1.0), (p.u[r, modes], stages)], 0.0, 0.0)


def order(p: Program) -> None:
    """Who hands over comes before: p[j] >= p[i] + 1 unless i does not hand over to j."""
    devices = p.tables.device_count
    for i in range(devices):
        for j in range(devices):
            hops = p.z[i, j][p.z[i, j] >= 0]
            if hops.size:
                terms = [([p.p[j]], 1.0), ([p.p[i]], -1.0), (hops, -float(devices))]
                _add(p, terms, 1.0 - devices, np.inf)


def slowest_hop(p: Program) -> None:
    """f[r,g] is at most the rate that each hop allows; no hop that the mode forbids."""
    for r, modes in p.slots():
        for i, j in np.argwhere(p.z[:, :, r] >= 0):
            for g in modes:
                most, hop = p.most[r, g], p.modes[g].hop[i, j]
                if hop == 0.0:
                    p.model.add_row([p.u[r, g], p.z[i, j, r]], upper=1.0)
                elif hop < most:
                    terms = [([p.f[r, g]], 1.0), ([p.z[i, j, r]], most - hop)]
                    _add(p, terms, -np.inf, most)


Terms = Sequence[tuple[IntArray | list[int], FloatArray | float]]


def _add(p: Program, terms: Terms, low: float, high: float) -> None:
    columns = np.concatenate([np.asarray(c, dtype=np.int64) for c, _ in terms])
    values = np.concatenate([np.broadcast_to(v, len(c)) for c, v in terms])
    p.model.add_row(columns, values, lower=low, upper=high)


def _decode(p: Program, values: FloatArray) -> Solution:
    """Return the plan: its devices, roles and batches count, and its cuts are the best for them."""
    replicas = []
    for r, modes in p.slots():
        for g in modes:
            if values[p.u[r, g]] > 0.5:
                devices = range(r, p.tables.device_count)
                members = [i for i in devices if values[p.x(i, r)].sum() > 0.5]
                replicas.append(to_replica(p.tables, p.modes[g].role, p.modes[g].q, members))
    return Solution(tuple(replicas))


def _encode(p: Program, solution: Solution) -> FloatArray:
    values = np.zeros(p.model.column_count)
    index = p.tables.instance.device_index()
    number = {(mode.role, mode.q, mode.stages): g for g, mode in enumerate(p.modes)}
    sums = {"prefill": 0.0, "decode": 0.0}
    for replica in solution.replicas:
        devices = [index[stage.device] for stage in replica.stages]
        r, g = min(devices), number[replica.role, replica.batch, len(devices)]
        rate = p.most[r, g]
        for n, (i, stage) in enumerate(zip(devices, replica.stages, strict=True)):
            h = int(stage.device == replica.master)
            values[p.b[i, r, stage.stop - stage.start, h]] = 1.0
            rate = min(rate, p.modes[g].rate[i, stage.stop - stage.start, h])
            if n > 0:
                rate = min(rate, p.modes[g].hop[devices[n - 1], i])
                if not p.tables.uniform:
                    values[p.z[devices[n - 1], i, r]] = 1.0
                    values[p.p[i]] = float(n)
        values[p.u[r, g]], values[p.f[r, g]] = 1.0, rate
        sums[replica.role] += rate
    values[p.total] = min(sums.values())
    return values
