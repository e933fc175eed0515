"""Mode `physical` (ours): slots are claimed when a session starts, ledgers are mere beliefs.

Sessions that wait hold nothing, so later ones may overtake them. Needed where reality departs
from belief: answers of another length, servers that leave or are slow, wrong estimates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from shardopt.solvers.block_placement.online.ledger import attempt_s, backed_off
from shardopt.solvers.block_placement.online.policies import Session
from shardopt.solvers.block_placement.online.sessions import Kind, Path, Site
from shardopt.solvers.block_placement.online.swarm import Run
from shardopt.solvers.online.disturbances import Disturbances
from shardopt.solvers.online.events import Priority
from shardopt.solvers.online.resources import Slots


@dataclass
class Visit:
    """A session on its way.

    ``try_s`` is its first attempt on this path and ``attempts`` how many it has made since;
    ``version`` tells the events of this path from those of one that was given up.
    """

    session: Session
    kind: Kind
    path: Path
    try_s: float
    believed_end_s: float
    attempts: int = 0
    version: int = 0
    running: bool = False


@dataclass
class PhysicalRun(Run):
    """A run in which sessions claim slots; beliefs guide routing only."""

    disturbances: Disturbances = field(default_factory=Disturbances)
    slots: list[Slots] = field(init=False)
    visits: dict[int, Visit] = field(init=False, default_factory=dict)

    def open(self, site: Site) -> None:
        """Begin with empty servers under a placement."""
        super().open(site)
        self.slots = [Slots(int(count)) for count in site.slots]

    def run(self) -> None:
        """Let servers fail and return while sessions arrive."""
        for start_s, stop_s, server in self.disturbances.failures:
            self.agenda.schedule(start_s, Priority.CONTROL, self.fail, server)
            self.agenda.schedule(stop_s, Priority.CONTROL, self.recover, server)
        super().run()

    def serve(self, now_s: float, number: int) -> None:
        """Route a session by what is believed, and make its first attempt."""
        self.route(now_s, number, 0)

    def empty_at(self, now_s: float) -> float | None:
        """Return now if nobody is left."""
        return None if self.visits else now_s

    def route(self, now_s: float, number: int, version: int) -> None:
        """Give a session a path, its belief on all servers, and a first attempt now."""
        view = self.view
        view.now_s = now_s
        session = self.sessions[number]
        path = self.policy(view, session, self.rng)
        raw_s = math.inf if path is None else view.wait(path)
        if path is None or raw_s == math.inf:
            self.tell(now_s, "reject", number)
            return
        end_s = now_s + backed_off(raw_s) + path.service_s + self.delay_s
        visit = Visit(session, view.kind(session), path, now_s, end_s, version=version)
        self.visits[number] = visit
        self.believe(visit, end_s)
        self.attempt(now_s, (number, version))

    def attempt(self, now_s: float, which: tuple[int, int]) -> None:
        """Start the session if all servers have room, else try again later."""
        number, version = which
        visit = self.visits.get(number)
        if visit is None or visit.version != version:
            return
        claims = list(zip(visit.path.servers, visit.path.slots, strict=True))
        if not all(self.slots[j].fits(slots) for j, slots in claims):
            again_s = visit.try_s + attempt_s(visit.attempts)
            visit.attempts += 1
            self.agenda.schedule(again_s, Priority.RETRY, self.attempt, which)
            return
        for j, slots in claims:
            self.slots[j].claim(now_s, slots)
        self.start(now_s, visit)

    def start(self, now_s: float, visit: Visit) -> None:
        """Correct the belief, and settle when the session really ends."""
        path, number = visit.path, visit.session.number
        visit.running = True
        self.tell(now_s, "start", number, path)
        believed_end_s = now_s + path.service_s + self.delay_s
        if believed_end_s != visit.believed_end_s:
            self.disbelieve(now_s, visit)
            visit.believed_end_s = believed_end_s
            self.believe(visit, believed_end_s)
        prefill_s, service_s = self.true_seconds(now_s, visit)
        wait_s = now_s - float(self.sessions.arrival_s[number])
        total_s = wait_s + service_s + self.delay_s
        end_s = now_s + service_s + self.delay_s
        what = (number, visit.version, wait_s, prefill_s, total_s)
        self.agenda.schedule(end_s, Priority.END, self.end, what)

    def end(self, now_s: float, what: tuple[int, int, float, float, float]) -> None:
        """Free the slots; what was believed of the session vanishes."""
        number, version, wait_s, prefill_s, total_s = what
        visit = self.visits.get(number)
        if visit is None or visit.version != version:
            return
        del self.visits[number]
        self.leave(now_s, visit)
        self.keep(number, wait_s, prefill_s, total_s, visit.path)
        self.tell(now_s, "end", number)
        self.await_switch(now_s)

    def leave(self, now_s: float, visit: Visit) -> None:
        """Take a session off the servers of its path."""
        self.disbelieve(now_s, visit)
        if visit.running:
            for j, slots in zip(visit.path.servers, visit.path.slots, strict=True):
                self.slots[j].release(now_s, slots)

    def believe(self, visit: Visit, end_s: float) -> None:
        """Enter a session in the ledgers."""
        for j, slots in zip(visit.path.servers, visit.path.slots, strict=True):
            self.view.ledgers[j].add(end_s, slots)

    def disbelieve(self, now_s: float, visit: Visit) -> None:
        """Delete a session from the ledgers."""
        for j, slots in zip(visit.path.servers, visit.path.slots, strict=True):
            self.view.ledgers[j].remove(now_s, visit.believed_end_s, slots)

    def true_seconds(self, now_s: float, visit: Visit) -> tuple[float, float]:
        """Return prefill part and S of a session that starts now, whatever is believed."""
        number = visit.session.number
        tokens = int(self.sessions.actual_tokens[number])
        factors = self.disturbances.slowness(now_s, len(self.slots))
        if factors is None and tokens == visit.session.output_tokens and self.sound:
            return visit.path.prefill_s, visit.path.service_s
        truth = np.ones(len(self.slots)) if factors is None else factors
        return visit.kind.seconds(visit.path.servers, tokens, truth)

    @property
    def sound(self) -> bool:
        """Return whether block times are believed to be what they are."""
        return not self.disturbances.misjudged

    def fail(self, now_s: float, server: int) -> None:
        """Take a server down: sessions that run on it or wait for it are routed anew."""
        self.down |= {server}
        self.view.down = self.down
        self.tell_of_server(now_s, "down", server)
        hit = [visit for visit in self.visits.values() if server in visit.path.servers]
        for visit in sorted(hit, key=lambda visit: visit.session.number):
            self.leave(now_s, visit)
            self.record.restarts += visit.running
            del self.visits[visit.session.number]
        for visit in sorted(hit, key=lambda visit: visit.session.number):
            self.route(now_s, visit.session.number, visit.version + 1)
        if hit:  # none of them may have found a path
            self.await_switch(now_s)

    def recover(self, now_s: float, server: int) -> None:
        """Let a server be seen again, unless it is down for another reason."""
        if any(a <= now_s < b and j == server for a, b, j in self.disturbances.failures):
            return
        self.down -= {server}
        self.view.down = self.down
        self.tell_of_server(now_s, "up", server)

    def tell_of_server(self, time_s: float, event: str, server: int) -> None:
        """Log what happens to a server."""
        if self.log is not None:
            name = self.site.instance.servers[server].name
            self.log({"time_s": time_s, "event": event, "server": name})

    def close(self, now_s: float) -> None:
        """Count the slots in use, too."""
        super().close(now_s)
        for j, slots in enumerate(self.slots):
            self.used_s[j] += slots.used_s
