"""The event core: what happens next, and in which order when things happen at one time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from heapq import heappop, heappush
from typing import Any

SAME_TIME_S = 1e-9
"""Times that differ by no more are equal."""

Handler = Callable[[float, Any], None]
"""What is called when an event is due: with its time and its payload."""


class Priority(IntEnum):
    """What comes first of the events at one time."""

    END = 0
    RETRY = 1
    ARRIVAL = 2
    CONTROL = 3


class Agenda:
    """Events that are yet to come.

    They are handled by time; at one time by priority, then by ``order``, then in the order in
    which they were scheduled. So a run is a function of its input and nothing else.
    """

    def __init__(self) -> None:
        self._later: list[tuple[float, int, Any, int, Handler, Any]] = []
        self._now: list[tuple[int, Any, int, float, Handler, Any]] = []
        self._horizon_s = -float("inf")
        self._sequence = 0

    def schedule(
        self, time_s: float, priority: Priority, handler: Handler, payload: Any, order: Any = 0
    ) -> None:
        """Let ``handler(time_s, payload)`` be called when it is due."""
        self._sequence += 1
        if time_s <= self._horizon_s:
            heappush(self._now, (priority, order, self._sequence, time_s, handler, payload))
        else:
            heappush(self._later, (time_s, priority, order, self._sequence, handler, payload))

    def schedule_arrivals(self, times_s: Sequence[float], handler: Handler) -> None:
        """Let ``handler(time_s, number)`` be called at each of many times, which never fall.

        Only the next one is on the agenda, however many there are. Their order is (time, number):
        whatever else is scheduled with this priority needs an order of the same form.
        """

        def arrive(time_s: float, number: int) -> None:
            if number + 1 < len(times_s):
                self._schedule_arrival(times_s[number + 1], arrive, number + 1)
            handler(time_s, number)

        if len(times_s):
            self._schedule_arrival(times_s[0], arrive, 0)

    def _schedule_arrival(self, time_s: float, handler: Handler, number: int) -> None:
        self.schedule(time_s, Priority.ARRIVAL, handler, number, (time_s, number))

    def run(self) -> None:
        """Handle events until none is left."""
        later, now = self._later, self._now
        while later:
            # All that happens at one time is put in order anew, with what is added meanwhile:
            # 1e-10 s too late, the end of one job must still come before the start of the next.
            self._horizon_s = later[0][0] + SAME_TIME_S
            while later and later[0][0] <= self._horizon_s:
                time_s, priority, order, sequence, handler, payload = heappop(later)
                heappush(now, (priority, order, sequence, time_s, handler, payload))
            while now:
                _, _, _, time_s, handler, payload = heappop(now)
                handler(time_s, payload)
        self._horizon_s = -float("inf")
