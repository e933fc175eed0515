"""`cold-start`: the published baselines `even`, `harmonic` and the reference `single-device`.

Source: arXiv 2508.11287, section on baselines. Where it is silent, spec section 6 is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from shardopt.models.cold_start.data import Instance, Solution, plan
from shardopt.models.cold_start.evaluate import objective
from shardopt.models.cold_start.tables import Tables, make_tables
from shardopt.models.errors import InputError
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget
from shardopt.solvers.finish import finish

TFLOP_PER_S = 1e12
MIB_PER_S = 2.0**20


def stronger_first(tables: Tables) -> list[int]:
    """Order devices by ascending ``Load_k(0, L) + Comp_k(0, L)``, ties by file order (ours)."""
    alone = tables.weight[-1] / tables.load + tables.work[-1] / tables.compute
    return [int(k) for k in np.argsort(alone, kind="stable")]


def even(instance: Instance) -> Result:
    """Lay ``L // K`` blocks on each device, the first ``L mod K`` devices one more."""
    budget = Budget()
    tables = make_tables(instance)
    solution = even_plan(tables)
    return finish(instance, "even", budget, [solution])


def even_plan(tables: Tables) -> Solution | None:
    """Return the plan of `even`, or ``None`` if it does not fit."""
    share, rest = divmod(tables.block_count, tables.device_count)
    counts = [share + (n < rest) for n in range(tables.device_count)]
    return lay(tables, stronger_first(tables), counts)


def harmonic(
    instance: Instance, *, compute_unit: float = TFLOP_PER_S, load_unit: float = MIB_PER_S
) -> Result:
    """Lay blocks in proportion to the harmonic mean ``H = 2cr/(c+r)`` of the two rates.

    Parameters
    ----------
    compute_unit, load_unit
        FLOP/s and bytes/s in which ``c`` and ``r`` are expressed before they are averaged.
        They decide the result; TFLOP/s and MiB/s reproduce the splits that the paper plots.
    """
    for name, unit in (("compute_unit", compute_unit), ("load_unit", load_unit)):
        if not 1e-30 <= unit <= 1e30:
            raise InputError(str(unit), "a number from 1e-30 to 1e+30", name)
    budget = Budget()
    tables = make_tables(instance)
    solution = harmonic_plan(tables, compute_unit, load_unit)
    return finish(instance, "harmonic", budget, [solution])


def harmonic_plan(
    tables: Tables, compute_unit: float = TFLOP_PER_S, load_unit: float = MIB_PER_S
) -> Solution | None:
    """Return the plan of `harmonic`, or ``None`` if it does not fit."""
    order = stronger_first(tables)
    c, r = tables.compute / compute_unit, tables.load / load_unit
    share = 2.0 * c * (r / (c + r))
    wanted = tables.block_count * share / share.sum()
    counts = [math.floor(wanted[k] + 0.5) for k in order]
    # The strongest device takes what rounding left; what is too much goes back from the end.
    counts[0] += tables.block_count - sum(counts)
    last = len(counts) - 1
    while counts[0] < 0:
        excess, counts[0] = -counts[0], 0
        for _ in range(excess):
            while counts[last] == 0:
                last -= 1
            counts[last] -= 1
    return lay(tables, order, counts)


def lay(tables: Tables, order: Sequence[int], counts: Sequence[int]) -> Solution | None:
    """Lay runs of the wanted lengths along an order of devices (ours, spec section 6).

    What does not fit on a device is carried to the next; if blocks are left at the end, once
    more from the start with every device taking all it can. ``None`` if they still do not fit.
    """
    for wanted in (counts, [tables.block_count] * len(order)):
        stages, position, carry = [], 0, 0
        for k, count in zip(order, wanted, strict=True):
            if position == tables.block_count:
                break
            want = count + carry
            stop = min(position + want, int(tables.reach[k, position]))
            carry = position + want - stop
            if stop > position:
                stages.append((k, position, stop))
            position = stop
        if position == tables.block_count:
            return tables.decode(stages)
    return None


def single_device(instance: Instance) -> Result:
    """Put everything on the device that is fastest alone, memory ignored (the paper's "Ideal").

    A reference number, not a plan and not a bound: ``extra["reference"]`` holds it. The
    solution is given only if it happens to fit.
    """
    budget = Budget()
    tables = make_tables(instance)
    whole = tables.block_count
    alone = [
        objective(instance, plan(instance, [(k, 0, whole)])) for k in range(len(instance.devices))
    ]
    best = int(np.argmin(alone))
    fits = tables.reach[best, 0] == whole
    solution = plan(instance, [(best, 0, whole)]) if fits else None
    extra = {"reference": alone[best], "device": instance.devices[best].name}
    return finish(instance, "single-device", budget, [solution], extra=extra)
