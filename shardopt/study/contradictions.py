"""Rows of a study that cannot all be right."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shardopt.models.discover import part
from shardopt.models.result import OPTIMALITY_TOLERANCE, relative_gap

Row = Mapping[str, Any]
COLUMNS = ("instance", "solver", "parameters", "seed", "version", "status", "objective", "bound")
"""What of a run is looked at."""
_ANSWERED = frozenset({"optimal", "feasible", "infeasible", "unknown"})


@dataclass(frozen=True)
class Contradiction:
    """Two rows of which at least one is wrong, and the copy of their instance."""

    problem: str
    instance: str
    file: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.problem} {self.instance} ({self.file}): {self.first}, but {self.second}"


def contradictions(instances: Iterable[Row], runs: Iterable[Row]) -> list[Contradiction]:
    """Return all contradictions among the runs of a store.

    A plan contradicts a proof that is worse than it, be it of a bound, of an optimum or that there
    is no plan; two optima contradict each other when they differ. Every such claim is named once,
    with the best plan against it. What is within the tolerance of optimality is no contradiction,
    and rows without an answer, or with an invalid one, claim nothing.
    """
    stored = {row["sha256"]: row for row in instances}
    answered = [run for run in runs if run["status"] in _ANSWERED]
    answered.sort(key=lambda run: str(run["instance"]))
    found = []
    for sha256, group in itertools.groupby(answered, key=lambda run: run["instance"]):
        row = stored[sha256]
        sign = 1.0 if part(row["problem"], "models", "data").SENSE == "min" else -1.0
        for first, second in _pairs(list(group), sign):
            found.append(Contradiction(row["problem"], row["name"], row["file"], first, second))
    return found


def _pairs(runs: Sequence[Row], sign: float) -> Iterator[tuple[str, str]]:
    plans = [run for run in runs if run["objective"] is not None]
    if not plans:
        return
    best = min(plans, key=lambda run: sign * run["objective"])
    has = f"{_who(best)} has a plan worth {best['objective']!r}"
    for run in runs:
        optimal = run["status"] == "optimal"
        if run["status"] == "infeasible":
            yield has, f"{_who(run)} proved that there is none"
        elif run["bound"] is not None and _beats(best["objective"], run["bound"], sign):
            what = "an optimum" if optimal else "a bound"
            yield has, f"{_who(run)} proved {what} of {run['bound']!r}"
        elif optimal and _beats(best["objective"], run["objective"], sign):
            yield has, f"{_who(run)} proved an optimum of {run['objective']!r}"


def _beats(objective: float, claim: float, sign: float) -> bool:
    if sign * objective >= sign * claim:
        return False
    return relative_gap(objective, claim) > OPTIMALITY_TOLERANCE


def _who(run: Row) -> str:
    settings = "".join(f" {key}={value}" for key, value in sorted(run["parameters"].items()))
    seed = "" if run["seed"] is None else f" seed {run['seed']}"
    return f"{run['solver']}{settings}{seed}"
