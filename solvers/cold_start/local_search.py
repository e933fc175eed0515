"""`cold-start`: `order-search` (ours), local search over device orders.

For a fixed order the best subset and cuts are a DP over (device, blocks placed); the search
moves one device at a time. It ends typically 0-4% above the optimum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.tables import Tables, make_tables
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.cold_start.baselines import even_plan, harmonic_plan, stronger_first
from shardopt.solvers.cold_start.labels import IntArray, TypeModel, TypePlan, type_model
from shardopt.solvers.finish import checked_objective, finish
from shardopt.solvers.jit import compiled

NO_LIMIT = 2**62


def order_search(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    restarts: int = 10,
) -> Result:
    """Search over device orders, anytime.

    Parameters
    ----------
    restarts
        Descents from a perturbed best order, after those from the fixed starting orders.
    """
    _, compile_s = compiled("cold_start.kernels")
    budget = Budget(time_limit, on_progress)
    with interruptible(budget):
        tables = make_tables(instance)
        model = type_model(tables)
        search = OrderSearch(model, budget)
        for solution in (start, even_plan(tables), harmonic_plan(tables)):
            search.offer(solution)
        search.run(seed, restarts)
    return finish(instance, "order-search", budget, [search.best, start], compile_s=compile_s)


class OrderSearch:
    """The incumbent of a search and the orders it came from.

    ``best`` is the best plan so far and ``value`` its time (infinity without a plan). Every
    improvement is reported to the budget, beside ``bound``, which the caller may raise.
    """

    def __init__(self, model: TypeModel, budget: Budget) -> None:
        self.model = model
        self.budget = budget
        self.best: Solution | None = None
        self.value = float("inf")
        self.bound: float | None = None
        self._kernels: Any = compiled("cold_start.kernels")[0]
        orders = sum(len(group) for group in model.tables.types.members)
        self._table = np.empty((model.tables.block_count + 1, orders))

    def offer(self, solution: Solution | None) -> bool:
        """Take a feasible plan if it is better than the incumbent."""
        if solution is None:
            return False
        value = checked_objective(self.model.tables.instance, solution)
        if value is None or value >= self.value:
            return False
        self.best, self.value = solution, value
        self.budget.report(value, self.bound)
        return True

    def run(
        self,
        seed: int,
        restarts: int,
        seconds: float | None = None,
        evaluations: int = NO_LIMIT,
    ) -> None:
        """Descend from the starting orders, then from perturbed best orders.

        ``evaluations`` limits each descent; unlike ``seconds`` it leaves the run reproducible.
        """
        began = self.budget.elapsed()

        def left() -> float | None:
            return None if seconds is None else seconds - (self.budget.elapsed() - began)

        rng = np.random.default_rng(seed)
        best_order = None
        for order in [*self.starting_orders(), *[None] * restarts]:
            remaining = left()
            if self.budget.exhausted() or (remaining is not None and remaining <= 0):
                return
            if order is None:
                if best_order is None:
                    return
                order = perturbed(best_order, rng)
            before = self.value
            found = self.descend(order, remaining, evaluations)
            if best_order is None or self.value < before:
                best_order = found

    def descend(
        self, order: IntArray, seconds: float | None = None, evaluations: int = NO_LIMIT
    ) -> IntArray:
        """Run one descent and offer its plan; return the order it ended with."""
        order = order.copy()
        arrays, table, stop = self.model.arrays, self._table, self.budget.stop
        evaluate, descend = self._kernels.order_value, self._kernels.descend
        value = self.budget.call(evaluate, arrays, order, np.inf, table, stop, seconds=seconds)
        if np.isfinite(value):
            arguments = (arrays, order, value, evaluations, table, stop)
            value = self.budget.call(descend, *arguments, seconds=seconds)
            if value < self.value:
                self.offer(self._plan(order, value))
        return order

    def starting_orders(self) -> list[IntArray]:
        """Weakest first, slowest compute first (spec section 5), and that of the incumbent."""
        tables = self.model.tables
        type_of = tables.types.type_of
        weakest_first = type_of[stronger_first(tables)[::-1]]
        slowest_first = type_of[np.argsort(tables.compute, kind="stable")]
        orders = [weakest_first, slowest_first]
        if self.best is not None:
            orders.append(self.order_of(self.model.encode(self.best)))
        return orders

    def order_of(self, stages: TypePlan) -> IntArray:
        """Return an order of all devices that begins with the weakest unused ones.

        Repeats beyond a type's number (a relaxation's path) are dropped.
        """
        left = self.model.available.copy()
        used = []
        for e, _, _ in stages:
            if left[e] > 0:
                left[e] -= 1
                used.append(e)
        rest = []
        for e in self.model.tables.types.type_of[stronger_first(self.model.tables)[::-1]]:
            if left[e] > 0:
                left[e] -= 1
                rest.append(int(e))
        return np.array(rest + used, dtype=np.int64)

    def _plan(self, order: IntArray, value: float) -> Solution | None:
        """Return the plan of an order with a known value; its DP is run again, to the end."""
        idle = np.zeros(1, dtype=np.uint8)
        cutoff = np.nextafter(value, np.inf)
        self._kernels.order_value(self.model.arrays, order, cutoff, self._table, idle)
        stages = np.empty((len(order), 3), dtype=np.int64)
        count = self._kernels.order_stages(self.model.arrays, order, self._table, stages)
        if count == 0:
            return None
        return self.model.decode([(int(e), int(a), int(b)) for e, a, b in stages[:count][::-1]])


def perturbed(order: IntArray, rng: np.random.Generator) -> IntArray:
    """Return an order with about a fifth of its devices, at least two, moved to random places."""
    items = list(order)
    for _ in range(max(2, len(items) // 5)):
        item = items.pop(int(rng.integers(len(items))))
        items.insert(int(rng.integers(len(items) + 1)), item)
    return np.array(items, dtype=np.int64)


def quick_plan(tables: Tables, budget: Budget, seconds: float, seed: int = 0) -> Solution | None:
    """Return a good plan within a few seconds: baselines, then three descents."""
    search = OrderSearch(type_model(tables), budget)
    for solution in (even_plan(tables), harmonic_plan(tables)):
        search.offer(solution)
    search.run(seed, restarts=0, seconds=seconds)
    return search.best
