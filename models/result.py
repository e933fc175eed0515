"""The result contract: what every solver of every problem returns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

Status = Literal["optimal", "feasible", "infeasible", "unknown"]
Termination = Literal[
    "completed",
    "time-limit",
    "gap-limit",
    "iteration-limit",
    "interrupted",
    "memory-limit",
    "crashed",
]
Sense = Literal["min", "max"]

RESULT_FORMAT = "shardopt-result/1"
SOLUTION_FORMAT = "shardopt-solution/1"
OPTIMALITY_TOLERANCE = 1e-6
"""Largest relative gap that may be called ``optimal``."""


class AnySolution(Protocol):
    """A problem's solution: it can write itself as the ``solution`` object of a file."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that the problem's page defines."""
        ...


@dataclass(frozen=True)
class TracePoint:
    """The state of a run at one moment: primal bound ``objective`` and dual bound ``bound``."""

    t_s: float
    objective: float | None
    bound: float | None

    def later(self, by_s: float) -> TracePoint:
        """Return the same on the clock of a run that has taken so long already."""
        return replace(self, t_s=self.t_s + by_s)


@dataclass(frozen=True)
class Confirmation:
    """What a second method said of a result (``solve --verify``)."""

    by: str
    agrees: bool | None
    objective: float | None
    bound: float | None
    note: str = ""


@dataclass(frozen=True)
class Result:
    """The answer of one solver on one instance.

    ``objective`` is the checker's value of ``solution``; ``bound`` is a proven dual bound.
    ``None`` means that the number does not exist. ``faults`` lists everything that went wrong
    and was survived (a backend's bound that was contradicted, a plan that the checker refused).
    ``extra`` holds what only some solvers have (rounds of a relaxation, a guarantee).
    """

    problem: str
    instance: str
    solver: str
    sense: Sense
    status: Status
    termination: Termination
    objective: float | None
    bound: float | None
    solution: AnySolution | None
    runtime_s: float = 0.0
    build_s: float = 0.0
    compile_s: float = 0.0
    seed: int = 0
    threads: int = 1
    trace: tuple[TracePoint, ...] = ()
    confirmed_by: tuple[Confirmation, ...] = ()
    faults: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    instance_sha256: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def gap(self) -> float | None:
        """Relative gap between objective and bound, or ``None`` when one of them is missing."""
        if self.objective is None or self.bound is None:
            return None
        return relative_gap(self.objective, self.bound)

    def later(self, by_s: float) -> Result:
        """Return the same on the clock of a run that has taken so long already."""
        trace = tuple(point.later(by_s) for point in self.trace)
        return replace(self, runtime_s=self.runtime_s + by_s, trace=trace)

    def after(self, first: Result) -> Result:
        """Return this result of a run whose first part was another, with both times and traces."""
        mine = self.later(first.runtime_s)
        build_s = first.build_s + self.build_s
        return replace(mine, build_s=build_s, trace=(*first.trace, *mine.trace))

    def without_bounds(self) -> Result:
        """Return the result of a part, such as all plans with given cuts, as one of the whole.

        Its plan is one of the whole problem; what was proven holds for the part only.
        """
        trace: list[TracePoint] = []
        for point in self.trace:
            if not trace or point.objective != trace[-1].objective:
                trace.append(replace(point, bound=None))
        status: Status = "unknown" if self.solution is None else "feasible"
        return replace(self, status=status, bound=None, trace=tuple(trace))

    def to_json(self) -> dict[str, Any]:
        """Return the ``shardopt-result/1`` object."""
        return {
            "format": RESULT_FORMAT,
            "problem": self.problem,
            "instance": self.instance,
            "instance_sha256": self.instance_sha256,
            "solver": self.solver,
            "versions": dict(self.versions),
            "sense": self.sense,
            "status": self.status,
            "termination": self.termination,
            "objective": self.objective,
            "bound": self.bound,
            "gap": self.gap,
            "runtime_s": self.runtime_s,
            "build_s": self.build_s,
            "compile_s": self.compile_s,
            "seed": self.seed,
            "threads": self.threads,
            "tolerance": OPTIMALITY_TOLERANCE,
            "solution": None if self.solution is None else self.solution.to_json(),
            "trace": [[p.t_s, p.objective, p.bound] for p in self.trace],
            "confirmed_by": [vars(c) for c in self.confirmed_by],
            "faults": list(self.faults),
            "extra": dict(self.extra),
        }


def relative_gap(objective: float, bound: float) -> float:
    """Return ``|objective - bound| / max(|objective|, |bound|)``, 0 when both are equal."""
    if objective == bound:
        return 0.0
    if math.isinf(objective) or math.isinf(bound):
        raise ValueError(f"a gap needs finite numbers, found {objective} and {bound}")
    return abs(objective - bound) / max(abs(objective), abs(bound))
