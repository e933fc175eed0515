"""`cold-start`: `direct/cp-sat` (ours), one circuit over the devices (spec section 4.2).

Integers ``start[k], stop[k]`` and ``finish[k]`` per device; the arcs of a circuit through a
depot and the devices say who hands over to whom, a self-loop that a device is unused.

Times are integers of ``1 / sigma`` seconds, and every duration is rounded DOWN, so that a bound
on the model is a true bound after division by sigma.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from ortools.sat.python import cp_model

from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.formulations.common import (
    canonical_stages,
    require_size,
    twins,
)
from shardopt.models.cold_start.tables import Tables, make_tables
from shardopt.models.formulation import CpFormulation

LEAST_HORIZON = 10**9
"""The upper bound in integers: roundings of a few units per stage stay below 1e-6 of it."""

Expression = cp_model.LinearExpr | int


@dataclass(frozen=True)
class Durations:
    """Integer prefix tables of a device: ``[a, b)`` lasts at least ``down[b] - up[a]``."""

    down: list[int]
    up: list[int]

    def of(self, a: int, b: int) -> int:
        """Return the duration of the run ``[a, b)``, at most the true one."""
        return self.down[b] - self.up[a]


@dataclass(frozen=True)
class Program:
    """The model being built; lists are by device, ``arc[d, e]`` by pair, -1 being the depot."""

    tables: Tables
    sigma: Fraction
    horizon: int
    model: cp_model.CpModel
    start: list[cp_model.IntVar]
    stop: list[cp_model.IntVar]
    finish: list[cp_model.IntVar]
    transfer: list[cp_model.IntVar]
    unused: list[cp_model.IntVar]
    arc: dict[tuple[int, int], cp_model.IntVar]
    T: cp_model.IntVar
    load: list[Durations]
    comp: list[Durations]

    @property
    def devices(self) -> range:
        """All devices."""
        return range(self.tables.device_count)

    def look_up(self, index: cp_model.IntVar, table: list[int]) -> Expression:
        """Return ``table[index]``, by an element constraint unless the table is a line."""
        step = table[1] - table[0]
        if all(table[i] == table[0] + i * step for i in range(len(table))):
            return table[0] + step * index
        value = self.model.new_int_var(min(table), max(table), "")
        self.model.add_element(index, table, value)
        return value

    def lasts(self, durations: Durations, k: int) -> Expression:
        """Return the duration of the run on device ``k``."""
        return self.look_up(self.stop[k], durations.down) - self.look_up(
            self.start[k], durations.up
        )

    def round_down(self, seconds: Fraction | float) -> int:
        """Return a duration in integers, at most the true one, and at most past the horizon."""
        return min(math.floor(self.sigma * Fraction(seconds)), self.horizon + 1)


def build(instance: Instance, *, upper_bound: float, lower_bound: float) -> CpFormulation:
    """Build the model.

    Parameters
    ----------
    upper_bound
        Seconds; the time of a known plan, or more than any plan takes. Slower plans are cut off.
    lower_bound
        Seconds; a proven bound, e.g. the relaxed one, or 0.
    """
    tables = make_tables(instance)
    devices, blocks = tables.device_count, tables.block_count
    require_size(devices**2 + 10.0 * devices, 10.0 * devices**2 + 6.0 * devices * blocks)
    p = _program(tables, Fraction(upper_bound), Fraction(lower_bound))
    device_once(p)
    contiguous(p)
    memory_and_non_empty_run(p)
    if instance.links_bytes_per_s is None:
        transfer_star(p)
    else:
        transfer_links(p)
    time_in_order(p)
    if tables.layerwise:
        time_layerwise(p)
    else:
        time_whole_run(p)
    earlier_twin_first(p)
    p.model.minimize(p.T)
    return CpFormulation(
        p.model,
        lambda values: _decode(p, values),
        lambda plan: _encode(p, plan),
        unit=float(1 / p.sigma),
    )


def _program(tables: Tables, upper: Fraction, lower: Fraction) -> Program:
    count, devices = tables.block_count, range(tables.device_count)
    # Equal blocks lose up to a unit each, other runs two.
    horizon = LEAST_HORIZON * max(1, count // 100)
    sigma = Fraction(horizon) / upper
    model = cp_model.CpModel()

    def times() -> list[cp_model.IntVar]:
        return [model.new_int_var(0, horizon, "") for _ in devices]

    def cuts() -> list[cp_model.IntVar]:
        return [model.new_int_var(0, count, "") for _ in devices]

    ends = [-1, *devices]
    work = [b.flops for b in tables.instance.blocks]
    weight = [b.weight_bytes for b in tables.instance.blocks]
    return Program(
        tables=tables,
        sigma=sigma,
        horizon=horizon,
        model=model,
        start=cuts(),
        stop=cuts(),
        finish=times(),
        transfer=times(),
        unused=[model.new_bool_var("") for _ in devices],
        arc={(d, e): model.new_bool_var("") for d in ends for e in ends if d != e},
        T=model.new_int_var(min(math.floor(sigma * lower), horizon), horizon, "T"),
        load=[_durations(weight, sigma / Fraction(r), horizon) for r in tables.load.tolist()],
        comp=[_durations(work, sigma / Fraction(c), horizon) for c in tables.compute.tolist()],
    )


def _durations(sizes: list[float], per_size: Fraction, horizon: int) -> Durations:
    """Round prefix sums of ``size * per_size``, exactly.

    A block that alone takes longer than the horizon counts as just that: no run with it is in
    any plan that is not cut off, and nothing overflows.
    """
    if len(set(sizes)) == 1:  # a line, which a linear relaxation can use
        step = min(math.floor(Fraction(sizes[0]) * per_size), horizon + 1)
        line = [step * i for i in range(len(sizes) + 1)]
        return Durations(line, line)
    total, down, up = Fraction(0), [0], [0]
    for size in sizes:
        total += min(Fraction(size) * per_size, Fraction(horizon + 2))
        down.append(math.floor(total))
        up.append(math.ceil(total))
    return Durations(down, up)


def device_once(p: Program) -> None:
    """Visit each device once at most, by one circuit through the depot, (c2)."""
    arcs = [(d + 1, e + 1, literal) for (d, e), literal in p.arc.items()]
    p.model.add_circuit([*arcs, *((k + 1, k + 1, p.unused[k]) for k in p.devices)])


def contiguous(p: Program) -> None:
    """Begin at block 0, end at block L, and let each start be the stop before, (c3) to (c6)."""
    for (d, e), arc in p.arc.items():
        if d == -1:
            p.model.add(p.start[e] == 0).only_enforce_if(arc)
        elif e == -1:
            p.model.add(p.stop[d] == p.tables.block_count).only_enforce_if(arc)
        else:
            p.model.add(p.start[e] == p.stop[d]).only_enforce_if(arc)
    p.model.add(sum(p.stop) - sum(p.start) == p.tables.block_count)  # implied


def memory_and_non_empty_run(p: Program) -> None:
    """Start + 1 <= stop <= reach_k(start) on used devices, (c5) and (c7); unused ones are empty."""
    for k in p.devices:
        reach = [*p.tables.reach[k].tolist(), p.tables.block_count]
        farthest = p.look_up(p.start[k], reach)
        p.model.add(p.stop[k] <= farthest).only_enforce_if(~p.unused[k])
        p.model.add(p.stop[k] >= p.start[k] + 1).only_enforce_if(~p.unused[k])
        for empty in (p.start[k], p.stop[k], p.finish[k], p.transfer[k]):
            p.model.add(empty == 0).only_enforce_if(p.unused[k])


def transfer_star(p: Program) -> None:
    """Transfer of e >= the time by the sender's uplink, and by e's own downlink."""
    devices = p.tables.instance.devices
    for e in p.devices:
        down = 1 / Fraction(devices[e].downlink_bytes_per_s or 0)
        receive = p.look_up(p.start[e], _transfer_table(p, down))
        p.model.add(p.transfer[e] >= receive).only_enforce_if(~p.unused[e], ~p.arc[-1, e])
    for d in p.devices:
        up = 1 / Fraction(devices[d].uplink_bytes_per_s or 0)
        send = p.look_up(p.stop[d], _transfer_table(p, up))
        for e in p.devices:
            if e != d:
                p.model.add(p.transfer[e] >= send).only_enforce_if(p.arc[d, e])


def transfer_links(p: Program) -> None:
    """Transfer of e >= X_de(start of e), by tables over the start."""
    links = p.tables.instance.links_bytes_per_s
    assert links is not None
    for d in p.devices:
        for e in p.devices:
            if d != e:
                times = p.look_up(p.start[e], _transfer_table(p, 1 / Fraction(links[d][e])))
                p.model.add(p.transfer[e] >= times).only_enforce_if(p.arc[d, e])


def _transfer_table(p: Program, s_per_byte: Fraction) -> list[int]:
    """Return the transfer times by cut; those of 0 and L are never used."""
    latency = Fraction(p.tables.latency)
    inner = [
        p.round_down(latency + Fraction(size) * s_per_byte)
        for size in p.tables.activation[:-1].tolist()
    ]
    return [inner[0], *inner, inner[-1]] if inner else [0, 0]


def time_in_order(p: Program) -> None:
    """F_e >= F_d + transfer_e + Comp_e after d, and T >= F of the last."""
    comp = [p.lasts(p.comp[e], e) for e in p.devices]
    for (d, e), arc in p.arc.items():
        if e == -1:
            p.model.add(p.finish[d] <= p.T).only_enforce_if(arc)
        elif d == -1:
            p.model.add(p.transfer[e] == 0).only_enforce_if(arc)
            p.model.add(p.finish[e] >= comp[e]).only_enforce_if(arc)
        else:
            arrival = p.finish[d] + p.transfer[e]
            p.model.add(p.finish[e] >= arrival + comp[e]).only_enforce_if(arc)


def time_whole_run(p: Program) -> None:
    """F_k >= Load_k + transfer_k + Comp_k."""
    for k in p.devices:
        load, comp = p.lasts(p.load[k], k), p.lasts(p.comp[k], k)
        p.model.add(p.finish[k] >= load + p.transfer[k] + comp).only_enforce_if(~p.unused[k])


def time_layerwise(p: Program) -> None:
    """F_k >= G_k = the largest over blocks q of the run of Load up to q and Comp from q on.

    It is reached at the first block, at the last, or at a block inside that is no smaller than
    its neighbours: the others need no inequality.
    """
    for k in p.devices:
        load, comp = p.load[k], p.comp[k]
        used = ~p.unused[k]
        loaded = p.look_up(p.start[k], load.up)
        computed = p.look_up(p.stop[k], comp.down)
        first = p.look_up(p.start[k], [*load.down[1:], load.down[-1]])
        last = p.look_up(p.stop[k], [0, *comp.up[:-1]])
        all_comp = computed - p.look_up(p.start[k], comp.up)
        all_load = p.look_up(p.stop[k], load.down) - loaded
        p.model.add(p.finish[k] >= first - loaded + all_comp).only_enforce_if(used)
        p.model.add(p.finish[k] >= all_load + computed - last).only_enforce_if(used)
        for q in _peaks(p.tables, k):
            after_start, before_stop = p.model.new_bool_var(""), p.model.new_bool_var("")
            p.model.add(p.start[k] <= q).only_enforce_if(after_start)
            p.model.add(p.start[k] > q).only_enforce_if(~after_start)
            p.model.add(p.stop[k] > q).only_enforce_if(before_stop)
            p.model.add(p.stop[k] <= q).only_enforce_if(~before_stop)
            own = load.down[q + 1] - loaded + computed - comp.up[q]
            p.model.add(p.finish[k] >= own).only_enforce_if(after_start, before_stop)


def _peaks(tables: Tables, k: int) -> list[int]:
    """Return the blocks q with a local maximum of Load(0, q + 1) - Comp(0, q), ends excluded."""
    ahead = tables.weight[1:] / tables.load[k] - tables.work[:-1] / tables.compute[k]
    inner = (ahead[1:-1] >= ahead[:-2]) & (ahead[1:-1] >= ahead[2:])
    inner &= (ahead[1:-1] > ahead[:-2]) | (ahead[1:-1] > ahead[2:])
    return [int(q) + 1 for q in np.flatnonzero(inner)]


def earlier_twin_first(p: Program) -> None:
    """Break symmetry: of interchangeable devices the first is used first (optional)."""
    for k, later in twins(p.tables):
        p.model.add_implication(~p.unused[later], ~p.unused[k])
        p.model.add(p.start[k] + 1 <= p.start[later]).only_enforce_if(~p.unused[later])


def _decode(p: Program, values: list[int]) -> Solution | None:
    stages = []
    for k in p.devices:
        start, stop = values[p.start[k].index], values[p.stop[k].index]
        if start < stop:
            stages.append((k, int(start), int(stop)))
    return p.tables.decode(sorted(stages, key=lambda stage: stage[1]))


def _encode(p: Program, solution: Solution) -> dict[int, int]:
    """Return hints for everything but looked-up values, which follow from the rest."""
    stages = canonical_stages(p.tables, solution)
    hints = {v.index: 0 for v in [*p.start, *p.stop, *p.finish, *p.transfer, *p.arc.values()]}
    hints |= {v.index: 1 for v in p.unused}
    path = [-1, *(k for k, _, _ in stages), -1]
    hints |= {p.arc[pair].index: 1 for pair in itertools.pairwise(path)}
    finish = 0
    for n, (k, start, stop) in enumerate(stages):
        transfer = 0
        if n > 0:
            transfer = p.round_down(p.tables.transfer_s(stages[n - 1][0], k, start))
        comp = p.comp[k].of(start, stop)
        if p.tables.layerwise:
            own = max(
                p.load[k].of(start, q + 1) + p.comp[k].of(q, stop) for q in range(start, stop)
            )
            finish = max(finish + transfer + comp, own)
        else:
            finish = max(finish, p.load[k].of(start, stop)) + transfer + comp
        for variable, value in (
            (p.start[k], start),
            (p.stop[k], stop),
            (p.finish[k], max(finish, 0)),
            (p.transfer[k], transfer),
            (p.unused[k], 0),
        ):
            hints[variable.index] = value
    hints[p.T.index] = finish
    return hints
