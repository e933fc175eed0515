"""`cold-start`: what a device does when, as intervals to draw."""

from __future__ import annotations

from typing import Literal, NamedTuple

from shardopt.models.cold_start.evaluate import StageTimes

PhaseKind = Literal["load", "wait", "receive", "compute"]
KINDS: tuple[PhaseKind, ...] = ("load", "wait", "receive", "compute")


class Phase(NamedTuple):
    """One device does one thing from ``start_s`` to ``end_s``."""

    kind: PhaseKind
    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Return how long it takes."""
        return self.end_s - self.start_s


def phases(times: StageTimes) -> list[Phase]:
    """Return what a stage's device does until it finishes.

    Computing is one phase as long as it is not interrupted. Waiting is the time in which the
    device does nothing else. In a layerwise stage, loading overlaps receiving and computing.
    """
    busy = [
        Phase("load", 0.0, times.load_end_s),
        Phase("receive", times.receive_start_s, times.receive_end_s),
        *_joined(times.compute_s, times.finish_s),
    ]
    busy = [phase for phase in busy if phase.length_s > 0]
    return busy + _gaps(busy, times.finish_s)


def _joined(blocks: tuple[tuple[float, float], ...], finish_s: float) -> list[Phase]:
    joined: list[Phase] = []
    for start, end in blocks:
        if joined and start <= joined[-1].end_s + 1e-9 * finish_s:
            joined[-1] = joined[-1]._replace(end_s=end)
        else:
            joined.append(Phase("compute", start, end))
    return joined


def _gaps(busy: list[Phase], finish_s: float) -> list[Phase]:
    gaps, until = [], 0.0
    for phase in sorted(busy, key=lambda p: p.start_s):
        if phase.start_s > until + 1e-9 * finish_s:
            gaps.append(Phase("wait", until, phase.start_s))
        until = max(until, phase.end_s)
    return gaps
