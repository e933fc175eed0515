"""`block-placement` in hindsight by counts (ours): how many sessions have started by when.

A relaxation of `hindsight` whose bound is strong where many wait, which is where that of the
scheduling model says nothing. Time is cut into steps. Sessions with the same options are one
group, and a group's starts on a path up to each step are one whole number: the sessions that hold
slots are a difference of two such numbers, so that the matrix stays sparse.

Why it is a bound: round all starts and durations of a schedule DOWN to whole steps. It stays one,
for floor(s) + floor(d) <= floor(s + d). Its starts up to a step are no fewer than the true ones
up to any moment of that step, so the waits, counted as the integral of those who have arrived and
not started, are no longer. What starts after the last step uses no slots.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shardopt.models.block_placement.formulations.hindsight import (
    Horizon,
    Option,
    Start,
    alike,
    in_turn,
)
from shardopt.models.formulation import LinearFormulation
from shardopt.models.linear import FloatArray, IntArray, LinearModel

_EDGE = 1e-9
"""A number of steps that is within so much of the next whole one is not rounded up to it."""


@dataclass(frozen=True)
class Grid:
    """Steps of time; the shortest option takes as good as exactly ``per_shortest`` of them."""

    step_s: float
    count: int

    @classmethod
    def of(cls, horizon: Horizon, per_shortest: int, until_s: float) -> Grid:
        """Cut the time up to ``until_s`` into steps."""
        shortest = min(option.duration_s for options in horizon.options for option in options)
        step_s = shortest / (per_shortest + 1e-6)  # it is rounded down, and shall lose nothing
        return cls(step_s, math.ceil(until_s / step_s) + 1)

    def step(self, time_s: float) -> int:
        """Return the step of a time, and how many steps a duration has."""
        return max(0, math.floor(time_s / self.step_s - _EDGE))


@dataclass(frozen=True)
class Group:
    """Sessions with the same options; ``started[option, step]`` are the columns of its counts."""

    sessions: tuple[int, ...]
    arrival_s: FloatArray
    options: tuple[Option, ...]
    started: IntArray


def columns_needed(horizon: Horizon, per_shortest: int, until_s: float) -> int:
    """Return how many counts the model has."""
    options = sum(len(horizon.options[group[0]]) for group in alike(horizon))
    return options * Grid.of(horizon, per_shortest, until_s).count


def build(horizon: Horizon, per_shortest: int, until_s: float) -> LinearFormulation:
    """Build the model; its objective is the mean time from arrival to end."""
    grid = Grid.of(horizon, per_shortest, until_s)
    model = LinearModel()
    groups = [_group(model, horizon, grid, members) for members in alike(horizon)]
    waits = [_add_waits(model, grid, group) for group in groups]
    _add_capacities(model, horizon, grid, groups)
    count = len(horizon.arrival_s)
    constant = sum(_constant(grid, group) for group in groups)

    def decode(values: NDArray[np.float64]) -> list[Start]:
        plan = [Start(0.0, 0)] * count
        for group in groups:
            found = _starts(grid, group, np.rint(values[group.started]).astype(np.int64))
            for r, start in zip(group.sessions, found, strict=True):
                plan[r] = start
        return plan

    def encode(plan: Sequence[Start]) -> NDArray[np.float64]:
        plan = in_turn(plan, [list(group.sessions) for group in groups])
        values = np.zeros(model.column_count)
        for g, group in enumerate(groups):
            for r in group.sessions:
                first = grid.step(plan[r].start_s)
                values[group.started[plan[r].option, first:]] += 1
            started = values[group.started].sum(axis=0)
            for step, column in waits[g].items():
                values[column] = waiting_s(grid, group, step, started[step])
        return values

    return LinearFormulation(model, decode, encode, 1 / count, constant / count)


def waiting_s(grid: Grid, group: Group, step: int, started: float) -> float:
    """Return how long sessions wait in a step, in sum, of whom so many have started."""
    start_s, stop_s = step * grid.step_s, (step + 1) * grid.step_s
    since = np.sort(np.clip(group.arrival_s, start_s, stop_s))
    return float((stop_s - since[min(len(since), math.floor(started)) :]).sum())


def _group(model: LinearModel, horizon: Horizon, grid: Grid, members: list[int]) -> Group:
    """Add the counts of a group: they never fall, and nobody starts before the arrival.

    In a step in which nobody arrives, the waiting time falls with each session that has started.
    """
    options = horizon.options[members[0]]
    arrival = np.array([horizon.arrival_s[r] for r in members])
    arrived, coming = _arrivals(grid, arrival)
    started = np.empty((len(options), grid.count), dtype=np.int64)
    for n, option in enumerate(options):
        cost = np.where(coming == 0, -grid.step_s, 0.0)
        cost[-1] += option.duration_s - _shortest_s(options)
        upper = float(len(members))
        started[n] = model.add_columns(grid.count, cost=cost, upper=upper, integer=True)
        for before, after in itertools.pairwise(started[n]):
            model.add_row([before, after], [-1.0, 1.0], lower=0.0)
    for t in range(grid.count):
        model.add_row(started[:, t], upper=float(arrived[t]))
    return Group(tuple(members), arrival, options, started)


def _arrivals(grid: Grid, arrival_s: FloatArray) -> tuple[IntArray, IntArray]:
    """Return for each step how many have arrived up to it, and how many in it."""
    coming = np.bincount([grid.step(a) for a in arrival_s], minlength=grid.count)[: grid.count]
    return np.cumsum(coming), coming


def _shortest_s(options: Sequence[Option]) -> float:
    return min(option.duration_s for option in options)


def _constant(grid: Grid, group: Group) -> float:
    """Return what the costs leave out: shortest durations, and all time since the arrivals."""
    arrived, coming = _arrivals(grid, group.arrival_s)
    waited = grid.step_s * float(arrived[coming == 0].sum())
    return waited + len(group.sessions) * _shortest_s(group.options)


def _add_waits(model: LinearModel, grid: Grid, group: Group) -> dict[int, int]:
    """Add a column with the waiting time of each step in which sessions arrive.

    It is convex and piecewise linear in the number of those who have started.
    """
    columns = {}
    arrived, coming = _arrivals(grid, group.arrival_s)
    for t in np.flatnonzero(coming).tolist():
        (columns[t],) = model.add_columns(1, cost=1.0).tolist()
        for started in range(max(0, arrived[t] - coming[t] - 1), arrived[t]):
            now, then = (waiting_s(grid, group, t, n) for n in (started, started + 1))
            slope = then - now
            entries = [columns[t], *group.started[:, t]]
            coefficients = [1.0, *[-slope] * len(group.options)]
            model.add_row(entries, coefficients, lower=now - slope * started)
    return columns


def _add_capacities(
    model: LinearModel, horizon: Horizon, grid: Grid, groups: Sequence[Group]
) -> None:
    """Let no server hold more than it can in any step."""
    for j, capacity in enumerate(horizon.capacity):
        using = [
            (group.started[n], option.slots[option.servers.index(j)], grid.step(option.duration_s))
            for group in groups
            for n, option in enumerate(group.options)
            if j in option.servers
        ]
        if not using:
            continue
        for t in range(grid.count):
            held = [(started[t], slots) for started, slots, _ in using]
            held += [(s[t - steps], -slots) for s, slots, steps in using if steps <= t]
            columns, coefficients = zip(*held, strict=True)
            model.add_row(columns, coefficients, upper=float(capacity))


def _starts(grid: Grid, group: Group, started: IntArray) -> list[Start]:
    """Return a start for each session of a group in turn; the rest comes after the last step."""
    new = np.diff(started, axis=1, prepend=0)
    found = [
        Start(t * grid.step_s, option)
        for t in range(grid.count)
        for option in range(len(group.options))
        for _ in range(int(new[option, t]))
    ]
    shortest = min(range(len(group.options)), key=lambda n: group.options[n].duration_s)
    late = Start(grid.count * grid.step_s, shortest)
    return (found + [late] * len(group.sessions))[: len(group.sessions)]
