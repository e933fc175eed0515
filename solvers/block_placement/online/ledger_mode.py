"""Mode `ledger`, the published bookkeeping: a session's whole future is settled as it arrives.

It holds its slots from then on, also while it waits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shardopt.solvers.block_placement.online.ledger import backed_off
from shardopt.solvers.block_placement.online.sessions import Path
from shardopt.solvers.block_placement.online.swarm import Run
from shardopt.solvers.online.events import Priority


@dataclass
class LedgerRun(Run):
    """A run by the ledgers; without ``back_off`` sessions start as soon as there is room."""

    back_off: bool = True

    def empty_at(self, now_s: float) -> float | None:
        """Return when the last session ends: it is settled."""
        return max(ledger.latest_end(now_s) for ledger in self.view.ledgers)

    def serve(self, now_s: float, number: int) -> None:
        """Route a session, and settle all its times, or reject it."""
        view = self.view
        view.now_s = now_s
        path = self.policy(view, self.sessions[number], self.rng)
        raw_s = math.inf if path is None else view.wait(path)
        if path is None or raw_s == math.inf:
            self.tell(now_s, "reject", number)
            return
        wait_s = backed_off(raw_s) if self.back_off else raw_s
        busy_s = path.service_s + self.delay_s
        end_s = now_s + wait_s + busy_s
        for j, slots in zip(path.servers, path.slots, strict=True):
            view.ledgers[j].add(end_s, slots)
            self.used_s[j] += slots * busy_s
        held_s = now_s - float(self.sessions.arrival_s[number])
        self.keep(number, held_s + wait_s, path.prefill_s, held_s + wait_s + busy_s, path)
        if self.log is not None:
            self._announce(now_s + wait_s, end_s, number, path)

    def _announce(self, start_s: float, end_s: float, number: int, path: Path) -> None:
        """Let what is settled now be logged in the order of time."""
        start = (number, "start", path)
        self.agenda.schedule(start_s, Priority.RETRY, self._say, start)
        self.agenda.schedule(end_s, Priority.END, self._say, (number, "end", None))

    def _say(self, now_s: float, what: tuple[int, str, Path | None]) -> None:
        number, event, path = what
        self.tell(now_s, event, number, path)
