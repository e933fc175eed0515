"""`partition-schedule`: best-first search over cuts with a search over schedules inside (ours).

What is open are prefixes of cuts, and complete cuts whose schedules are not searched to the
end, each with a lower bound. The one of least bound is worked on: a prefix is extended by its
next cut, complete cuts are searched again with a larger width. So the least bound of all that
is open bounds the whole problem at any time (spec section 4.4).
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from shardopt.models.partition_schedule.data import Solution
from shardopt.models.partition_schedule.tables import Cuts
from shardopt.solvers.budget import Budget
from shardopt.solvers.finish import checked_objective
from shardopt.solvers.jit import compiled
from shardopt.solvers.partition_schedule.frame import Frame

PRUNING = 5e-10
"""What is at most so much (relative) better than the incumbent is not looked for."""
WIDTH = 100
"""The first search of complete cuts is a beam of this width (spec section 4.4)."""
WIDENING = 8
DIVE_SHARE = 0.2
"""Share of the time limit that the very first search may take."""
BOUND_STEP = 1e-3
"""A risen bound is reported when it has risen by this share."""
ONLINE_DISPATCHES = 3_000_000
"""Cuts are tried by online dispatching at each extension as long as this many suffice."""


@dataclass(order=True)
class Open:
    """Cuts that may still lead to something better; ``number`` breaks ties of bounds."""

    bound: float
    number: int
    cuts: Cuts = field(compare=False)
    width: int = field(compare=False)


class CutSearch:
    """The state of the search; all bounds and values are sums (the greatest) of completions.

    Attributes
    ----------
    best, value
        The incumbent and its objective, as checked (infinity without one).
    cutoff
        What a schedule must stay below to be of interest.
    states, searches
        How much has been done.
    """

    def __init__(
        self,
        frame: Frame,
        budget: Budget,
        memory_bytes: float,
        threads: int = 1,
        *,
        tells_bounds: bool = True,
    ) -> None:
        self.frame = frame
        self.budget = budget
        self.best: Solution | None = None
        self.value = float("inf")
        self.cutoff = float("inf")
        self.states = self.searches = 0
        self.open: list[Open] = []
        self._in_hand: list[Open] = []  # taken out, and neither finished nor put back yet
        self.out_of_memory = False
        self._numbers = itertools.count()
        self._memory_bytes = memory_bytes / threads
        self._threads = threads
        self._tells_bounds = tells_bounds
        self._reported = 0.0

    @property
    def depth(self) -> int:
        """How many cuts there are in all."""
        return self.frame.tables.tier_count - 1

    def bound(self) -> float | None:
        """Return a proven bound of the objective, of those cuts that were opened."""
        least = min([self.cutoff, *(item.bound for item in self.open[:1] + self._in_hand)])
        if least == float("inf"):
            return None
        rounding = self.frame.rounding(self.value if self.best is not None else least)
        return max(0.0, self.frame.objective(least - rounding))

    def proven(self) -> bool:
        """Return whether nothing open can be better than the incumbent."""
        return not self.open or self.open[0].bound >= self.cutoff

    def offer(self, solution: Solution | None) -> None:
        """Take a feasible plan if it is better than the incumbent."""
        if solution is None:
            return
        value = checked_objective(self.frame.tables.instance, solution)
        if value is None or value >= self.value:
            return
        self.best, self.value = solution, value
        self.cutoff = self.frame.total(value * (1.0 - PRUNING))
        self.budget.report(value, self._weak_bound())

    def _weak_bound(self) -> float | None:
        """Return the bound to be reported, if any; rounding leaves it behind no plan."""
        bound = self.bound() if self._tells_bounds else None
        return None if bound is None else min(bound, self.value)

    def try_online(self, vectors: Sequence[Cuts]) -> None:
        """Offer the best of these cuts under online dispatching."""
        if not vectors:
            return
        cuts = np.array(vectors, dtype=np.int64).reshape(len(vectors), self.depth)
        values = np.full(len(cuts), np.inf)
        stop = self.budget.stop
        online, _ = compiled("partition_schedule.schedule_kernels.online")
        self.budget.call(online.online_cuts, self.frame.arrays, cuts, values, stop)
        best = int(values.argmin())
        if values[best] < self.cutoff:
            self.offer(self.frame.online_plan(vectors[best]))

    def push(self, vectors: Iterable[Cuts], at_least: float = 0.0) -> None:
        """Open cuts, all of the same number, with their bounds; what cannot be better is not."""
        vectors = list(vectors)
        if not vectors:
            return
        depth = len(vectors[0])
        cuts = np.array(vectors, dtype=np.int64).reshape(len(vectors), depth)
        bounds = np.full(len(cuts), at_least)
        arguments = (self.frame.arrays, cuts, depth, self.cutoff, bounds, self.budget.stop)
        kernels, _ = compiled("partition_schedule.schedule_kernels.bounds")
        self.budget.call(kernels.bound_cuts, *arguments)
        order = np.argsort(bounds, kind="stable")
        if depth == self.depth:
            affordable = ONLINE_DISPATCHES // (self.frame.tables.request_count * (depth + 1))
            promising = [v for v in order[:affordable] if bounds[v] < self.cutoff]
            self.try_online([vectors[v] for v in promising])
        for v in order:
            if bounds[v] >= self.cutoff or bounds[v] == np.inf:
                break
            item = Open(float(bounds[v]), next(self._numbers), vectors[v], self.first_width)
            heapq.heappush(self.open, item)

    @property
    def first_width(self) -> int:
        """The width of the first search: narrower where states are large."""
        return max(1, min(WIDTH, 100_000 // self.frame.tables.request_count**2))

    def run(self) -> None:
        """Work on what is open until nothing is of interest, or the run must end."""
        while not self.proven() and not self.budget.exhausted():
            self._tell()
            if len(self.open[0].cuts) < self.depth:
                self._extend()
                continue
            self._take_complete(self._threads)
            if any(self._bytes(item.width) > self._memory_bytes for item in self._in_hand):
                self.out_of_memory = True
                self._put_back(self._in_hand)
                break
            self._put_back(self._search())
        self._tell(finally_=True)

    def run_once(self, searches: int, width: int) -> None:
        """Search so many complete cuts of least bound, each once: a beam search."""
        while searches > 0 and not self.proven() and not self.budget.exhausted():
            if len(self.open[0].cuts) < self.depth:
                self._extend()
                continue
            self._take_complete(1)
            self._in_hand[0].width = width
            self._search()
            self._in_hand = []
            searches -= 1

    def dive(self, cuts: Cuts) -> None:
        """Search these cuts once, for a plan: the best-first search may be long in coming there."""
        item = Open(0.0, -1, cuts, self.first_width)
        if self._bytes(item.width) > self._memory_bytes or self.proven():
            return
        limit = self.budget.time_limit
        seconds = None if limit is None else DIVE_SHARE * limit
        value, _, states, rows = self.budget.call(self._search_one, item, seconds=seconds)
        self.states += states
        self.searches += 1
        if value < self.cutoff:
            self.offer(self.frame.plan(cuts, rows))

    def _put_back(self, items: Iterable[Open]) -> None:
        for item in items:
            heapq.heappush(self.open, item)
        self._in_hand = []

    def _tell(self, finally_: bool = False) -> None:
        bound = self._weak_bound()
        if bound is not None and (finally_ or bound > self._reported * (1.0 + BOUND_STEP)):
            self._reported = bound
            self.budget.report(self.value if self.best is not None else None, bound)

    def _extend(self) -> None:
        """Open all prefixes that are one cut longer than that of least bound."""
        item = heapq.heappop(self.open)
        self._in_hand = [item]
        first = (item.cuts[-1] if item.cuts else 0) + 1
        after = self.depth - len(item.cuts) - 1
        last = self.frame.tables.block_count - 1 - after
        self.push(((*item.cuts, cut) for cut in range(first, last + 1)), item.bound)
        self._in_hand = []

    def _take_complete(self, most: int) -> None:
        """Take the complete cuts of least bound in hand, as long as no prefix has a lesser one."""
        while len(self._in_hand) < most and self.open:
            item = self.open[0]
            if item.bound >= self.cutoff or len(item.cuts) < self.depth:
                break
            self._in_hand.append(heapq.heappop(self.open))

    def _search(self) -> list[Open]:
        """Search the complete cuts in hand, each in a thread; return those that stay open."""
        batch = self._in_hand

        def all_of_them() -> list[tuple[float, float, int, Any]]:
            if len(batch) == 1:
                return [self._search_one(batch[0])]
            with ThreadPoolExecutor(self._threads) as pool:
                return list(pool.map(self._search_one, batch))

        found = self.budget.call(all_of_them)
        self._in_hand = [
            replace(item, bound=max(bound, item.bound))
            for item, (_, bound, _, _) in zip(batch, found, strict=True)
        ]
        for item, (value, _, states, rows) in zip(batch, found, strict=True):
            self.states += states
            self.searches += 1
            if value < self.cutoff:
                self.offer(self.frame.plan(item.cuts, rows))
        widening = 1 if self.budget.exhausted() else WIDENING
        still_open = [item for item in self._in_hand if item.bound < self.cutoff]
        return [replace(item, width=item.width * widening) for item in still_open]

    def _search_one(self, item: Open) -> tuple[float, float, int, Any]:
        kernels, _ = compiled("partition_schedule.schedule_kernels.search")
        rows = np.empty(self.frame.tables.request_count * (self.depth + 1), dtype=np.int64)
        found = kernels.search(
            self.frame.pipe(item.cuts),
            self.frame.arrays[2],
            self.cutoff,
            item.width,
            rows,
            self.budget.stop,
        )
        return (*found, rows)

    def _bytes(self, width: int) -> float:
        """Return what a search of this width may take."""
        requests, tiers = self.frame.tables.request_count, self.depth + 1
        state = 9.0 * requests + 8.0 * len(self.frame.nodes) + 32
        return (5.0 * width + requests + 64) * state + 16.0 * width * requests * tiers
