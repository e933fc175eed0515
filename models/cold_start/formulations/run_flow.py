"""`cold-start`: `run-flow` (ours), a MILP over runs and hand-overs (spec section 4.4).

Columns: binary ``x[a,b,k]``, device k holds the run [a,b), for every run that fits;
``z[p,d,e]`` in [0,1], the activation passes the cut before block p from d to e; ``T``. Neither
big-M nor positions: the runs are a path through the cuts, and the unrolled time of a plan is
the largest of one row per block or cut.

Two additions to the page, both of which leave the optimum where it is. ``R[p]`` adds up what
computing and transfers are left from cut p on, which keeps the rows of time short: without it
they hold a fifth of all columns each. And a known plan's time excludes the runs that cannot be
in any plan as good (`windows`). Together they are worth a factor of 5 to 50.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.formulations.common import (
    canonical_stages,
    finish_times,
    require_size,
    twins,
)
from shardopt.models.cold_start.formulations.windows import (
    RELATIVE_MARGIN,
    least_transfers,
    windows,
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
        ``int[cut, sender, receiver]``; -1 where nothing can be handed over.
    transfer
        ``float[cut, sender, receiver]`` in units.
    R
        ``int[cut]``: computing of the runs that start at the cut or later, and transfers there.
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
    R: IntArray
    T: int

    @property
    def cuts(self) -> range:
        """Every place before a block; 0 is before the first."""
        return range(self.tables.block_count)


def build(
    instance: Instance, *, unit: float, upper_bound: float | None = None
) -> LinearFormulation:
    """Build the model.

    Parameters
    ----------
    unit
        Seconds that 1.0 of the objective stands for; best about the optimum.
    upper_bound
        Seconds of a known plan: slower plans are not all in the model.
    """
    tables = make_tables(instance)
    _require_size(tables)
    p = _columns(tables, unit, upper_bound)
    first_and_last_block(p)
    contiguous(p)
    device_once(p)
    time_left(p)
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
    devices = float(tables.device_count)
    length = (tables.reach - np.arange(tables.block_count)).astype(np.float64)
    hand_overs = tables.block_count * devices**2
    # A run is in the row of time of each of its blocks, and in about six others.
    nonzeros = (length**2).sum() / 2 + 6 * length.sum() + 3 * hand_overs
    require_size(length.sum() + hand_overs, nonzeros)


def _usable_runs(tables: Tables, upper_bound: float | None) -> NDArray[np.bool_]:
    """Return ``bool[device, start, stop]``: the run fits, and can be in a plan in time."""
    cuts = np.arange(tables.block_count + 1)
    fits: NDArray[np.bool_] = (cuts > cuts[:-1, None]) & (cuts <= tables.reach[:, :, None])
    if upper_bound is None:
        return fits
    limits = windows(tables, upper_bound)
    return fits & (limits.earliest <= limits.latest[:, None, :])


def _columns(tables: Tables, unit: float, upper_bound: float | None) -> Program:
    usable = _usable_runs(tables, upper_bound)
    device, start, stop = np.nonzero(usable)
    model = LinearModel()
    x = model.add_binaries(device.size)
    sends = np.logical_or.reduce(usable, axis=1)[:, :-1].T  # [cut, device]
    receives = np.logical_or.reduce(usable, axis=2).T
    pairs = sends[:, :, None] & receives[:, None, :] & ~np.eye(tables.device_count, dtype=bool)
    before = np.roll(tables.activation, 1)  # of the block before a cut; nothing passes cut 0
    transfer = tables.latency + before[:, None, None] * tables.inverse_rate
    if upper_bound is not None:
        pairs &= transfer <= upper_bound * (1 + RELATIVE_MARGIN)
    z = np.full(pairs.shape, -1, dtype=np.int64)
    z[pairs] = model.add_columns(int(pairs.sum()), upper=1.0)
    cuts = tables.block_count + 1
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
        transfer=transfer / unit,
        R=model.add_columns(cuts, upper=np.where(np.arange(cuts) == cuts - 1, 0.0, np.inf)),
        T=int(model.add_columns(1, cost=1.0)[0]),
    )


def first_and_last_block(p: Program) -> None:
    """Let one run start at 0 and one stop at L, (c3) and (c4)."""
    for ends in (p.x[p.start == 0], p.x[p.stop == p.tables.block_count]):
        p.model.add_row(ends, lower=1.0, upper=1.0)


def contiguous(p: Program) -> None:
    """A run ends at a cut where its device sends, and starts where its device receives, (c6)."""
    for cut in p.cuts[1:]:
        ends, starts = np.flatnonzero(p.stop == cut), np.flatnonzero(p.start == cut)
        for k in range(p.tables.device_count):
            for runs, passed in ((ends, p.z[cut, k]), (starts, p.z[cut, :, k])):
                row = _difference(p.x[runs[p.device[runs] == k]], passed[passed >= 0])
                p.model.add_row(*row, lower=0.0, upper=0.0)


def device_once(p: Program) -> None:
    """Give each device one run at most, (c2)."""
    for k in range(p.tables.device_count):
        p.model.add_row(p.x[p.device == k], upper=1.0)


def time_left(p: Program) -> None:
    """R[p] = R[p+1] + Comp of the run that starts at p + the transfer at p; R[L] = 0."""
    for cut in p.cuts:
        runs, passed = np.flatnonzero(p.start == cut), p.z[cut] >= 0
        columns = [p.R[cut : cut + 2], p.x[runs], p.z[cut][passed]]
        values = [[1.0, -1.0], -p.comp[runs], -p.transfer[cut][passed]]
        p.model.add_row(np.concatenate(columns), np.concatenate(values), lower=0.0, upper=0.0)


def time_after_waiting(p: Program) -> None:
    """T >= Load of the run that starts at p, and all transfers and computing from p on; (i)."""
    for cut in p.cuts:
        runs = np.flatnonzero(p.start == cut)
        _time_row(p, runs, p.load[runs], cut)


def time_before_waiting(p: Program) -> None:
    """T >= Load, least transfer and Comp of the run over block p, and all that follows; (ii).

    Implied by the rows (i) for whole plans; it closes the gap of the relaxation.
    """
    receive = least_transfers(p.tables)[p.device, p.start] / p.unit
    for block in p.cuts:
        runs = _runs_over(p, block)
        _time_row(p, runs, p.load[runs] + receive[runs] + p.comp[runs], block + 1)


def time_layerwise(p: Program) -> None:
    """T >= Load up to block q, Comp from q on, and all that follows the run over q; for all q.

    And once T >= all computing and transfers, where nothing waits for loading.
    """
    tables = p.tables
    p.model.add_row([p.T, p.R[0]], [1.0, -1.0], lower=0.0)
    for block in p.cuts:
        runs = _runs_over(p, block)
        load = (tables.weight[block + 1] - tables.weight[p.start]) / tables.load[p.device]
        comp = (tables.work[p.stop] - tables.work[block]) / tables.compute[p.device]
        _time_row(p, runs, (load + comp)[runs] / p.unit, block + 1)


def earlier_twin_first(p: Program) -> None:
    """Break symmetry: a device starts only after its interchangeable predecessor (optional)."""
    for k, later in twins(p.tables):
        for cut in p.cuts:
            before = p.x[(p.device == k) & (p.start < cut)]
            now = p.x[(p.device == later) & (p.start <= cut)]
            p.model.add_row(*_difference(before, now), lower=0.0)


def _runs_over(p: Program, block: int) -> IntArray:
    return np.flatnonzero((p.start <= block) & (block < p.stop))


def _time_row(p: Program, runs: IntArray, value: FloatArray, cut: int) -> None:
    """Add ``T >= value x of the runs + R[cut]``."""
    columns = np.concatenate([p.x[runs], [p.R[cut], p.T]])
    p.model.add_row(columns, np.concatenate([-value, [-1.0, 1.0]]), lower=0.0)


def _difference(plus: IntArray, minus: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the row ``sum plus - sum minus``."""
    return np.concatenate([plus, minus]), np.repeat([1.0, -1.0], [plus.size, minus.size])


def _decode(p: Program, values: FloatArray) -> Solution | None:
    runs = np.flatnonzero(values[p.x] > 0.5)
    runs = runs[np.argsort(p.start[runs])]
    stages = [(int(p.device[j]), int(p.start[j]), int(p.stop[j])) for j in runs]
    return p.tables.decode(stages) if stages else None


def _encode(p: Program, solution: Solution) -> FloatArray:
    values = np.zeros(p.model.column_count)
    stages = canonical_stages(p.tables, solution)
    run_at = {run: j for j, run in enumerate(zip(p.device, p.start, p.stop, strict=True))}
    for stage in stages:
        values[p.x[run_at[stage]]] = 1.0
    for (d, _, cut), (e, _, _) in pairwise(stages):
        values[p.z[cut, d, e]] = 1.0
    for cut in reversed(p.cuts):
        runs, passed = p.start == cut, p.z[cut] >= 0
        spent = p.comp[runs] @ values[p.x[runs]]
        spent += p.transfer[cut][passed] @ values[p.z[cut][passed]]
        values[p.R[cut]] = values[p.R[cut + 1]] + spent
    values[p.T] = finish_times(p.tables, stages)[-1] / p.unit
    return values
