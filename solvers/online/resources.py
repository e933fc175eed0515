"""What jobs use: slots that are held, stations that work jobs off, links that carry bytes.

Every resource keeps the time integral of its use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapreplace

SLACK = 1e-9
"""By so much, and no more, free slots may fall below 0."""


@dataclass
class Slots:
    """A store of slots, claimed and released in real amounts.

    Attributes
    ----------
    used
        Slots in use.
    used_s
        Slot-seconds in use up to the last change.
    """

    capacity: float
    used: float = 0
    used_s: float = 0.0
    _changed_s: float = 0.0

    def fits(self, amount: float) -> bool:
        """Return whether so much is free."""
        return self.used + amount <= self.capacity + SLACK

    def claim(self, now_s: float, amount: float) -> None:
        """Take what must be free."""
        if not self.fits(amount):
            raise ValueError(f"{amount} slots claimed, {self.capacity - self.used} free")
        self._change(now_s, amount)

    def release(self, now_s: float, amount: float) -> None:
        """Give back what was claimed."""
        if amount > self.used + SLACK:
            raise ValueError(f"{amount} slots released, {self.used} used")
        self._change(now_s, -amount)

    def _change(self, now_s: float, amount: float) -> None:
        self.used_s += self.used * (now_s - self._changed_s)
        self._changed_s = now_s
        self.used += amount


@dataclass
class Station:
    """Servers that work jobs off in the order of their arrival, ``rate`` units a second each.

    A job's times are settled when it arrives: FIFO jobs never depend on later ones.
    """

    rate: float
    servers: int = 1
    busy_s: float = 0.0
    _free_at_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._free_at_s = [0.0] * self.servers

    def next_start_s(self, now_s: float) -> float:
        """Return when a job that is queued now starts."""
        return max(now_s, self._free_at_s[0])

    def add(self, now_s: float, work: float) -> tuple[float, float]:
        """Queue a job; return when it starts and when it ends."""
        start_s = self.next_start_s(now_s)
        end_s = start_s + work / self.rate
        heapreplace(self._free_at_s, end_s)
        self.busy_s += end_s - start_s
        return start_s, end_s

    def outstanding(self, now_s: float) -> float:
        """Return the work that is queued or left of running jobs."""
        # Every server works without a gap from now until it is free. Policies ask the stations of
        # one server most often: the sum is left out for them.
        if self.servers == 1:
            left_s = self._free_at_s[0] - now_s
            return left_s * self.rate if left_s > 0 else 0.0
        return sum(max(0.0, free - now_s) for free in self._free_at_s) * self.rate

    def clear(self, now_s: float) -> None:
        """Drop all jobs, the running ones unfinished."""
        self.busy_s -= sum(max(0.0, free - now_s) for free in self._free_at_s)
        self._free_at_s = [now_s] * self.servers


@dataclass
class Link:
    """A link: latency and bytes by bandwidth; with ``fifo`` one transfer after the other.

    The latency does not keep the link busy.
    """

    latency_s: float
    bytes_per_s: float
    fifo: bool = False
    busy_s: float = 0.0
    _free_at_s: float = 0.0

    def send(self, now_s: float, size_bytes: float) -> float:
        """Return when bytes that are ready now have arrived."""
        carried_s = size_bytes / self.bytes_per_s
        self.busy_s += carried_s
        start_s = max(now_s, self._free_at_s) if self.fifo else now_s
        self._free_at_s = start_s + carried_s
        return start_s + (self.latency_s + carried_s)
