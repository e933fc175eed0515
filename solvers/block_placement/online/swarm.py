"""What both modes of a run share: its sessions, its view, and what is written down of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shardopt.models.block_placement.data import Instance
from shardopt.models.requests import FloatArray, IntArray, Requests
from shardopt.solvers.block_placement.online.ledger import Ledger
from shardopt.solvers.block_placement.online.policies import Policy, Session, View
from shardopt.solvers.block_placement.online.replanning import Replanning
from shardopt.solvers.block_placement.online.sessions import Path, Site
from shardopt.solvers.online.events import Agenda, Priority
from shardopt.solvers.online.log import Log
from shardopt.solvers.online.randomness import stream
from shardopt.solvers.online.statistics import Record


@dataclass(frozen=True)
class Sessions:
    """All sessions of a run, by number; ``believed`` and ``actual`` lengths of the answers."""

    arrival_s: FloatArray
    client: IntArray
    input_tokens: IntArray
    believed_tokens: IntArray
    actual_tokens: IntArray

    def __getitem__(self, number: int) -> Session:
        """Return what policies know of a session."""
        return Session(
            number,
            int(self.client[number]),
            int(self.input_tokens[number]),
            int(self.believed_tokens[number]),
        )


def sessions_of(instance: Instance, requests: Requests, seed: int) -> Sessions:
    """Fill in the lengths of the instance, and draw clients in proportion to their sessions."""
    count = len(requests)

    def column(given: IntArray | None, value: int) -> IntArray:
        return np.full(count, value) if given is None else given

    weight = np.array([client.sessions for client in instance.clients], dtype=np.float64)
    drawn = stream(seed, "client").choice(len(weight), count, p=weight / weight.sum())
    believed = column(requests.output_tokens, instance.output_tokens)
    actual = requests.actual_output_tokens
    return Sessions(
        requests.arrival_s,
        drawn if requests.client is None else requests.client,
        column(requests.input_tokens, instance.input_tokens),
        believed,
        believed if actual is None else actual,
    )


@dataclass
class Run:
    """A run of one policy.

    Attributes
    ----------
    delay_s
        Session delay and allocation delay, which each session spends on its slots.
    used_s, offered_s
        Slot-seconds by server, in use and in all; the latter up to ``since_s``.
    """

    site: Site
    policy: Policy
    sessions: Sessions
    delay_s: float
    seed: int
    log: Log | None = None
    replanning: Replanning | None = None
    down: frozenset[int] = field(init=False, default=frozenset())
    agenda: Agenda = field(init=False, default_factory=Agenda)
    record: Record = field(init=False)
    view: View = field(init=False)
    rng: np.random.Generator = field(init=False)
    used_s: list[float] = field(init=False)
    offered_s: FloatArray = field(init=False)
    since_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.record = Record(self.sessions.arrival_s)
        self.rng = stream(self.seed, "policy")
        self.used_s = [0.0] * len(self.site.slots)
        self.offered_s = np.zeros(len(self.site.slots))
        self.since_s = float(self.sessions.arrival_s[0])
        self.open(self.site)

    def run(self) -> None:
        """Let all sessions arrive, and go on until the last has ended."""
        self.agenda.schedule_arrivals(self.sessions.arrival_s.tolist(), self.arrive)
        if self.replanning is not None:
            self.agenda.schedule(self.replanning.every_s, Priority.CONTROL, self.review, 1)
        self.agenda.run()

    def arrive(self, now_s: float, number: int) -> None:
        """Serve a session, or hold it while the placement changes."""
        self.tell(now_s, "arrival", number)
        if self.replanning is not None and self.replanning.wanted is not None:
            self.replanning.held.append(number)
        else:
            self.serve(now_s, number)

    def serve(self, now_s: float, number: int) -> None:
        """Give a session a path."""
        raise NotImplementedError

    def empty_at(self, now_s: float) -> float | None:
        """Return when the last session in the system ends, ``None`` if that is not known yet."""
        raise NotImplementedError

    def review(self, now_s: float, number: int) -> None:
        """Look at the rate; if it asks for another placement, hold new sessions for it."""
        replanning, arrival_s = self.replanning, self.sessions.arrival_s
        assert replanning is not None and self.site.design_sessions is not None
        if arrival_s[-1] <= now_s:
            return
        next_s = (number + 1) * replanning.every_s
        self.agenda.schedule(next_s, Priority.CONTROL, self.review, number + 1)
        if replanning.review(now_s, arrival_s, self.site.design_sessions):
            self.await_switch(now_s)

    def await_switch(self, now_s: float) -> None:
        """Switch when the last session has ended, if it is known when that is."""
        replanning = self.replanning
        if replanning is not None and replanning.wanted is not None:
            empty_s = self.empty_at(now_s)
            if empty_s is not None:
                self.agenda.schedule(
                    empty_s + replanning.reload_s, Priority.CONTROL, self.switch, None
                )

    def switch(self, now_s: float, _: None) -> None:
        """Change the placement, and serve those that were held in their order."""
        replanning = self.replanning
        assert replanning is not None
        self.close(now_s)
        self.open(replanning.planner.cg_bp(replanning.wanted))
        held, replanning.held, replanning.wanted = replanning.held, [], None
        replanning.switches += 1
        if self.log is not None:
            self.log({"time_s": now_s, "event": "switch", "sessions": self.site.design_sessions})
        for number in held:
            self.serve(now_s, number)

    def open(self, site: Site) -> None:
        """Begin with empty servers under a placement."""
        self.site = site
        ledgers = [Ledger(int(slots)) for slots in site.slots]
        self.view = View(site, ledgers, down=self.down)

    def close(self, now_s: float) -> None:
        """Count the slots that the placement has offered up to now."""
        self.offered_s += self.site.slots * (now_s - self.since_s)
        self.since_s = now_s

    def keep(
        self, number: int, wait_s: float, prefill_s: float, total_s: float, path: Path
    ) -> None:
        """Write down the times of a session, counted from its arrival."""
        record = self.record
        record.wait_s[number] = wait_s
        record.first_token_s[number] = wait_s + prefill_s + self.delay_s
        record.total_s[number] = total_s
        record.hops[number] = len(path.servers)

    def tell(self, time_s: float, event: str, number: int, path: Path | None = None) -> None:
        """Log an event, if there is a log."""
        if self.log is not None:
            line: dict[str, Any] = {"time_s": time_s, "event": event, "request": number}
            if path is not None:
                servers = self.site.instance.servers
                line["path"] = [servers[j].name for j in path.servers]
            self.log(line)

    def metrics(self) -> dict[str, Any]:
        """Return the metrics when the run has ended."""
        # The last placement may have come after the last end.
        self.close(max(self.since_s, self.sessions.arrival_s[0] + self.record.span_s()))
        found = self.record.metrics(self.sessions.actual_tokens)
        names = [server.name for server in self.site.instance.servers]
        found["utilisation"] = {
            name: used / offered if offered > 0 else 0.0
            for name, used, offered in zip(names, self.used_s, self.offered_s.tolist(), strict=True)
        }
        if self.replanning is not None:
            found["switches"] = self.replanning.switches
        return found
