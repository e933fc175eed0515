"""`petals-retry` (ours): how a PETALS client reacts when servers turn out to be full.

It knows how full servers were at the last full minute. A failed attempt bans the servers without
room, for longer each time, and the client routes anew without them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from shardopt.solvers.block_placement.online.physical_mode import PhysicalRun, Visit
from shardopt.solvers.block_placement.online.policies import petals_path
from shardopt.solvers.block_placement.online.sessions import Path, Site
from shardopt.solvers.online.events import SAME_TIME_S, Priority

MINUTE_S = 60.0
BAN_S = 15.0
MOST_DOUBLINGS = 40
LONGEST_PAUSE_S = 60.0
_NO_PATH = Path((), (), 0.0, 0.0)


@dataclass
class Ban:
    """One client's ban of one server."""

    until_s: float
    failures: int


@dataclass
class RetryRun(PhysicalRun):
    """Mode `physical` in which clients route anew before each attempt.

    Attributes
    ----------
    count, known
        Sessions on each server: now, and at the last full minute.
    bans
        By number of the session and by server.
    """

    count: list[int] = field(init=False)
    known: list[int] = field(init=False)
    minute: int = field(init=False, default=0)
    bans: dict[int, dict[int, Ban]] = field(init=False, default_factory=dict)

    def open(self, site: Site) -> None:
        """Begin with empty servers under a placement."""
        super().open(site)
        self.count = [0] * len(site.slots)
        self.known = [0] * len(site.slots)

    def route(self, now_s: float, number: int, version: int) -> None:
        """Make a first attempt; what fits on no idle servers is rejected."""
        session = self.sessions[number]
        kind = self.view.kind(session)
        if kind.waitless is None:
            self.tell(now_s, "reject", number)
            return
        visit = Visit(session, kind, _NO_PATH, now_s, -math.inf, version=version)
        self.visits[number] = visit
        self.bans[number] = {}
        self.attempt(now_s, (number, version))

    def attempt(self, now_s: float, which: tuple[int, int]) -> None:
        """Route by what is known; start if there is room, else ban and pause."""
        number, version = which
        visit = self.visits.get(number)
        if visit is None or visit.version != version:
            return
        self.look(now_s)
        bans = self.bans[number]
        banned = frozenset(j for j, ban in bans.items() if ban.until_s > now_s + SAME_TIME_S)
        full = frozenset(j for j, n in enumerate(self.known) if n >= self.site.room[j])
        path = petals_path(visit.kind, full, self.down | banned)
        if path is None and not banned:
            del self.visits[number], self.bans[number]
            self.tell(now_s, "reject", number)
            return
        claims = [] if path is None else list(zip(path.servers, path.slots, strict=True))
        crowded = [j for j, slots in claims if not self.slots[j].fits(slots)]
        if path is None or crowded:
            for j in crowded:
                failures = bans[j].failures + 1 if j in bans else 1
                lasts_s = BAN_S * 2.0 ** min(failures - 1, MOST_DOUBLINGS)
                bans[j] = Ban(now_s + lasts_s, failures)
            again_s = now_s + pause_s(visit.attempts)
            visit.attempts += 1
            self.agenda.schedule(again_s, Priority.RETRY, self.attempt, which)
            return
        for j, slots in claims:
            self.slots[j].claim(now_s, slots)
            self.count[j] += 1
        visit.path = path
        del self.bans[number]
        self.start(now_s, visit)

    def leave(self, now_s: float, visit: Visit) -> None:
        """Take a session off the servers of its path."""
        self.look(now_s)
        super().leave(now_s, visit)
        for j in visit.path.servers:
            self.count[j] -= 1

    def look(self, now_s: float) -> None:
        """Learn how full servers were at the last full minute, before anything changes now.

        What happens at a full minute is over before one looks.
        """
        minute = math.ceil((now_s - SAME_TIME_S) / MINUTE_S) - 1
        if minute > self.minute:
            self.known, self.minute = list(self.count), minute


def pause_s(failures: int) -> float:
    """Return the pause after so many earlier failures: 0, 1, 2, 4, .. 60, 60."""
    return 0.0 if failures == 0 else min(LONGEST_PAUSE_S, 2.0 ** min(failures - 1, MOST_DOUBLINGS))
