"""`block-placement` in hindsight (ours): when and on which paths sessions had best started.

All of them are known, and the placement is fixed. One optional interval per session and path;
slots are cumulative resources. Times are counted in a unit that is a power of two and rounded
DOWN, arrivals and durations alike. A schedule stays one under this rounding, so a bound on the
model is a true bound.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shardopt.models.formulation import CpFormulation

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

LARGEST_TIME = 2**28
"""Times are whole numbers below it; coefficients of CP-SAT have to stay far below 2^31."""
SLOT_PARTS = 2**20
"""Slots that are no whole numbers are counted in parts, rounded in favour of the schedule."""

LARGEST_FILLED = 10**6


@dataclass(frozen=True)
class Option:
    """One path of a session: how long it holds how many slots of which servers."""

    duration_s: float
    servers: tuple[int, ...]
    slots: tuple[float, ...]


@dataclass(frozen=True)
class Horizon:
    """All sessions, by number: when they arrive (the first at 0), and their options."""

    arrival_s: tuple[float, ...]
    capacity: tuple[int, ...]
    options: tuple[tuple[Option, ...], ...]


@dataclass(frozen=True)
class Start:
    """When a session starts, and which of its options it takes."""

    start_s: float
    option: int


def build(horizon: Horizon) -> CpFormulation:
    """Build the model; its objective is the mean time from arrival to end."""
    from ortools.sat.python import cp_model  # slow to import, and not needed to state a horizon

    unit = time_unit_s(horizon)
    parts = 1 if _whole(horizon) else SLOT_PARTS
    latest = 2 * LARGEST_TIME
    model = cp_model.CpModel()
    start = [model.new_int_var(math.floor(a / unit), latest, "") for a in horizon.arrival_s]
    taken: list[list[cp_model.IntVar]] = []
    uses: list[list[tuple[cp_model.IntervalVar, int]]] = [[] for _ in horizon.capacity]
    cost: list[cp_model.LinearExprT] = [*start]
    for r, options in enumerate(horizon.options):
        taken.append([model.new_bool_var("") for _ in options])
        model.add_exactly_one(taken[r])
        for option, literal in zip(options, taken[r], strict=True):
            length = math.floor(option.duration_s / unit)
            held = model.new_optional_fixed_size_interval_var(start[r], length, literal, "")
            cost.append(length * literal)
            for j, slots in zip(option.servers, option.slots, strict=True):
                uses[j].append((held, math.floor(slots * parts)))
    groups = alike(horizon)
    for group in groups:
        for r, following in itertools.pairwise(group):
            model.add(start[r] <= start[following])
    for capacity, used in zip(horizon.capacity, uses, strict=True):
        if used:
            intervals, demands = zip(*used, strict=True)
            model.add_cumulative(intervals, demands, capacity * parts)
    model.minimize(cp_model.LinearExpr.sum(cost))
    count = len(start)

    def decode(values: list[int]) -> list[Start]:
        return [
            Start(values[s.index] * unit, next(n for n, x in enumerate(t) if values[x.index]))
            for s, t in zip(start, taken, strict=True)
        ]

    def encode(plan: Sequence[Start]) -> dict[int, int]:
        plan = in_turn(plan, groups)
        hints = {s.index: math.floor(p.start_s / unit) for s, p in zip(start, plan, strict=True)}
        for literals, p in zip(taken, plan, strict=True):
            hints |= {x.index: int(n == p.option) for n, x in enumerate(literals)}
        return hints

    return CpFormulation(model, decode, encode, unit / count, -sum(horizon.arrival_s) / count)


def reachable(capacity: int, amounts: Collection[float]) -> int:
    """Return the most of a capacity that such amounts can fill: 15 of 17 where all are fives."""
    sizes = {int(amount) for amount in amounts}
    if capacity > LARGEST_FILLED or any(amount != int(amount) for amount in amounts):
        return capacity
    filled, all_bits = 1, (1 << capacity + 1) - 1  # bit n: n can be filled
    for size in sizes:
        step = size
        while 0 < step <= capacity:
            filled |= filled << step & all_bits
            step *= 2
    return filled.bit_length() - 1


def alike(horizon: Horizon) -> list[list[int]]:
    """Return the sessions with the same options, in the order of their arrival.

    Two that start the other way round can swap their starts and paths at no cost.
    """
    groups: dict[tuple[Option, ...], list[int]] = {}
    for r, options in enumerate(horizon.options):
        groups.setdefault(options, []).append(r)
    return list(groups.values())


def in_turn(plan: Sequence[Start], groups: list[list[int]]) -> list[Start]:
    """Return the same schedule with like sessions in the order of their arrival."""
    turned = list(plan)
    for group in groups:
        starts = sorted((plan[r] for r in group), key=lambda start: start.start_s)
        for r, start in zip(group, starts, strict=True):
            turned[r] = start
    return turned


def time_unit_s(horizon: Horizon) -> float:
    """Return a power of two in which the longest schedule that may be needed is a short number."""
    longest = sum(max(option.duration_s for option in options) for options in horizon.options)
    return float(2.0 ** math.ceil(math.log2((horizon.arrival_s[-1] + longest) / LARGEST_TIME)))


def _whole(horizon: Horizon) -> bool:
    options = (option for options in horizon.options for option in options)
    return all(float(slots).is_integer() for option in options for slots in option.slots)
