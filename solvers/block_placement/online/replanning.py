"""The slower of two time scales: placing anew when the rate of arrivals has changed (ours)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from shardopt.models.requests import FloatArray
from shardopt.solvers.block_placement.online.planning import Planner

WORTH_MOVING = 0.2
"""Placements change when the number of sessions to place for moves by more than this share."""


@dataclass
class Replanning:
    """What a run that places anew knows of it.

    Attributes
    ----------
    every_s, reload_s
        How often the rate is looked at, and what loading other blocks takes.
    wanted
        For how many sessions to place next; ``None`` while the placement stays.
    held
        Sessions that have arrived since it was decided to change the placement, by number.
    switches
        How often it was changed.
    """

    planner: Planner
    every_s: float
    reload_s: float
    wanted: int | None = None
    held: list[int] = field(default_factory=list)
    switches: int = 0

    def review(self, now_s: float, arrival_s: FloatArray, placed_for: int) -> bool:
        """Return whether the rate over the last period asks for another placement."""
        first, last = np.searchsorted(arrival_s, (now_s - self.every_s, now_s), side="right")
        wanted = self.planner.sessions(float(last - first) / self.every_s)
        if self.wanted is not None or abs(wanted - placed_for) <= WORTH_MOVING * placed_for:
            return False
        self.wanted = wanted
        return True
