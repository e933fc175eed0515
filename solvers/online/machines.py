"""FIFO stations of one server whose pace may differ from what is believed, and that may fail."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shardopt.solvers.online.events import SAME_TIME_S
from shardopt.solvers.online.resources import Station

Spell = tuple[float, float, float]
"""(from, to, factor): what starts in between takes ``factor`` times as long."""


@dataclass(slots=True)
class Job:
    """Work on a machine, its times settled when it is queued; ``lost`` if the machine fails.

    ``visit`` is whatever its owner wants to find again.
    """

    visit: Any
    work: float
    start_s: float
    service_s: float
    end_s: float
    lost: bool = False


class Machine:
    """A station, the jobs that it has not ended yet, and spells in which it is slow."""

    def __init__(self, rate: float, spells: Sequence[Spell] = ()) -> None:
        self.rate = rate
        self.station = Station(rate)
        self.spells = spells
        self.jobs: deque[Job] = deque()
        self._work = 0.0  # of these jobs together

    def add(self, now_s: float, work: float, visit: Any) -> Job:
        """Queue a job."""
        self._forget_ended(now_s)
        slowed = work
        if self.spells:
            starts_s = self.station.next_start_s(now_s)
            for first_s, last_s, factor in self.spells:
                if first_s <= starts_s < last_s:
                    slowed *= factor
        start_s, end_s = self.station.add(now_s, slowed)
        # Not end - start: rounding of late times would look like a change of pace.
        job = Job(visit, work, start_s, slowed / self.rate, end_s)
        self.jobs.append(job)
        self._work += work
        return job

    def outstanding(self, now_s: float) -> float:
        """Return the work that is queued or left of the running job.

        Whoever looks cannot know how long it will take: the pace may change before it starts.
        """
        if not self.spells:
            return self.station.outstanding(now_s)
        self._forget_ended(now_s)
        if not self.jobs:
            return 0.0
        running = self.jobs[0]
        done = (now_s - running.start_s) / running.service_s * running.work
        return self._work - max(0.0, done)

    def fail(self, now_s: float) -> list[Job]:
        """Lose and return all jobs that have not ended, in their order."""
        self._forget_ended(now_s)
        lost = list(self.jobs)
        for job in lost:
            job.lost = True
        self.jobs.clear()
        self._work = 0.0
        self.station.clear(now_s)
        return lost

    def _forget_ended(self, now_s: float) -> None:
        jobs = self.jobs
        while jobs and jobs[0].end_s <= now_s + SAME_TIME_S:
            self._work -= jobs.popleft().work
        if not jobs:
            self._work = 0.0  # no rounding is left over
