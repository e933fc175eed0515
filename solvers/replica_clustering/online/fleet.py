"""A run of one policy: requests are prefilled, wait for a slot, move their cache, and decode."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shardopt.models.replica_clustering.data import Instance, Replica, Role, Solution
from shardopt.models.requests import FloatArray
from shardopt.solvers.online.disturbances import Disturbances
from shardopt.solvers.online.events import Agenda, Priority
from shardopt.solvers.online.log import Log
from shardopt.solvers.online.machines import Job
from shardopt.solvers.online.randomness import stream
from shardopt.solvers.online.resources import Link
from shardopt.solvers.online.statistics import Record
from shardopt.solvers.replica_clustering.online.policies import Policy, View
from shardopt.solvers.replica_clustering.online.replicas import (
    Prefiller,
    Visit,
    make_decoder,
)


@dataclass(frozen=True)
class Prompts:
    """All requests of a run, by number; answers have ``actual_tokens``."""

    arrival_s: FloatArray
    input_tokens: FloatArray
    output_tokens: FloatArray
    actual_tokens: FloatArray

    def __getitem__(self, number: int) -> Visit:
        """Return a request before its first attempt."""
        return Visit(
            number,
            float(self.input_tokens[number]),
            float(self.output_tokens[number]),
            float(self.actual_tokens[number]),
        )


def in_role(plan: Solution, role: Role) -> list[Replica]:
    """Return the replicas of a role, in the order of the plan."""
    return [replica for replica in plan.replicas if replica.role == role]


def replica_names(plan: Solution) -> list[str]:
    """Return ``prefill-1``, .., ``decode-1``, ..: those that prefill come first."""
    roles: tuple[Role, ...] = ("prefill", "decode")
    return [f"{role}-{n}" for role in roles for n in range(1, len(in_role(plan, role)) + 1)]


@dataclass
class Run:
    """A run of one policy; replicas are counted as `replica_names` lists them.

    ``physical``: prompts fill the pipeline, and the pace of decoding depends on the slots in use.
    """

    instance: Instance
    plan: Solution
    prompts: Prompts
    policy: Policy
    disturbances: Disturbances
    seed: int
    physical: bool
    log: Log | None = None
    agenda: Agenda = field(init=False, default_factory=Agenda)
    record: Record = field(init=False)
    rates: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.record = Record(self.prompts.arrival_s)
        self.rng = stream(self.seed, "policy")
        self.names = replica_names(self.plan)
        self.rates = [0.0, 0.0]  # sums over requests of prompt and answer tokens per second
        first, then = in_role(self.plan, "prefill"), in_role(self.plan, "decode")
        believed = self.disturbances.believed(len(self.names)).tolist()
        spells = [
            [(start, stop, f) for start, stop, place, f in self.disturbances.slow if place == n]
            for n in range(len(self.names))
        ]
        self.prefillers = [
            Prefiller(self.instance, made, spells[n], believed[n]) for n, made in enumerate(first)
        ]
        self.decoders = [
            make_decoder(self.instance, made, spells[n], believed[n], pooled=self.physical)
            for n, made in enumerate(then, start=len(first))
        ]
        self.views = (
            View([*self.prefillers], list(range(len(first)))),
            View([*self.decoders], list(range(len(then)))),
        )
        self.links = [[self._link(a.master, b.master) for b in then] for a in first]
        model = self.instance.model
        self.cache_bytes_per_token = model.blocks * model.cache_bytes_per_token_per_block

    def _link(self, sender: str, receiver: str) -> Link:
        if self.instance.link is not None:
            return Link(self.instance.link.latency_s, self.instance.link.bytes_per_s)
        assert self.instance.links is not None  # exactly one of both is there
        index = self.instance.device_index()
        i, j = index[sender], index[receiver]
        return Link(self.instance.links.latency_s[i][j], self.instance.links.bytes_per_s[i][j])

    def run(self) -> None:
        """Let all requests arrive, and go on until the last has left."""
        for start_s, stop_s, place in self.disturbances.failures:
            self.agenda.schedule(start_s, Priority.CONTROL, self.fail, place)
            self.agenda.schedule(stop_s, Priority.CONTROL, self.recover, place)
        self.agenda.schedule_arrivals(self.prompts.arrival_s.tolist(), self.arrive)
        self.agenda.run()

    def choose(self, view: View, now_s: float, number: int) -> int | None:
        """Ask the policy; without it where all replicas of a role are down."""
        view.now_s = now_s
        chosen = self.policy(view, number, self.rng) if view.eligible else None
        if chosen is None:
            self.record.total_s[number] = np.nan
            self.tell(now_s, "reject", number)
        return chosen

    def arrive(self, now_s: float, number: int) -> None:
        """Let a request begin."""
        self.tell(now_s, "arrival", number)
        self.prefill(now_s, self.prompts[number])

    def prefill(self, now_s: float, visit: Visit) -> None:
        """Queue a prompt; with that it is settled when it has been read."""
        chosen = self.choose(self.views[0], now_s, visit.number)
        if chosen is None:
            return
        prefiller = self.prefillers[chosen]
        job = prefiller.machine.add(now_s, visit.input_tokens, visit)
        fill_s = visit.input_tokens * prefiller.fill_s_per_token if self.physical else 0.0
        visit.prefill = chosen
        visit.prefill_start_s = job.start_s
        visit.prefill_s = job.service_s + fill_s
        visit.prefilled_s = job.end_s + fill_s
        order = (visit.prefilled_s, len(self.prompts.arrival_s) + visit.number)
        self.agenda.schedule(visit.prefilled_s, Priority.ARRIVAL, self.prefilled, job, order)
        if self.log is not None:
            self.agenda.schedule(job.start_s, Priority.RETRY, self.say_prefill, job)

    def prefilled(self, now_s: float, job: Job) -> None:
        """Look for a replica to decode, unless the prompt was lost before its end."""
        if not job.lost:
            self.decode(now_s, job.visit)

    def decode(self, now_s: float, visit: Visit) -> None:
        """Let a request wait for a slot."""
        chosen = self.choose(self.views[1], now_s, visit.number)
        if chosen is None:
            return
        link = self.links[visit.prefill][chosen]
        size = self.cache_bytes_per_token * visit.input_tokens
        transfer_s = link.latency_s + size / link.bytes_per_s
        self.decoders[chosen].queue(now_s, visit, transfer_s)
        self.admit(now_s, chosen)

    def admit(self, now_s: float, place: int) -> None:
        """Give free slots to those that wait; their caches move at once."""
        decoder = self.decoders[place]
        while (visit := decoder.admit(now_s)) is not None:
            size = self.cache_bytes_per_token * visit.input_tokens
            visit.decode_from_s = self.links[visit.prefill][place].send(now_s, size)
            self.tell(now_s, "transfer", visit.number, len(self.prefillers) + place)
            which = (visit, visit.version, place)
            if decoder.batch is not None:
                self.agenda.schedule(visit.decode_from_s, Priority.RETRY, self.join, which)
                continue
            decode_s = visit.actual_tokens * decoder.token_s
            if decoder.spells:
                decode_s *= decoder.slowness(visit.decode_from_s)
            self.agenda.schedule(visit.decode_from_s + decode_s, Priority.END, self.end, which)
        if decoder.batch is not None:
            self.turn(now_s, place)

    def join(self, now_s: float, which: tuple[Visit, int, int]) -> None:
        """Let a request whose cache has arrived decode with the others."""
        visit, version, place = which
        if visit.version != version:
            return
        decoder = self.decoders[place]
        assert decoder.batch is not None
        decoder.batch.turn(now_s, len(decoder.held))
        decoder.batch.join(visit, visit.actual_tokens * decoder.slowness(now_s))
        self.await_next(place)

    def turn(self, now_s: float, place: int) -> None:
        """Let a batch go on at the pace of the slots that are in use now."""
        decoder = self.decoders[place]
        assert decoder.batch is not None
        decoder.batch.turn(now_s, len(decoder.held))
        self.await_next(place)

    def await_next(self, place: int) -> None:
        """Schedule the next end of a batch, which holds until it takes another turn."""
        batch = self.decoders[place].batch
        assert batch is not None
        end_s = batch.next_end_s()
        if end_s is not None:
            self.agenda.schedule(end_s, Priority.END, self.end_of_batch, (batch.version, place))

    def end_of_batch(self, now_s: float, which: tuple[int, int]) -> None:
        """Let the request leave that has all its tokens."""
        version, place = which
        batch = self.decoders[place].batch
        assert batch is not None
        if batch.version == version:
            visit = batch.leave()
            self.end(now_s, (visit, visit.version, place))

    def end(self, now_s: float, which: tuple[Visit, int, int]) -> None:
        """Write down a request that has all its tokens, and free its slot."""
        visit, version, place = which
        if visit.version != version:
            return
        number, record = visit.number, self.record
        arrival_s = float(self.prompts.arrival_s[number])
        waited_s = visit.prefill_start_s - arrival_s
        record.wait_s[number] = waited_s + (visit.decode_from_s - visit.prefilled_s)
        record.first_token_s[number] = visit.decode_from_s - arrival_s
        record.total_s[number] = now_s - arrival_s
        record.hops[number] = 2
        decode_s = now_s - visit.decode_from_s
        self.rates[0] += visit.input_tokens / visit.prefill_s
        self.rates[1] += visit.actual_tokens / decode_s if decode_s > 0 else 0.0
        self.tell(now_s, "end", number, len(self.prefillers) + place)
        self.decoders[place].release(now_s, visit)
        self.admit(now_s, place)

    def fail(self, now_s: float, place: int) -> None:
        """Take a replica down. Prompts that were lost, and caches, are read again elsewhere."""
        self.tell_of_replica(now_s, "down", place)
        count = len(self.prefillers)
        if place < count:
            self.views[0].eligible = [k for k in self.views[0].eligible if k != place]
            for job in self.prefillers[place].machine.fail(now_s):
                self.record.restarts += job.start_s < now_s
                self.prefill(now_s, job.visit)
            return
        self.views[1].eligible = [k for k in self.views[1].eligible if k != place - count]
        held, waiting = self.decoders[place - count].clear(now_s)
        self.record.restarts += len(held)
        for visit in held:
            visit.version += 1
            self.prefill(now_s, visit)
        for visit in waiting:  # their caches are still where they were made
            self.decode(now_s, visit)

    def recover(self, now_s: float, place: int) -> None:
        """Let a replica be seen again, unless it is down for another reason."""
        if any(a <= now_s < b and n == place for a, b, n in self.disturbances.failures):
            return
        count = len(self.prefillers)
        view, k = (self.views[0], place) if place < count else (self.views[1], place - count)
        view.eligible = sorted({*view.eligible, k})
        self.tell_of_replica(now_s, "up", place)

    def say_prefill(self, now_s: float, job: Job) -> None:
        """Log a start that was settled before, if it has come so far."""
        if not job.lost:
            self.tell(now_s, "prefill", job.visit.number, job.visit.prefill)

    def tell(self, time_s: float, event: str, number: int, place: int | None = None) -> None:
        """Log an event, if there is a log."""
        if self.log is not None:
            line: dict[str, Any] = {"time_s": time_s, "event": event, "request": number}
            self.log(line if place is None else {**line, "replica": self.names[place]})

    def tell_of_replica(self, time_s: float, event: str, place: int) -> None:
        """Log what happens to a replica."""
        if self.log is not None:
            self.log({"time_s": time_s, "event": event, "replica": self.names[place]})

    def metrics(self) -> dict[str, Any]:
        """Return the metrics when the run has ended."""
        found = self.record.metrics(self.prompts.actual_tokens)
        span_s, completed = self.record.span_s(), found["completed"]
        waits_s = self.record.wait_s[~np.isnan(self.record.total_s)]
        prefill, decode = (rate / completed if completed else None for rate in self.rates)
        used_s = [one.machine.station.busy_s for one in self.prefillers]
        used_s += [one.slots.used_s / one.slots.capacity for one in self.decoders]
        return {
            **found,
            "wait_std_s": float(waits_s.std()) if completed else None,
            "wait_p50_s": float(np.percentile(waits_s, 50)) if completed else None,
            "wait_p90_s": float(np.percentile(waits_s, 90)) if completed else None,
            "prefill_tokens_per_s": prefill,
            "decode_tokens_per_s": decode,
            "throughput_per_s": completed / span_s if span_s > 0 else None,
            "utilisation": {
                name: used / span_s if span_s > 0 else 0.0
                for name, used in zip(self.names, used_s, strict=True)
            },
        }
