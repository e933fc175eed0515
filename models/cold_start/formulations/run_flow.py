"""`cold-start`: `run-flow` (ours), a MILP over runs and hand-overs (spec section 4.4).

Columns: binary ``x[a,b,k]``, device k holds the run [a,b), for every run that fits;
``z[p,d,e]`` in [0,1], the activation passes the cut before block p from d to e; ``T``. Neither
big-M nor positions: the runs are a path through the cuts, and the unrolled time of a plan is
the largest of one row per block or cut.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.formulations.common import (
    canonical_stages,
    finish_times,
    require_size,
    twins,
)
from shardopt.models.cold_start.tables import FloatArray, IntArray, Tables, make_tables
from shardopt.models.formulation import LinearFormulation
from shardopt.models.linear import LinearModel


@dataclass(frozen=True)
class Program:
    """The model being built.

    Attributes
    ----------
    unit
        Seconds that 1.0 of a time in the model stands for.
    device, start, stop
        ``int[run]``: run ``j`` is [start, stop) on the device, column ``x[j]``.
    load, comp
        ``float[run]`` in units.
    z
        ``int[cut - 1, sender, receiver]``; -1 on the diagonal.
    transfer
        ``float[cut - 1, sender, receiver]`` in units; 0 on the diagonal.
    """

    tables: Tables
    unit: float
    model: LinearModel
    device: IntArray
    start: IntArray
    stop: IntArray
    load: FloatArray
    comp: FloatArray
    x: IntArray
    z: IntArray
    transfer: FloatArray
    T: int

    @property
    def cuts(self) -> range:
        """Every place between two blocks."""
        return range(1, self.tables.block_count)


def build(instance: Instance, *, unit: float) -> LinearFormulation:
    """Build the model; ``unit`` is best about the optimum."""
    tables = make_tables(instance)
    _require_size(tables)
    p = _columns(tables, unit)
    first_and_last_block(p)
    contiguous(p)
    device_once(p)
    if tables.layerwise:
        time_layerwise(p)
    else:
        time_after_waiting(p)
        time_before_waiting(p)
    earlier_twin_first(p)
    return LinearFormulation(
        p.model, lambda values: _decode(p, values), lambda plan: _encode(p, plan), unit
    )


def _require_size(tables: Tables) -> None:
    devices, blocks = float(tables.device_count), float(tables.block_count)
    runs = float((tables.reach - np.arange(tables.block_count)).sum())
    hand_overs = (blocks - 1) * devices * (devices - 1)
    # A run is in the time rows of every block before its end.
    rows = blocks if tables.layerwise else 2 * blocks
    require_size(runs + hand_overs, rows * (2 / 3 * runs + hand_overs / 2) + 3 * runs)


def _columns(tables: Tables, unit: float) -> Program:
    count, devices = tables.block_count, tables.device_count
    length = tables.reach - np.arange(count)  # memory: only runs that fit
    cell = np.repeat(np.arange(length.size), length.ravel())
    device, start = cell // count, cell % count
    first = np.cumsum(length.ravel()) - length.ravel()
    stop = start + 1 + np.arange(cell.size) - first[cell]
    model = LinearModel()
    x = model.add_binaries(cell.size)
    pairs = ~np.eye(devices, dtype=bool)
    z = np.full((count - 1, devices, devices), -1, dtype=np.int64)
    hand_overs = model.add_columns((count - 1) * int(pairs.sum()), upper=1.0)
    z[:, pairs] = hand_overs.reshape(count - 1, int(pairs.sum()))
    time = tables.latency + tables.activation[:-1, None, None] * tables.inverse_rate
    return Program(
        tables=tables,
        unit=unit,
        model=model,
        device=device,
        start=start,
        stop=stop,
        load=(tables.weight[stop] - tables.weight[start]) / tables.load[device] / unit,
        comp=(tables.work[stop] - tables.work[start]) / tables.compute[device] / unit,
        x=x,
        z=z,
        transfer=np.where(pairs, time, 0.0) / unit,
        T=int(model.add_columns(1, cost=1.0)[0]),
    )


def first_and_last_block(p: Program) -> None:
    """Let one run start at 0 and one stop at L, (c3) and (c4)."""
    for ends in (p.x[p.start == 0], p.x[p.stop == p.tables.block_count]):
        p.model.add_row(ends, lower=1.0, upper=1.0)


def contiguous(p: Program) -> None:
    """A run ends at a cut where its device sends, and starts where its device receives, (c6)."""
    for cut in p.cuts:
        ends, starts = np.flatnonzero(p.stop == cut), np.flatnonzero(p.start == cut)
        for k in range(p.tables.device_count):
            others = np.arange(p.tables.device_count) != k
            sent, received = p.z[cut - 1, k, others], p.z[cut - 1, others, k]
            for runs, passed in ((ends, sent), (starts, received)):
                mine = p.x[runs[p.device[runs] == k]]
                values = np.repeat([1.0, -1.0], [mine.size, passed.size])
                p.model.add_row(np.concatenate([mine, passed]), values, lower=0.0, upper=0.0)


def device_once(p: Program) -> None:
    """Give each device one run at most, (c2)."""
    for k in range(p.tables.device_count):
        p.model.add_row(p.x[p.device == k], upper=1.0)


def time_after_waiting(p: Program) -> None:
    """T >= Load of the run that starts at p, and all transfers and computing from p on; (i)."""
    for cut in range(p.tables.block_count):
        value = np.where(p.start >= cut, p.comp, 0.0) + np.where(p.start == cut, p.load, 0.0)
        _time_row(p, value, first_transfer=cut)


def time_before_waiting(p: Program) -> None:
    """T >= Load, least transfer and Comp of the run over block p, and all that follows; (ii).

    Implied by the rows (i) for whole plans; it closes the gap of the relaxation.
    """
    arrival = _least_transfer(p)
    for block in range(p.tables.block_count):
        over = (p.start <= block) & (block < p.stop)
        value = np.where(over | (p.start > block), p.comp, 0.0)
        value += np.where(over, p.load + arrival, 0.0)
        _time_row(p, value, first_transfer=block + 1)


def time_layerwise(p: Program) -> None:
    """T >= Load up to block q, Comp from q on, and all that follows the run over q; for all q.

    And once T >= all computing and transfers, where nothing waits for loading.
    """
    tables, unit = p.tables, p.unit
    for block in range(tables.block_count):
        over = (p.start <= block) & (block < p.stop)
        loaded = (tables.weight[block + 1] - tables.weight[p.start]) / tables.load[p.device]
        computed = (tables.work[p.stop] - tables.work[block]) / tables.compute[p.device]
        value = np.where(over, (loaded + computed) / unit, 0.0)
        _time_row(p, value + np.where(p.start > block, p.comp, 0.0), first_transfer=block + 1)
    _time_row(p, p.comp, first_transfer=1)


def earlier_twin_first(p: Program) -> None:
    """Break symmetry: a device starts only after its interchangeable predecessor (optional)."""
    for k, later in twins(p.tables):
        for cut in range(p.tables.block_count):
            before = p.x[(p.device == k) & (p.start < cut)]
            now = p.x[(p.device == later) & (p.start <= cut)]
            values = np.repeat([1.0, -1.0], [before.size, now.size])
            p.model.add_row(np.concatenate([before, now]), values, lower=0.0)


def _time_row(p: Program, value: FloatArray, first_transfer: int) -> None:
    """Add ``T >= value x + sum of the transfers at cuts from first_transfer on``."""
    at = max(first_transfer, 1) - 1
    pairs = p.z[at:] >= 0
    columns = np.concatenate([p.x, p.z[at:][pairs], [p.T]])
    values = np.concatenate([-value, -p.transfer[at:][pairs], [1.0]])
    p.model.add_row(columns, values, lower=0.0)


def _least_transfer(p: Program) -> FloatArray:
    """Return, per run, the least time to receive from any other device; 0 for a first run."""
    if p.tables.device_count == 1 or p.tables.block_count == 1:
        return np.zeros(p.x.size)
    senders = np.where(p.z >= 0, p.transfer, np.inf).min(axis=1)  # [cut - 1, receiver]
    return np.where(p.start > 0, senders[np.maximum(p.start, 1) - 1, p.device], 0.0)


def _decode(p: Program, values: FloatArray) -> Solution | None:
    runs = np.flatnonzero(values[p.x] > 0.5)
    runs = runs[np.argsort(p.start[runs])]
    stages = [(int(p.device[j]), int(p.start[j]), int(p.stop[j])) for j in runs]
    return p.tables.decode(stages) if stages else None


def _encode(p: Program, solution: Solution) -> FloatArray:
    values = np.zeros(p.model.column_count)
    stages = canonical_stages(p.tables, solution)
    run_at = {stage: j for j, stage in enumerate(zip(p.device, p.start, p.stop, strict=True))}
    for stage in stages:
        values[p.x[run_at[stage]]] = 1.0
    for (d, _, cut), (e, _, _) in itertools.pairwise(stages):
        values[p.z[cut - 1, d, e]] = 1.0
    values[p.T] = finish_times(p.tables, stages)[-1] / p.unit
    return values
