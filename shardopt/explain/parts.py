"""What a problem tells the engine, and helpers to make it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

from shardopt.units import printable, si

T = TypeVar("T")

MOST_COPIES = 8
"""Most devices of a kind that a mend adds."""
_MOST_NAMES = 4
_MOST_RUNS = 8
"""More runs of equal blocks than this are one group."""
_LEAST_STEPS = 1000
"""Amounts are found to this share of the largest that is tried."""


@dataclass(frozen=True)
class Group:
    """Constraints that an engineer knows by one name, e.g. the memory of a device.

    ``relaxed`` returns an instance without them. It never loses a plan, and groups may be
    relaxed together, in the order in which the problem lists them.
    """

    name: str
    words: str
    relaxed: Callable[[Any], Any]


@dataclass(frozen=True)
class Rung:
    """A mend of a certain size: what becomes of the instance, and what it takes.

    ``share`` is how much of the whole changes (bytes added to bytes there, sessions dropped to
    sessions there, ...): by it mends of different kinds are put in order.
    """

    instance: Any
    amount: float
    share: float
    words: str


@dataclass(frozen=True)
class Mend:
    """A change by ``n`` of 1 to ``steps``: a plan that there is for one n, there is for larger.

    ``now`` is the amount that stands for no change.
    """

    kind: str
    what: str
    unit: str
    steps: int
    at: Callable[[int], Rung]
    now: float = 0.0


@dataclass(frozen=True)
class Change:
    """Something to try where there is a plan.

    ``effect`` is ``harder`` if no plan can become better by it and none new appears, ``easier``
    if none can become worse and none is lost, and ``None`` where neither is sure.
    """

    kind: str
    what: str
    words: str
    instance: Any
    effect: Literal["easier", "harder"] | None


@dataclass(frozen=True)
class Binding:
    """What a plan uses of a limit, or what part of its objective is spent on something."""

    kind: Literal["limit", "time"]
    what: str
    share: float
    words: str


def alike(items: Sequence[T], key: Callable[[T], Hashable]) -> list[tuple[int, ...]]:
    """Return the positions of items with equal keys together, in the order of the first ones."""
    groups: dict[Hashable, list[int]] = {}
    for position, item in enumerate(items):
        groups.setdefault(key(item), []).append(position)
    return [tuple(group) for group in groups.values()]


def named(names: Sequence[str]) -> str:
    """Return names one after the other; of many, the first and how many there are."""
    if len(names) <= _MOST_NAMES:
        return ", ".join(printable(name) for name in names)
    return f"{printable(names[0])} and {len(names) - 1} like it"


def one_of(names: Sequence[str]) -> str:
    """Return a name, or that it is one of several that are alike."""
    return named(names) if len(names) == 1 else f"one of {named(names)}"


def fewer_bits(n: int, what: str) -> str:
    """Return what a type of 1/2^n of the size means."""
    part = {1: "half", 2: "a quarter of"}.get(n, f"1/{2**n} of")
    return f"{what} in {part} the bytes ({16 // 2**n} bits for 16)"


def equal_runs(values: Iterable[Hashable]) -> list[tuple[int, int]]:
    """Return the runs ``[start, stop)`` of equal neighbours."""
    runs: list[tuple[int, int]] = []
    before: Hashable = None
    for i, value in enumerate(values):
        if runs and value == before:
            runs[-1] = (runs[-1][0], i + 1)
        else:
            runs.append((i, i + 1))
        before = value
    return runs


def weight_groups(weights: Sequence[float], weightless: Callable[..., Any]) -> Iterator[Group]:
    """Yield the weights of each run of equal blocks, or of all where there are many runs.

    ``weightless(start=, stop=)`` returns the instance without those of a run.
    """
    runs = equal_runs(weights)
    if len(runs) > _MOST_RUNS:
        runs = [(0, len(weights))]
    for start, stop in runs:
        run = weights[start:stop]
        if any(run):
            yield Group(
                f"weights of blocks [{start}, {stop})",
                f"{si(sum(run), 'B')} in all, the largest {si(max(run), 'B')}",
                partial(weightless, start=start, stop=stop),
            )


def grid(largest: float) -> tuple[float, int]:
    """Return a step that is a power of ten, at least 1, and how many reach ``largest``."""
    step = max(1.0, 10.0 ** math.floor(math.log10(max(largest, 1.0) / _LEAST_STEPS)))
    return step, max(1, math.ceil(largest / step))


def free_names(taken: Iterable[str], like: str, count: int) -> list[str]:
    """Return names for copies of something: the same with a number behind it."""
    used, number = set(taken), 2
    names: list[str] = []
    while len(names) < count:
        name = f"{like} #{number}"
        if name not in used:
            names.append(name)
        number += 1
    return names
