"""`replica-clustering`: column generation behind `columns/price` (ours, spec section 5.3).

The adapter ``shardopt.solvers.replica_clustering.column_generation``, in a process of its own:

1. Solve the relaxation of `columns` over the sets that are known. Its duals say what a device
   costs and what a request/s is worth.
2. Look for sets of larger worth than cost. Each round proves a bound, and none is left when
   lambda of the relaxation is known: ``top``.
3. Solve `columns` over the sets that were found, for a good plan.
4. A set whose worth falls short of its cost by more than ``top`` less that plan's lambda is in no
   better plan. List all others and solve `columns` over them: its optimum is the optimum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from shardopt.models.formulation import SearchFormulation, TooLargeError
from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.data import Instance, Solution
from shardopt.models.replica_clustering.formulations import columns
from shardopt.models.replica_clustering.formulations.columns import LAMBDA, Columns
from shardopt.models.replica_clustering.grouping import to_groups
from shardopt.models.replica_clustering.tables import IntArray, make_tables
from shardopt.solvers.backends import highs
from shardopt.solvers.backends.contract import Run, Verdict
from shardopt.solvers.replica_clustering.master import Pool, Relaxation
from shardopt.solvers.replica_clustering.modes import Prices, Pricing
from shardopt.solvers.replica_clustering.rates import ROLES, rate_model

CLOSED = 1e-9
"""Relative: a bound so near to a plan proves it."""
MOST_LISTED = 300_000
"""Sets in the last model; more are not solved in sensible time."""
MOST_NUMBERS = 2e8
"""Numbers in all that is looked up for pricing."""
MASTER_SHARE = 0.25
"""Share of the time left that the model over the sets found may take."""


@dataclass(frozen=True)
class PricingFormulation(SearchFormulation):
    """An instance, the best plan that is known, and a bound on lambda (``most``)."""

    instance: Instance
    plan: Solution | None
    objective: float
    most: float
    unit: float = 1.0
    cutoff: float = np.inf
    offset: float = 0.0

    def decode(self, plan: Solution) -> Solution:
        """Return the plan: the search reports plans and not values."""
        return plan


def build(
    instance: Instance, *, plan: Solution | None, objective: float, most: float
) -> PricingFormulation:
    """Wrap what is known.

    Parameters
    ----------
    plan, objective
        The best known plan; infinite without one.
    most
        A bound on lambda.
    """
    tables = make_tables(instance)
    devices, blocks = float(tables.device_count), float(tables.block_count)
    per_block = max(min(devices, blocks), 1.0 + tables.max_batch)  # in the table, of the times
    if 2.0 * per_block * devices * blocks > MOST_NUMBERS:
        raise TooLargeError("the tables for pricing would not fit into memory")
    return PricingFormulation(instance, plan, objective, most)


def solve(formulation: PricingFormulation, start: None, run: Run) -> Verdict:
    """Find the best plan, and prove that there is no better one."""
    search = Search(formulation, run)
    ended = search.go()
    bound = search.bound()
    if ended == "too many":
        return Verdict("too many sets", "memory-limit", bound)
    if ended == "stopped":
        return Verdict("stopped", "interrupted" if run.stopped() else "time-limit", bound)
    return Verdict("searched", "completed", bound, infeasible=ended == "infeasible")


class Search:
    """What is known: the best plan and its lambda (``rate``), and a bound on lambda (``top``)."""

    def __init__(self, formulation: PricingFormulation, run: Run) -> None:
        self.run = run
        self.model = rate_model(make_tables(formulation.instance))
        self.plan = formulation.plan
        self.rate = 1.0 / formulation.objective
        self.top = formulation.most
        self._about = self.rate if self.plan is not None else self.top
        self._scale = LAMBDA / self._about
        self._pool = Pool(self.model)
        self._relaxation = Relaxation(self.model, self._scale, run.seed)
        self._pricing = Pricing(self.model)

    def over(self) -> bool:
        """Return whether the run must end."""
        return self.run.stopped() or self.run.left() <= 0.0

    def bound(self) -> float:
        """Return what no objective is below."""
        top = max(self.top, self.rate)
        return 1.0 / top if top > 0.0 else math.inf

    def go(self) -> str:
        """Run the four steps; return ``proven``, ``infeasible``, ``stopped`` or ``too many``."""
        self._seed()
        prices = self._generate()
        if prices is None:
            return "stopped"
        if not self._closed():
            left = self.run.left()
            spare_s = left * (1 - MASTER_SHARE) if math.isfinite(left) else 0.0
            self._solve(self._pool.columns(), spare_s=spare_s)
        if self._closed():
            return "proven"
        rest = self._rest(prices)
        if rest is None:
            return "stopped" if self.over() else "too many"
        if not self._solve(rest, proves=True):
            return "stopped"
        return "proven" if self.plan is not None else "infeasible"

    def _closed(self) -> bool:
        return self.plan is not None and self.top <= self.rate * (1 + CLOSED)

    def _seed(self) -> None:
        """Start with the plan's sets and every device alone."""
        if self.plan is not None:
            for group in to_groups(self.model.tables, self.plan):
                self._add(ROLES.index(group.role), np.array([group.count]))
        for role in (0, 1):
            self._add(role, np.eye(self.model.type_count, dtype=np.int64))

    def _add(self, role: int, counts: IntArray) -> int:
        new = self._pool.add(role, counts)
        for count, rate in new:
            if rate > 0.0:
                self._relaxation.add(role, count, rate)
        return len(new)

    def _generate(self) -> Prices | None:
        """Add columns until the relaxation knows its optimum; ``None`` when time is up."""
        while not self.over():
            prices = self._relaxation.solve()
            worth, added = self._price(prices)
            if added == 0 and worth > 0.0 and not self.model.tables.uniform:
                # Values are over-estimates, and the best of them is known: rate all that are left.
                listed = self._list(prices, 0.0)
                if listed is not None:
                    worth, added = self._rated(listed.columns(), prices)
            if self.over():
                return None
            self._prove(prices, worth)
            if added == 0:
                return prices
        return None

    def _price(self, prices: Prices) -> tuple[float, int]:
        """Add the best set of each mode; return the largest value per device, and their number."""
        best: dict[tuple[int, int], float] = {}
        added = 0
        for mode in self._pricing.modes:
            if self.over():
                break
            above = best.get((mode.role, mode.stages), 0.0)
            value, counts = self._pricing.best(mode, prices, above)
            best[mode.role, mode.stages] = value
            if counts is not None:
                added += self._add(mode.role, counts[None, :])
        worth = max((value / stages for (_, stages), value in best.items()), default=0.0)
        return worth, added

    def _prove(self, prices: Prices, worth: float) -> None:
        """Lower the bound: no device is worth more than it costs and ``worth``."""
        available = self.model.available
        top = float(available @ prices.cost) + float(available.sum()) * worth
        self.top = min(self.top, top / self._scale)
        self.run.bound(self.bound())

    def _rated(self, listed: Columns, prices: Prices) -> tuple[float, int]:
        """Add what is truly worth its cost; return as `_price`."""
        values = prices.values(listed.role, listed.rate, listed.count)
        worthy = listed.take(values >= 0.0)
        added = sum(self._add(r, worthy.count[worthy.role == r]) for r in (0, 1))
        return float((values / listed.count.sum(axis=1)).max(initial=0.0)), added

    def _list(self, prices: Prices, short: float) -> Pool | None:
        """List all sets that may be worth their cost less ``short``; ``None``: too many."""
        listed = Pool(self.model)
        for mode in self._pricing.modes:
            for counts in self._pricing.listed(mode, prices, -short, MOST_LISTED):
                if counts is None or self.over() or listed.size > MOST_LISTED:
                    return None
                listed.add(mode.role, counts)
        return listed

    def _rest(self, prices: Prices) -> Columns | None:
        """Return all sets that can be in a better plan, and those of the best plan."""
        short = self._scale * (self.top - self.rate) + CLOSED * LAMBDA
        listed = self._list(prices, short)
        if listed is None:
            return None
        groups = [] if self.plan is None else to_groups(self.model.tables, self.plan)
        for group in groups:
            listed.add(ROLES.index(group.role), np.array([group.count]))
        found = listed.columns()
        values = prices.values(found.role, found.rate, found.count)
        return found.take((values >= -short) | (found.times(groups) > 0))

    def _solve(self, chosen: Columns, *, spare_s: float = 0.0, proves: bool = False) -> bool:
        """Solve `columns` over some sets and return whether that came to its end.

        Parameters
        ----------
        spare_s
            Seconds to leave.
        proves
            Whether all better plans are made of these sets, so that bounds are bounds.
        """
        instance, top = self.model.tables.instance, max(self.top, self.rate)
        model = columns.build(instance, columns=chosen, rate=self._about, most=top)

        def heard(bound: float) -> None:
            if proves:
                self.top = min(self.top, max(-bound / model.unit, self.rate))
                self.run.bound(self.bound())

        run = replace(
            self.run,
            left=lambda: max(0.0, self.run.left() - spare_s),
            plan=lambda values: self._weigh(model.decode(values)),
            bound=heard,
        )
        start = None if self.plan is None else model.encode(self.plan)
        verdict = highs.solve(model, start, run)
        if verdict.bound is not None and not verdict.infeasible:
            heard(verdict.bound)
        return verdict.termination == "completed"

    def _weigh(self, plan: Solution) -> None:
        """Tell of a plan, and keep it if it is better."""
        self.run.plan(plan)
        report = check(self.model.tables.instance, plan)
        if report.feasible and report.objective is not None:
            rate = 1.0 / report.objective
            self.plan, self.rate = max((self.plan, self.rate), (plan, rate), key=lambda p: p[1])
