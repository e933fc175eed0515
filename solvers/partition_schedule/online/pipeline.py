"""A run of one policy: requests cross the tiers, whose nodes are FIFO stations."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from shardopt.models.partition_schedule.tables import Cuts, FloatArray, IntArray, Tables
from shardopt.solvers.online.disturbances import Disturbances
from shardopt.solvers.online.events import Agenda, Priority
from shardopt.solvers.online.log import Log
from shardopt.solvers.online.machines import Job, Machine
from shardopt.solvers.online.randomness import stream
from shardopt.solvers.online.resources import Link
from shardopt.solvers.online.statistics import Record
from shardopt.solvers.partition_schedule.online.policies import Arrived, Policy, View
from shardopt.solvers.partition_schedule.policy import Arts


class Visit(NamedTuple):
    """A request that has reached a tier, and how long it waited on those before."""

    number: int
    tier: int
    reached_s: float
    waited_s: float


class Plan:
    """A schedule made before the first request arrives: nodes serve in its order, come what may.

    Attributes
    ----------
    node
        By tier and request.
    """

    def __init__(self, node: IntArray, start_s: FloatArray) -> None:
        self.node: list[list[int]] = node.T.tolist()
        self._rank = [_ranks(node[:, j], start_s[:, j]) for j in range(node.shape[1])]
        self._next: dict[tuple[int, int], int] = defaultdict(int)
        self._early: dict[tuple[int, int, int], Visit] = {}

    def due(self, node: int, visit: Visit) -> list[Visit]:
        """Return whom a node may queue now that a request has reached it, in order."""
        tier = visit.tier
        self._early[tier, node, self._rank[tier][visit.number]] = visit
        found = []
        while (one := self._early.pop((tier, node, self._next[tier, node]), None)) is not None:
            found.append(one)
            self._next[tier, node] += 1
        return found


def _ranks(node: IntArray, start_s: FloatArray) -> list[int]:
    """Return by request how many its node serves before it."""
    order = np.lexsort((start_s, node))
    group = node[order]
    first = np.searchsorted(group, group)
    rank = np.empty(len(node), dtype=np.int64)
    rank[order] = np.arange(len(node)) - first
    found: list[int] = rank.tolist()
    return found


@dataclass
class Run:
    """A run of one policy on the arrivals and tokens of ``tables``.

    ``believed`` are factors of service times, by node counted over all tiers.
    """

    tables: Tables
    cuts: Cuts
    policy: Policy
    disturbances: Disturbances
    seed: int
    log: Log | None = None
    plan: Plan | None = None
    agenda: Agenda = field(init=False, default_factory=Agenda)
    record: Record = field(init=False)
    views: list[View] = field(init=False)
    places: list[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        tables = self.tables
        self.record = Record(tables.arrival_s)
        self.rng = stream(self.seed, "policy")
        self.arrival_s: list[float] = tables.arrival_s.tolist()
        self.tokens: list[float] = tables.tokens.tolist()
        self.handed = [float(tables.activation[cut - 1]) for cut in self.cuts]
        links = tables.instance.links
        self.links = [Link(link.latency_s, link.bytes_per_s) for link in links]
        self.places = [(j, k) for j, names in enumerate(tables.nodes) for k in range(len(names))]
        believed = self.disturbances.believed(len(self.places)).tolist()
        self.views = [self._view(j, believed) for j in range(tables.tier_count)]

    def _view(self, tier: int, believed: list[float]) -> View:
        tables = self.tables
        a, b = tables.runs(self.cuts)[tier]
        speed = tables.speed[tier].tolist()
        first = self.places.index((tier, 0))
        spells = [
            [(start, stop, f) for start, stop, n, f in self.disturbances.slow if n == first + k]
            for k in range(len(speed))
        ]
        return View(
            tier,
            tables.flops(a, b),
            [Machine(*one) for one in zip(speed, spells, strict=True)],
            np.flatnonzero(tables.eligible(tier, a, b)).tolist(),
            Arts([c / believed[first + k] for k, c in enumerate(speed)]),
            None if self.plan is None else self.plan.node[tier],
        )

    def run(self) -> None:
        """Let all requests arrive, and go on until the last has left."""
        for start_s, stop_s, place in self.disturbances.failures:
            self.agenda.schedule(start_s, Priority.CONTROL, self.fail, place)
            self.agenda.schedule(stop_s, Priority.CONTROL, self.recover, place)
        self.agenda.schedule_arrivals(self.arrival_s, self.arrive)
        self.agenda.run()

    def arrive(self, now_s: float, number: int) -> None:
        """Let a request reach the first tier."""
        self.tell(now_s, "arrival", number)
        self.reach(now_s, Visit(number, 0, now_s, 0.0))

    def hand_on(self, now_s: float, handed: tuple[Job, Visit]) -> None:
        """Let a request reach the next tier, if its last node has not failed before the end."""
        job, visit = handed
        if not job.lost:
            self.reach(now_s, visit)

    def reach(self, now_s: float, visit: Visit) -> None:
        """Give a request a node of the tier that it has reached."""
        view = self.views[visit.tier]
        view.now_s = now_s
        view.learn()
        arrived = Arrived(visit.number, self.tokens[visit.number] * view.flops_per_token)
        node = self.policy(view, arrived, self.rng) if view.eligible else None
        if node is None:
            self.record.total_s[visit.number] = np.nan
            self.tell(now_s, "reject", visit.number)
        elif self.plan is None:
            self.serve(now_s, view, node, visit)
        else:
            for one in self.plan.due(node, visit):
                self.serve(now_s, view, node, one)

    def serve(self, now_s: float, view: View, node: int, visit: Visit) -> None:
        """Queue a request on a node; with that it is settled when it reaches the next tier."""
        number, tier, reached_s, waited_s = visit
        tokens = self.tokens[number]
        job = view.machines[node].add(now_s, tokens * view.flops_per_token, visit)
        view.begin(node, job)
        waited_s += job.start_s - reached_s
        last = tier + 1 == len(self.views)
        if last:
            record = self.record
            record.wait_s[number] = waited_s
            record.total_s[number] = job.end_s - self.arrival_s[number]
            record.hops[number] = tier + 1
        else:
            reach_s = self.links[tier].send(job.end_s, tokens * self.handed[tier])
            onward = Visit(number, tier + 1, reach_s, waited_s)
            # Not only by tier and number: the solvers, too, put even the closest times in order.
            order = (reach_s, (tier + 1) * len(self.tokens) + number)
            self.agenda.schedule(reach_s, Priority.ARRIVAL, self.hand_on, (job, onward), order)
        if self.log is not None:
            name = self.tables.nodes[tier][node]
            leaving = "end" if last else "leave"
            self.agenda.schedule(job.start_s, Priority.RETRY, self.say, (job, "start", name))
            self.agenda.schedule(job.end_s, Priority.END, self.say, (job, leaving, name))

    def fail(self, now_s: float, place: int) -> None:
        """Take a node down: what is there begins anew on another node of the tier."""
        tier, node = self.places[place]
        view = self.views[tier]
        view.eligible = [k for k in view.eligible if k != node]
        self.tell_of_node(now_s, "down", place)
        for job in view.machines[node].fail(now_s):
            self.record.restarts += job.start_s < now_s
            self.reach(now_s, job.visit)

    def recover(self, now_s: float, place: int) -> None:
        """Let a node be seen again, unless it is down for another reason."""
        if any(a <= now_s < b and n == place for a, b, n in self.disturbances.failures):
            return
        tier, node = self.places[place]
        a, b = self.tables.runs(self.cuts)[tier]
        if self.tables.eligible(tier, a, b)[node]:
            self.views[tier].eligible = sorted({*self.views[tier].eligible, node})
        self.tell_of_node(now_s, "up", place)

    def say(self, now_s: float, what: tuple[Job, str, str]) -> None:
        """Log what was settled before, if it has come so far."""
        job, event, node = what
        if not job.lost:
            self.tell(now_s, event, job.visit.number, node)

    def tell(self, time_s: float, event: str, number: int, node: str | None = None) -> None:
        """Log an event, if there is a log."""
        if self.log is not None:
            line: dict[str, Any] = {"time_s": time_s, "event": event, "request": number}
            self.log(line if node is None else {**line, "node": node})

    def tell_of_node(self, time_s: float, event: str, place: int) -> None:
        """Log what happens to a node."""
        if self.log is not None:
            tier, node = self.places[place]
            name = self.tables.nodes[tier][node]
            self.log({"time_s": time_s, "event": event, "node": name})

    def metrics(self) -> dict[str, Any]:
        """Return the metrics when the run has ended; a request has no tokens of an answer."""
        found = self.record.metrics(self.tables.tokens)
        span_s = self.record.span_s()
        found["utilisation"] = {
            self.tables.nodes[tier][node]: (
                self.views[tier].machines[node].station.busy_s / span_s if span_s > 0 else 0.0
            )
            for tier, node in self.places
        }
        return {name: value for name, value in found.items() if not name.startswith("ttft")}
