"""Search over the sizes of runs: the relaxation decides sizes, CP-SAT positions (ours).

Best-first over boxes of sizes (`models/block_placement/formulations/sizes.py`). A box in whose
relaxation the sizes come out whole is cut down around them, until it holds few enough sizes; it
then goes to CP-SAT, with the best plan as cutoff, for some seconds: mostly that proves at once
that no positions do better. If not, it is cut down further; single sizes that CP-SAT does not
finish wait, for more seconds each time, until nothing else is left.

The backend adapter ``shardopt.solvers.block_placement.size_search``.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from shardopt.models.block_placement.check import check
from shardopt.models.block_placement.data import Solution
from shardopt.models.block_placement.formulations import routing
from shardopt.models.block_placement.formulations.sizes import SizesFormulation
from shardopt.models.linear import FloatArray
from shardopt.solvers.backends import cpsat, highs
from shardopt.solvers.backends.contract import BackendError, Run, Verdict
from shardopt.solvers.backends.relaxation import Relaxation, Relaxed

MOST_SIZES = 64
"""Size vectors in a box that goes to CP-SAT; a box it does not finish is cut to a ``FEWER``-th."""
FEWER = 8
FIRST_SLICE_S = 3.0
LONGER = 3.0
HANDICAP = 0.25
"""Of the gap, by which a box that CP-SAT has not finished stands back for others, each time."""
ROUTING_S = 1.0
WHOLE = 1e-6
SLACK = 5e-7
"""Relative: what is not better by more is not looked for, and bounds give way by as much."""


@dataclass(order=True)
class Box:
    """Bounds on how many servers have each size or more.

    ``x`` is the relaxation's optimum there, once it is solved; ``basis`` where to start from.
    """

    rank: float = field(init=False)
    number: int
    bound: float = field(compare=False)
    lower: FloatArray = field(compare=False)
    upper: FloatArray = field(compare=False)
    basis: Any = field(default=None, compare=False)
    x: FloatArray | None = field(default=None, compare=False)
    most_sizes: float = field(default=MOST_SIZES, compare=False)
    pooled: bool = field(default=True, compare=False)
    tries: int = field(default=0, compare=False)


def solve(formulation: SizesFormulation, start: None, run: Run) -> Verdict:
    """Find the best plan below the formulation's cutoff, and prove that there is no better one."""
    search = Search(formulation, run)
    with contextlib.suppress(TimeoutError):
        search.go()
    bound = search.bound()
    if search.over():
        return Verdict("stopped", "interrupted" if run.stopped() else "time-limit", bound)
    nothing = formulation.exhaustive and not search.found
    return Verdict("searched", "completed", bound, infeasible=nothing)


