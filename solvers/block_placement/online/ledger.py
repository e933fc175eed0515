"""A server's ledger: which sessions are believed to hold how many slots, and until when."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import accumulate

from shardopt.solvers.online.events import SAME_TIME_S
from shardopt.solvers.online.resources import SLACK

_FIRST_STEPS_S = (1.0, 3.0, 7.0, 15.0, 31.0, 63.0)
_LAST_STEP_S = 60.0
_LEAST_TO_FORGET = 64


def attempt_s(number: int) -> float:
    """Return how long after the first attempt a client makes the next ones: 1, 3, 7, .. 63, 123."""
    if number < len(_FIRST_STEPS_S):
        return _FIRST_STEPS_S[number]
    return _FIRST_STEPS_S[-1] + _LAST_STEP_S * (number - len(_FIRST_STEPS_S) + 1)


def backed_off(wait_s: float) -> float:
    """Return the wait of a client that retries after 1, 2, 4, .. 60, 60 s: 0, 1, 3, 7, .."""
    if wait_s <= SAME_TIME_S:
        return 0.0
    if wait_s <= _FIRST_STEPS_S[-1] + SAME_TIME_S:
        return _FIRST_STEPS_S[bisect_left(_FIRST_STEPS_S, wait_s - SAME_TIME_S)]
    more = math.ceil((wait_s - SAME_TIME_S - _FIRST_STEPS_S[-1]) / _LAST_STEP_S)
    return _FIRST_STEPS_S[-1] + _LAST_STEP_S * more


class Ledger:
    """Entries (end, slots) of one server with ``capacity`` slots, sorted by their end.

    Running sums of the slots make a look at thousands of entries a binary search. Slots that
    are integers are counted exactly. Time never goes back.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._ends: list[float] = []
        self._slots: list[float] = []
        self._sums: list[float] = []  # of the slots up to each entry, and of those forgotten
        self._first = 0  # entries before it have ended
        self._ended: float = 0  # their slots, and those forgotten

    def sessions(self, now_s: float) -> int:
        """Return how many sessions are in the ledger."""
        self._advance(now_s)
        return len(self._ends) - self._first

    def wait(self, now_s: float, slots: float) -> float:
        """Return after how many seconds so many slots will be free; infinite if never."""
        if slots > self.capacity + SLACK:
            return math.inf
        self._advance(now_s)
        held = self._sums[-1] - self._ended if self._sums else 0
        missing = slots - (self.capacity - held)
        if missing <= SLACK:
            return 0.0
        n = bisect_left(self._sums, self._ended + missing - SLACK, self._first)
        return max(0.0, self._ends[n] - now_s)

    def latest_end(self, now_s: float) -> float:
        """Return when the last session ends; now if there is none."""
        self._advance(now_s)
        return max(now_s, self._ends[-1]) if self._ends else now_s

    def add(self, end_s: float, slots: float) -> None:
        """Enter a session."""
        ends, sums = self._ends, self._sums
        if not ends or end_s >= ends[-1]:
            ends.append(end_s)
            self._slots.append(slots)
            sums.append((sums[-1] if sums else 0) + slots)
            return
        n = bisect_right(ends, end_s, self._first)
        ends.insert(n, end_s)
        self._slots.insert(n, slots)
        self._sum_from(n)

    def remove(self, now_s: float, end_s: float, slots: float) -> None:
        """Delete the entry of a session, if it has not ended."""
        self._advance(now_s)
        n = bisect_left(self._ends, end_s, self._first)
        while n < len(self._ends) and self._ends[n] == end_s:
            if self._slots[n] == slots:
                del self._ends[n], self._slots[n]
                self._sum_from(n)
                return
            n += 1

    def _sum_from(self, n: int) -> None:
        before = self._sums[n - 1] if n > self._first else self._ended
        self._sums[n:] = list(accumulate(self._slots[n:], initial=before))[1:]

    def _advance(self, now_s: float) -> None:
        """Pass over the entries that have ended; forget them when they are the most."""
        ends, n = self._ends, self._first
        if n == len(ends) or ends[n] > now_s + SAME_TIME_S:
            return
        n = bisect_right(ends, now_s + SAME_TIME_S, n)
        self._ended = self._sums[n - 1]
        self._first = n
        if n > _LEAST_TO_FORGET and 2 * n > len(ends):
            del self._ends[:n], self._slots[:n]
            self._first, self._ended = 0, 0
            self._sums = list(accumulate(self._slots))  # anew: rounding does not grow with time
