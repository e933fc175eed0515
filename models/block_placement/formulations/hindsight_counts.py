"""`block-placement` in hindsight by counts (ours): how many sessions have started by when.

A relaxation of `hindsight` whose bound is strong where many wait, which is where that of the
scheduling model says nothing. Time is cut into steps. Sessions with the same options are one
group, and a group's starts on a path up to each step are one whole number: the sessions that hold
slots are a difference of two such numbers, so that the matrix stays sparse. Where there are too
many kinds of sessions, those of similar length share a group, and each is as short and small as
the shortest and smallest.

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
    """Sessions that count as one.

    Attributes
    ----------
    options
        For each path the least duration and slots of any session.
    extra_s
        For each path the least time that it takes beyond a session's shortest one.
    started
        ``int[option, step]``, the columns of the counts.
    """

    sessions: tuple[int, ...]
    arrival_s: FloatArray
    options: tuple[Option, ...]
    extra_s: tuple[float, ...]
    started: IntArray


def columns_needed(horizon: Horizon, per_shortest: int, until_s: float, most_groups: int) -> int:
    """Return how many counts the model has."""
    options = sum(
        len({option.servers for r in members for option in horizon.options[r]})
        for members in grouped(horizon, most_groups)
    )
    return options * Grid.of(horizon, per_shortest, until_s).count


def grouped(horizon: Horizon, most: int) -> list[list[int]]:
    """Return the sessions with the same options, or so many groups of similar length."""
    groups = alike(horizon)
    if len(groups) <= most:
        return groups
    order = sorted(range(len(horizon.options)), key=lambda r: _shortest_s(horizon.options[r]))
    parts = np.array_split(np.array(order), most)
    return [sorted(part.tolist()) for part in parts if part.size]


def build(
    horizon: Horizon, per_shortest: int, until_s: float, most_groups: int
) -> LinearFormulation:
    """Build the model; its objective is the mean time from arrival to end."""
    grid = Grid.of(horizon, per_shortest, until_s)
    model = LinearModel()
    groups = [_group(model, horizon, grid, members) for members in grouped(horizon, most_groups)]
    waits = [_add_waits(model, grid, group) for group in groups]
    _add_capacities(model, horizon, grid, groups)
    count = len(horizon.arrival_s)
    constant = sum(_constant(horizon, grid, group) for group in groups)

    def decode(values: NDArray[np.float64]) -> list[Start]:
        plan = [Start(0.0, 0)] * count
        for group in groups:
            found = _starts(grid, group, np.rint(values[group.started]).astype(np.int64))
            for r, (start_s, servers) in zip(group.sessions, found, strict=True):
                own = [option.servers for option in horizon.options[r]]
                plan[r] = Start(start_s, own.index(servers) if servers in own else 0)
        return plan

    def encode(plan: Sequence[Start]) -> NDArray[np.float64]:
        values = np.zeros(model.column_count)
        for g, group in enumerate(groups):
            for r in group.sessions:
                first = grid.step(plan[r].start_s)
                servers = horizon.options[r][plan[r].option].servers
                option = next(n for n, o in enumerate(group.options) if o.servers == servers)
                values[group.started[option, first:]] += 1
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
    options, extra = _merged([horizon.options[r] for r in members])
    arrival = np.array([horizon.arrival_s[r] for r in members])
    arrived, coming = _arrivals(grid, arrival)
    started = np.empty((len(options), grid.count), dtype=np.int64)
    for n in range(len(options)):
        cost = np.where(coming == 0, -grid.step_s, 0.0)
        cost[-1] += extra[n]
        started[n] = model.add_columns(grid.count, cost=cost, upper=arrived, integer=True)
        for before, after in itertools.pairwise(started[n]):
            model.add_row([before, after], [-1.0, 1.0], lower=0.0)
    for t in range(grid.count):
        model.add_row(started[:, t], upper=float(arrived[t]))
    return Group(tuple(members), arrival, options, extra, started)


def _merged(
    options: Sequence[tuple[Option, ...]],
) -> tuple[tuple[Option, ...], tuple[float, ...]]:
    """Return for each path that any session can take the least it takes; and the least extra."""
    least: dict[tuple[int, ...], tuple[float, tuple[float, ...], float]] = {}
    for own in set(options):
        shortest = _shortest_s(own)
        for option in own:
            new = (option.duration_s, option.slots, option.duration_s - shortest)
            old = least.get(option.servers, new)
            slots = tuple(map(min, old[1], new[1]))
            least[option.servers] = (min(old[0], new[0]), slots, min(old[2], new[2]))
    paths = sorted(least)
    merged = tuple(Option(least[path][0], path, least[path][1]) for path in paths)
    return merged, tuple(least[path][2] for path in paths)


def _arrivals(grid: Grid, arrival_s: FloatArray) -> tuple[IntArray, IntArray]:
    """Return for each step how many have arrived up to it, and how many in it."""
    coming = np.bincount([grid.step(a) for a in arrival_s], minlength=grid.count)[: grid.count]
    return np.cumsum(coming), coming


def _shortest_s(options: Sequence[Option]) -> float:
    return min(option.duration_s for option in options)


def _constant(horizon: Horizon, grid: Grid, group: Group) -> float:
    """Return what the costs leave out: shortest durations, and all time since the arrivals."""
    arrived, coming = _arrivals(grid, group.arrival_s)
    waited = grid.step_s * float(arrived[coming == 0].sum())
    return waited + sum(_shortest_s(horizon.options[r]) for r in group.sessions)


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


def _starts(grid: Grid, group: Group, started: IntArray) -> list[tuple[float, tuple[int, ...]]]:
    """Return a start and a path for each session in turn; the rest comes after the last step."""
    new = np.diff(started, axis=1, prepend=0)
    found = [
        (t * grid.step_s, group.options[option].servers)
        for t in range(grid.count)
        for option in range(len(group.options))
        for _ in range(int(new[option, t]))
    ]
    late = (grid.count * grid.step_s, group.options[int(np.argmin(group.extra_s))].servers)
    return (found + [late] * len(group.sessions))[: len(group.sessions)]