class Search:
    """The boxes that are open, the best value so far, and the bound that follows."""

    def __init__(self, formulation: SizesFormulation, run: Run) -> None:
        self.formulation = formulation
        self.run = run
        self.best = formulation.cutoff
        self.found = False
        self._open: list[Box] = []
        self._at_work: Box | None = None
        self._improved_at = 0.0
        self._settled = np.inf
        self._number = itertools.count()
        arrays = formulation.pooled.arrays
        self._counts = np.concatenate(formulation.pooled.at_least)
        self._relaxation = Relaxation(arrays, self._counts, run.seed, run.left)
        self._ceilings: list[float] = []
        self._push(Box(0, 0.0, arrays.lower[self._counts], arrays.upper[self._counts]))

    def over(self) -> bool:
        """Return whether the run must end although boxes are open."""
        return self.run.stopped() or self.run.left() <= 0.0

    def bound(self) -> float:
        """Return what no plan is below."""
        at_work = [] if self._at_work is None else [self._at_work]
        boxes = [*self._open, *at_work]
        return min([self.best, self._settled, *(box.bound for box in boxes)]) * (1 - SLACK)

    def go(self) -> None:
        """Search until nothing is open, or time is up."""
        while not self.over():
            self.run.bound(self.bound())
            self._at_work = self._next()
            if self._at_work is None:
                return
            self._work_on(self._at_work)
            if not self.over():
                self._at_work = None

    def _push(self, box: Box) -> None:
        if box.bound < self.best * (1 - SLACK):
            box.rank = box.bound + HANDICAP * box.tries * (self.best - box.bound)
            heapq.heappush(self._open, box)

    def _next(self) -> Box | None:
        while self._open:
            box = heapq.heappop(self._open)
            if box.bound < self.best * (1 - SLACK):
                return box
        return None

    def _work_on(self, box: Box) -> None:
        if box.x is None:
            self._relax(box)
            return
        distance = np.abs(box.x - np.rint(box.x))
        if distance.max() > WHOLE:
            column = int(np.argmax(distance))
            other = self._cut(box, column, float(np.floor(box.x[column])), keep_below=True)
            self._relax(box)
            self._relax(other)
            return
        if box.pooled and self._sizes(box) > box.most_sizes:
            self._isolate(box, np.rint(box.x))
            box.tries = 0
            self._relax(box)
        elif not self._placed(box) and not self.over():
            box.tries += 1
            box.most_sizes = max(1.0, self._sizes(box) / FEWER)
            self._push(box)

    def _solved(self, lower: FloatArray, upper: FloatArray, basis: Any) -> Relaxed | None:
        """Solve the relaxation of a box."""
        pooled = self.formulation.pooled
        largest = pooled.largest(upper)
        ceilings = pooled.shapes.coefficients(largest)
        if ceilings != self._ceilings:
            self._ceilings = ceilings
            self._relaxation.become(pooled.shapes.within(pooled.arrays, largest))
        return self._relaxation.solve(lower, upper, self.best, basis)

    def _relax(self, box: Box) -> None:
        """Solve the box's relaxation, and push the box again unless nothing is left in it."""
        try:
            relaxed = self._solved(box.lower, box.upper, box.basis)
        except BackendError:
            self._halve(box)
            return
        if relaxed is None:
            return
        box.bound = max(box.bound, relaxed.value)
        box.x, box.basis = relaxed.x[self._counts], relaxed.basis
        self._push(box)

    def _halve(self, box: Box) -> None:
        """Go on without the relaxation, which HiGHS could not solve."""
        width = box.upper - box.lower
        column = int(np.argmax(width))
        if width[column] == 0.0:
            box.x = box.lower
        else:
            middle = float(np.floor((box.lower[column] + box.upper[column]) / 2))
            self._push(self._cut(box, column, middle, keep_below=True))
        self._push(box)

    def _cut(self, box: Box, column: int, value: float, *, keep_below: bool) -> Box:
        """Divide between ``value`` and ``value + 1``: one side stays, the other is returned."""
        other = Box(
            next(self._number), box.bound, box.lower.copy(), box.upper.copy(), basis=box.basis
        )
        below, above = (box, other) if keep_below else (other, box)
        below.upper, above.lower = below.upper.copy(), above.lower.copy()
        below.upper[column], above.lower[column] = value, value + 1.0
        for part in (box, other):
            self.formulation.propagate(part.lower, part.upper)
        return other

    def _isolate(self, box: Box, at: FloatArray) -> None:
        """Cut the box down around the sizes ``at``, until it holds few.

        First where the other side promises least, which a relaxation each tells.
        """
        cuts = list(self._edges(box, at))
        promises = [self._promise(box, *cut) for cut in cuts]
        for n in sorted(range(len(cuts)), key=lambda n: -promises[n]):
            column, value, keep_below = cuts[n]
            if self._sizes(box) <= box.most_sizes:
                break
            if box.lower[column] <= value < box.upper[column]:
                other = self._cut(box, column, value, keep_below=keep_below)
                other.bound = max(other.bound, promises[n])
                self._push(other)

    def _edges(self, box: Box, at: FloatArray) -> Iterator[tuple[int, float, bool]]:
        """Yield the cuts (column, value, keep below) that together leave the sizes ``at`` alone."""
        for columns in self.formulation.places:
            for column in columns:
                before = at[column - 1] if column > columns[0] else np.inf
                after = at[column + 1] if column < columns[-1] else 0.0
                if at[column] < before and at[column] < box.upper[column]:
                    yield int(column), float(at[column]), True
                if at[column] > after and at[column] > box.lower[column]:
                    yield int(column), float(at[column]) - 1.0, False

    def _promise(self, box: Box, column: int, value: float, keep_below: bool) -> float:
        """Return the relaxation's optimum on the other side of a cut."""
        lower, upper = box.lower.copy(), box.upper.copy()
        if keep_below:
            lower[column] = value + 1.0
        else:
            upper[column] = value
        try:
            relaxed = self._solved(lower, upper, box.basis)
        except BackendError:
            return box.bound
        return np.inf if relaxed is None else relaxed.value

    def _sizes(self, box: Box) -> float:
        return self.formulation.sizes_within(box.lower, box.upper)

    def _placed(self, box: Box) -> bool:
        """Give the box to CP-SAT; return whether nothing better than the best is left in it."""
        cutoff = self.best * (1 - SLACK)
        model = self.formulation.positions(box.lower, box.upper, cutoff, pooled=box.pooled)
        slice_s = FIRST_SLICE_S * LONGER**box.tries
        self._improved_at = time.perf_counter()
        run = replace(
            self.run,
            stopped=lambda: self.run.stopped() or time.perf_counter() > self._improved_at + slice_s,
            plan=lambda values: self._weigh(model.decode(values)),
            bound=lambda value: None,
        )
        verdict = cpsat.solve(model, None, run)
        if verdict.infeasible:
            return True
        if verdict.bound is not None:
            box.bound = max(box.bound, verdict.bound * model.unit / self.formulation.unit)
        if box.bound >= self.best * (1 - SLACK):
            return True
        if verdict.termination != "completed":
            return False
        if box.pooled:
            box.pooled = False  # the pool's optimum cannot be split among its servers
            self._push(box)
        else:  # costs are rounded or capped: its best plan may cost more, and stays its best
            self._settled = min(self._settled, box.bound)
        return True

    def _weigh(self, plan: Solution, *, again: bool = True) -> None:
        report = check(self.formulation.tables.instance, plan)
        if report.feasible and report.objective is not None:
            self.run.plan(plan)
            self.found = True
            value = report.objective / self.formulation.unit
            if value < self.best:
                self.best, self._improved_at = value, time.perf_counter()
        elif again:
            routed = self._routed(plan)
            if routed is not None:
                self._weigh(routed, again=False)

    def _routed(self, plan: Solution) -> Solution | None:
        """Return the plan with routes of its own: those of a pool overfill single servers."""
        tables = self.formulation.tables
        until = min(self.run.left(), ROUTING_S) + time.perf_counter()
        values: list[FloatArray] = []
        run = replace(
            self.run,
            threads=1,
            left=lambda: max(0.0, until - time.perf_counter()),
            plan=values.append,
            bound=lambda value: None,
        )
        unit = self.best * self.formulation.unit
        model = routing.build(tables.instance, placement=plan.placement, unit=unit)
        with contextlib.suppress(BackendError):
            highs.solve(model, None, run)
        return model.decode(values[-1]) if values else None
