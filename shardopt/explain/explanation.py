"""What `explain` returns, and its form as JSON (docs/explain.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shardopt.explain.changing import Changed
from shardopt.explain.conflicts import Conflicts
from shardopt.explain.mending import Mended
from shardopt.explain.parts import Binding, Group
from shardopt.models.result import Result, Termination

EXPLANATION_FORMAT = "shardopt-explanation/1"


@dataclass(frozen=True)
class Explanation:
    """Why there is no plan and what mends that, or what binds the best one and what helps.

    ``status`` is ``infeasible`` (then ``facts``, ``groups``, ``conflicts`` and ``mends`` say
    more), ``feasible`` (then ``result``, ``bindings`` and ``changes``), or ``unknown`` (then
    ``facts``, and ``mends`` that are sure to be enough). ``proven_by`` is the solver that
    proved that there is no plan; ``cut`` says that there are more mends or changes to look at.
    """

    problem: str
    instance: str
    instance_sha256: str
    solver: str
    versions: Mapping[str, str]
    status: Literal["feasible", "infeasible", "unknown"]
    termination: Termination
    seed: int
    threads: int
    runtime_s: float
    solves: int
    proven_by: str | None = None
    result: Result | None = None
    facts: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    conflicts: Conflicts | None = None
    mends: tuple[Mended, ...] = ()
    bindings: tuple[Binding, ...] = ()
    changes: tuple[Changed, ...] = ()
    cut: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the ``shardopt-explanation/1`` object."""
        return {
            "format": EXPLANATION_FORMAT,
            "problem": self.problem,
            "instance": self.instance,
            "instance_sha256": self.instance_sha256,
            "solver": self.solver,
            "proven_by": self.proven_by,
            "versions": dict(self.versions),
            "status": self.status,
            "termination": self.termination,
            "seed": self.seed,
            "threads": self.threads,
            "runtime_s": self.runtime_s,
            "solves": self.solves,
            "result": None if self.result is None else _result(self.result),
            "facts": list(self.facts),
            "constraints": [{"name": g.name, "words": g.words} for g in self.groups],
            "conflicts": None if self.conflicts is None else self._conflicts(self.conflicts),
            "mends": [mended.to_json() for mended in self.mends],
            "bindings": [vars(binding) for binding in self.bindings],
            "changes": [changed.to_json() for changed in self.changes],
            "cut": self.cut,
        }

    def names(self, groups: frozenset[int]) -> list[str]:
        """Return the names of some of the groups, in their order."""
        return [self.groups[g].name for g in sorted(groups)]

    def _conflicts(self, found: Conflicts) -> dict[str, Any]:
        return {
            "sets": [
                {"constraints": self.names(c.groups), "minimal": c.minimal} for c in found.conflicts
            ],
            "corrections": [self.names(groups) for groups in found.corrections],
            "complete": found.complete,
        }


def _result(result: Result) -> dict[str, Any]:
    """Return what an explanation keeps of a result."""
    kept = ("status", "termination", "objective", "bound", "gap", "solution")
    whole = result.to_json()
    return {key: whole[key] for key in kept}
