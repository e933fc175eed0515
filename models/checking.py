"""What an independent checker says of a solution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Violation:
    """One broken rule: its name on the problem's page, the place, and by how much."""

    constraint: str
    where: str
    amount: float
    message: str


@dataclass(frozen=True)
class CheckReport:
    """The checker's verdict. ``objective`` is recomputed from the data, never copied."""

    objective: float | None
    violations: tuple[Violation, ...]

    @property
    def feasible(self) -> bool:
        """Whether no rule is broken."""
        return not self.violations

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``shardopt check --json`` prints."""
        return {
            "feasible": self.feasible,
            "objective": self.objective,
            "violations": [vars(v) for v in self.violations],
        }
