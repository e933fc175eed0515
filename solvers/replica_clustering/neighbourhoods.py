"""`replica-clustering`: `packing-search` (ours), exact packing of one part of a plan after another.

A large neighbourhood search: some replicas of the plan and the unused devices are taken apart,
few enough that `packing` finds their best clustering for sure, roles included, while the other
replicas stay. On a plateau (the slower phase gains nothing) the other phase may gain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shardopt.models.errors import InputError
from shardopt.models.replica_clustering.data import Instance, Solution
from shardopt.models.replica_clustering.grouping import (
    Counts,
    Group,
    to_groups,
    to_solution,
)
from shardopt.models.replica_clustering.tables import FloatArray, IntArray, make_tables
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import checked_objective, finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.replica_clustering.packing import pack
from shardopt.solvers.replica_clustering.rates import (
    ROLES,
    RateModel,
    pair_count,
    rate_model,
    rate_sets,
    rate_states,
)

KERNELS = ("rate", "packing", "genetic")
FEW = 3
"""Replicas that a part has at least, as long as the work is below `MOST_WORK`."""
MOST_WORK = 3.0**13
LEAST_ROUNDS = 8
"""Rounds that must have brought nothing, besides one per replica and unused device."""
TIE = 1e-6
"""What a request/s more in the phase that is not the bottleneck is worth."""
MARGIN = 1e-12
"""Relative: what is better by less is a matter of rounding."""
TRIES = 20
"""Random orders of the devices in which replicas are looked for where packing finds none."""


def packing_search(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    devices: int = 9,
    descents: int = 2,
) -> Result:
    """Search by packing one part of the plan after another anew, anytime.

    Parameters
    ----------
    devices
        How many devices a part has: more where there are equal ones, for the same work, and
        where replicas are large. With one more, once that brings nothing.
    descents
        How often it starts anew, but for the first time without a plan.
    """
    for name, value, most in (("devices", devices, 16), ("descents", descents, 1_000_000)):
        if not 1 <= value <= most:
            raise InputError(str(value), f"an integer from 1 to {most}", name)
    compile_s = sum(compiled(f"replica_clustering.{k}_kernels")[1] for k in KERNELS)
    budget = Budget(time_limit, on_progress)
    with interruptible(budget):
        search = PackingSearch(rate_model(make_tables(instance)), budget, seed)
        search.offer(start)
        search.run(devices, descents)
    return finish(
        instance,
        "packing-search",
        budget,
        [search.best, start],
        compile_s=compile_s,
        extra={"rounds": search.rounds},
    )


@dataclass(frozen=True)
class Serving:
    """A replica of the plan at hand and its requests/s."""

    group: Group
    rate: float


class PackingSearch:
    """The plan at hand, a list of `Serving`; ``best`` is the best plan with its ``objective``."""

    def __init__(self, model: RateModel, budget: Budget, seed: int) -> None:
        self.model = model
        self.budget = budget
        self.rng = np.random.default_rng(seed)
        self.best: Solution | None = None
        self.objective = math.inf
        self.rounds = 0
        self.plan: list[Serving] = []

    def offer(self, solution: Solution | None) -> None:
        """Go on from a feasible plan if it is better than the best."""
        if solution is None:
            return
        objective = checked_objective(self.model.tables.instance, solution)
        if objective is not None and objective < self.objective:
            self.best, self.objective = solution, objective
            self.budget.report(objective, None)
            self.plan = self._serving(to_groups(self.model.tables, solution))

    def run(self, devices: int, descents: int, seconds: float = math.inf) -> None:
        """Descend until nothing is gained, or ``seconds`` or the budget end it."""
        until = self.budget.elapsed() + seconds
        works = [pair_count(np.ones(devices + more, dtype=np.int64)) for more in (0, 1)]
        for descent in range(descents):
            if descent > 0:
                self.plan = []
            for work in works:
                self._descend(work, until)
            if self._rate() == 0.0 and not self.budget.exhausted():
                self._collect()
                self._descend(works[-1], until)

    def _descend(self, work: float, until: float) -> None:
        """Take parts apart until as many as there are replicas have brought nothing."""
        since = 0
        while not self.budget.exhausted() and self.budget.elapsed() < until:
            part, rest = self._part(work)
            before = self._rate()
            if not self._pack(part, rest):
                return
            self.rounds += 1
            now = self._rate()
            since = 0 if now > before * (1 + MARGIN) else since + 1
            if now * self.objective > 1 + MARGIN:
                groups = [serving.group for serving in self.plan]
                self.offer(to_solution(self.model.tables, groups))
            items = len(self.plan) + int(self._unused().sum())
            whole = np.array_equal(part, self.model.available)
            if whole or since >= max(LEAST_ROUNDS, items):
                return

    def _part(self, work: float) -> tuple[IntArray, list[Serving]]:
        """Draw replicas and unused devices to take apart: counts by type, and what stays."""
        items: list[tuple[Serving | None, IntArray]] = [
            (serving, np.array(serving.group.count)) for serving in self.plan
        ]
        one = np.eye(self.model.type_count, dtype=np.int64)
        for i, unused in enumerate(self._unused().tolist()):
            items += [(None, one[i])] * unused
        part, rest, taken = 0 * one[0], [], 0
        for n in self.rng.permutation(len(items)).tolist():
            serving, count = items[n]
            if pair_count(part + count) <= (work if taken >= FEW else max(work, MOST_WORK)):
                part = part + count
                taken += serving is not None
            elif serving is not None:
                rest.append(serving)
        return part, rest

    def _pack(self, part: IntArray, rest: list[Serving]) -> bool:
        """Cluster the part as is best beside the rest; whether there was time for it."""
        kind = np.flatnonzero(part)
        rated = rate_states(self.model, self.budget, kind=kind, available=part[kind])
        packed = None if rated is None else pack(rated, self.budget)
        if rated is None or packed is None:
            return False
        _, state = packed.split(_sums(rest), TIE)
        self.plan = rest
        for role, states in enumerate(packed.parts(state)):
            rates = rated.rate[states, role].tolist()
            groups = rated.groups(states, role)
            self.plan += [Serving(g, rate) for g, rate in zip(groups, rates, strict=True)]
        return True

    def _collect(self) -> None:
        """Look for replicas of more devices than a part has.

        Devices join one after another, in random orders, until they can serve in some role; who
        serves in which is then for `assign`, as in the genetic algorithm.
        """
        kernels = compiled("replica_clustering.genetic_kernels")[0]
        types = self.model.type_of
        for _ in range(TRIES):
            sets, rates, batches = self._collected(types[self.rng.permutation(len(types))])
            roles = np.empty(len(sets), dtype=np.int64)
            prefill, decode = np.ascontiguousarray(rates.T)
            if kernels.assign(prefill, decode, np.arange(len(sets)), kernels.BEST, roles) > 0.0:
                groups = [
                    Group(ROLES[role], int(batches[n, role]), sets[n])
                    for n, role in enumerate(roles.tolist())
                    if role != kernels.UNUSED
                ]
                self.offer(to_solution(self.model.tables, groups))
                return

    def _collected(self, order: IntArray) -> tuple[list[Counts], FloatArray, IntArray]:
        """Return consecutive sets of an order that can serve, with rates and batches by role."""
        sets, rates, batches = [], [np.empty((0, 2))], [np.empty((0, 2), dtype=np.int64)]
        first = 0
        for last in range(1, len(order) + 1):
            if self.budget.exhausted():
                break
            one = np.unique(order[first:last], return_counts=True)
            rate, batch = rate_sets(self.model, [one], "best")
            if rate.any():
                count = np.bincount(order[first:last], minlength=self.model.type_count)
                sets.append(tuple(count.tolist()))
                rates.append(rate)
                batches.append(batch)
                first = last
        return sets, np.concatenate(rates), np.concatenate(batches)

    def _serving(self, groups: list[Group]) -> list[Serving]:
        """Return a plan's replicas with their rates, at their best batch."""
        counts = [np.array(g.count) for g in groups]
        sets = [(np.flatnonzero(count), count[count > 0]) for count in counts]
        rate, batch = rate_sets(self.model, sets, "best")
        return [
            Serving(Group(g.role, int(batch[n, role]), g.count), float(rate[n, role]))
            for n, g in enumerate(groups)
            for role in [ROLES.index(g.role)]
        ]

    def _unused(self) -> IntArray:
        used = np.sum([serving.group.count for serving in self.plan], axis=0, dtype=np.int64)
        unused: IntArray = self.model.available - used
        return unused

    def _rate(self) -> float:
        """Return lambda of the plan at hand."""
        return min(_sums(self.plan))


def _sums(plan: list[Serving]) -> tuple[float, float]:
    """Return the summed rates of prefill and of decode."""
    prefill, decode = (
        math.fsum(serving.rate for serving in plan if serving.group.role == role) for role in ROLES
    )
    return prefill, decode
