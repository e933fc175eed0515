"""Replicas at work: one that prefills is a FIFO station, one that decodes has slots."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush, heapreplace

from shardopt.models.replica_clustering.data import Instance, Replica
from shardopt.models.replica_clustering.evaluate import replica_times
from shardopt.solvers.online.events import SAME_TIME_S
from shardopt.solvers.online.machines import Machine, Spell
from shardopt.solvers.online.resources import Slots

LONG_QUEUE = 100


@dataclass(slots=True)
class Visit:
    """A request on its way; ``version`` tells the events of this attempt from older ones.

    ``believed_s`` is how long it is believed to hold its slot, once it has one.
    """

    number: int
    input_tokens: float
    output_tokens: float
    actual_tokens: float
    prefill: int = -1
    prefill_start_s: float = 0.0
    prefill_s: float = 0.0
    prefilled_s: float = 0.0
    decode_from_s: float = 0.0
    believed_s: float = 0.0
    believed_end_s: float = 0.0
    version: int = 0


class Prefiller:
    """A station of P = I / T prompt tokens per second.

    ``fill_s_per_token`` is what a prompt takes beyond that, on its way through the stages.
    """

    def __init__(
        self, instance: Instance, made: Replica, spells: Sequence[Spell], believed: float
    ) -> None:
        times = replica_times(instance, made)
        tokens = instance.workload.input_tokens
        self.machine = Machine(tokens / times.slowest_s, spells)
        through_s = math.fsum(times.stage_s + times.hop_s)
        self.fill_s_per_token = (through_s - times.slowest_s) / tokens
        self._believed_s_per_token = believed / self.machine.rate

    def wait_s(self, now_s: float) -> float:
        """Return pending tokens / P, as believed."""
        return self.machine.outstanding(now_s) * self._believed_s_per_token

    def outstanding_tokens(self, now_s: float) -> float:
        """Return the prompt tokens that are queued or left of the prompt being read."""
        return self.machine.outstanding(now_s)


class Batch:
    """Requests that decode together, at one pace that depends on the slots in use (ours).

    ``pace_s`` has the seconds per token by slots in use. A request that joins when each has had
    x tokens leaves when each has had x and its own.
    """

    def __init__(self, pace_s: Sequence[float]) -> None:
        self._pace_s = pace_s
        self._busy = 0
        self._had = 0.0
        self._since_s = 0.0
        self._leaving: list[tuple[float, int, Visit]] = []
        self.version = 0

    def turn(self, now_s: float, busy: int) -> None:
        """Go on with so many slots in use."""
        if self._leaving:
            self._had += (now_s - self._since_s) / self._pace_s[self._busy]
        else:
            self._had = 0.0  # no rounding is left over
        self._since_s, self._busy = now_s, busy
        self.version += 1

    def join(self, visit: Visit, tokens: float) -> None:
        """Let a request generate from now on."""
        heappush(self._leaving, (self._had + tokens, visit.number, visit))

    def next_end_s(self) -> float | None:
        """Return when the next one has all its tokens, if nothing changes before."""
        if not self._leaving:
            return None
        left = max(0.0, self._leaving[0][0] - self._had)
        return self._since_s + left * self._pace_s[self._busy]

    def leave(self) -> Visit:
        """Take out the one that has all its tokens."""
        return heappop(self._leaving)[2]

    def clear(self) -> None:
        """Lose all."""
        self._leaving.clear()
        self.version += 1


@dataclass
class Decoder:
    """A replica with slots; requests wait for them in the order in which they come.

    Attributes
    ----------
    token_s
        S T: the seconds between two tokens of a request, as published.
    believed
        By what times its seconds are misjudged.
    batch
        Who decodes together, where their pace is not S T.
    held
        Those that have a slot, by number.
    """

    slots: Slots
    token_s: float
    believed: float
    spells: Sequence[Spell]
    batch: Batch | None
    waiting: deque[Visit] = field(default_factory=deque)
    held: dict[int, Visit] = field(default_factory=dict)
    _waiting_tokens: float = 0.0
    _waiting_s: float = 0.0  # what those who wait are believed to hold slots for, together
    _frees_s: list[float] = field(default_factory=list)
    _stale: bool = False

    def __post_init__(self) -> None:
        self._frees_s = [0.0] * int(self.slots.capacity)

    def queue(self, now_s: float, visit: Visit, transfer_s: float) -> None:
        """Let a request wait in line."""
        visit.believed_s = transfer_s + visit.output_tokens * self.token_s * self.believed
        self.waiting.append(visit)
        self._waiting_tokens += visit.output_tokens
        self._waiting_s += visit.believed_s
        if not self._stale:
            heapreplace(self._frees_s, max(now_s, self._frees_s[0]) + visit.believed_s)

    def admit(self, now_s: float) -> Visit | None:
        """Give the first in line a slot, if there is one and the other is free."""
        if not self.waiting or not self.slots.fits(1):
            return None
        visit = self.waiting.popleft()
        self._waiting_tokens -= visit.output_tokens
        self._waiting_s -= visit.believed_s
        if not self.waiting:
            self._waiting_tokens = self._waiting_s = 0.0  # no rounding is left over
        self.slots.claim(now_s, 1)
        visit.believed_end_s = now_s + visit.believed_s
        self.held[visit.number] = visit
        return visit

    def release(self, now_s: float, visit: Visit) -> None:
        """Take back the slot of a request."""
        del self.held[visit.number]
        self.slots.release(now_s, 1)
        self._stale |= abs(now_s - visit.believed_end_s) > SAME_TIME_S

    def clear(self, now_s: float) -> tuple[list[Visit], list[Visit]]:
        """Lose all; return those that had a slot and those that waited for one."""
        held, waiting = list(self.held.values()), list(self.waiting)
        for visit in held:
            self.release(now_s, visit)
        self.waiting.clear()
        self._waiting_tokens = self._waiting_s = 0.0
        self._stale = True
        if self.batch is not None:
            self.batch.clear()
        return held, waiting

    def slowness(self, now_s: float) -> float:
        """Return by what times a request that starts now takes longer."""
        return math.prod(factor for a, b, factor in self.spells if a <= now_s < b)

    def wait_s(self, now_s: float) -> float:
        """Return when a slot is believed to fall free for one more, 0 if there is one."""
        if not self.waiting and self.slots.fits(1):
            return 0.0
        if self._stale:
            self._believe_anew(now_s)
        return max(0.0, self._frees_s[0] - now_s)

    def outstanding_tokens(self, now_s: float) -> float:
        """Return the tokens of those that wait, and what is believed to be left of the others."""
        pace_s = self.token_s * self.believed
        left = sum(
            min(visit.output_tokens, max(0.0, visit.believed_end_s - now_s) / pace_s)
            for visit in self.held.values()
        )
        return left + self._waiting_tokens

    def _believe_anew(self, now_s: float) -> None:
        """Settle when slots fall free: those that are overdue, and free ones, now.

        A long queue is spread evenly over the slots: looking at each who waits, with every end
        that was not foreseen, would take longer and longer in overload.
        """
        frees_s = [max(now_s, visit.believed_end_s) for visit in self.held.values()]
        frees_s += [now_s] * (int(self.slots.capacity) - len(frees_s))
        if len(self.waiting) > LONG_QUEUE:
            frees_s = [free_s + self._waiting_s / len(frees_s) for free_s in frees_s]
        heapify(frees_s)
        if len(self.waiting) <= LONG_QUEUE:
            for visit in self.waiting:
                heapreplace(frees_s, frees_s[0] + visit.believed_s)
        self._frees_s, self._stale = frees_s, False


def make_decoder(
    instance: Instance, made: Replica, spells: Sequence[Spell], believed: float, *, pooled: bool
) -> Decoder:
    """Return a replica with empty slots; ``pooled``: all decode at a pace of the slots in use."""
    stages = len(made.stages)
    count = made.batch * stages
    token_s = stages * replica_times(instance, made).slowest_s
    pace_s = [pooled_token_s(instance, made, busy) for busy in range(count + 1)] if pooled else []
    return Decoder(Slots(count), token_s, believed, spells, Batch(pace_s) if pooled else None)


def pooled_token_s(instance: Instance, made: Replica, busy: int) -> float:
    """Return the seconds per token with so many slots in use (ours, spec section 7).

    They go round in micro-batches as equal as may be: a token takes a full turn of all
    micro-batches at the slowest stage, and never less than one pass through all stages.
    """
    batch = max(1, -(-busy // len(made.stages)))
    turns = -(-busy // batch)
    times = replica_times(instance, replace(made, batch=batch))
    return max(turns * times.slowest_s, math.fsum(times.stage_s + times.hop_s))
