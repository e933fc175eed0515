"""`cold-start`: `dssr` (ours), decremental state-space relaxation; the alias `exact`.

The DP of the paper over device subsets is relaxed: only *critical* types of devices are counted,
the others may be used too often. Its optimum is a proven lower bound. As long as its path uses a
type too often, that type becomes critical. From vehicle routing: Christofides, Mingozzi and Toth
(1981); Boland, Dethridge and Dumitrescu (2006); Righini and Salani (2008). Spec section 4.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shardopt.models.cold_start.bounds import work_bound
from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.tables import Tables, make_tables
from shardopt.models.result import Result, Termination
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.cold_start.baselines import even_plan, harmonic_plan
from shardopt.solvers.cold_start.feasibility import farthest_plan
from shardopt.solvers.cold_start.labels import (
    RELATIVE_MARGIN,
    FloatArray,
    StateSpace,
    TypeModel,
    TypePlan,
    memory_allowance,
    need,
    projection,
    state_count,
    state_space,
    table_bytes,
    type_model,
)
from shardopt.solvers.cold_start.local_search import OrderSearch
from shardopt.solvers.finish import finish
from shardopt.solvers.jit import compiled

SEARCH_SHARE = 0.1
"""Share of the time limit that order-search may take for the first upper bound."""


@dataclass
class Round:
    """One relaxation: its critical types, labels and least path."""

    space: StateSpace
    value: FloatArray
    bound: float
    path: TypePlan


@dataclass
class Deadlines:
    """Latest finishes per state of a space that can still meet the upper bound."""

    space: StateSpace
    latest: FloatArray


def dssr(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
) -> Result:
    """Solve exactly; at a limit, return the incumbent and the last round's bound.

    ``extra["rounds"]`` lists (critical types, states, bound) per round.
    """
    _, compile_s = compiled("cold_start.kernels")
    budget = Budget(time_limit, on_progress)
    with interruptible(budget):
        run = Dssr(make_tables(instance), budget, memory_allowance(memory_limit_bytes))
        run.solve(seed, start)
    return finish(
        instance,
        "dssr",
        budget,
        [run.search.best, start],
        bound=run.bound,
        exact_value=run.optimum,
        infeasible=run.infeasible,
        termination=run.termination,
        extra={"rounds": run.rounds, "compile_s": compile_s},
    )


class Dssr:
    """The state of a run: incumbent, bound, critical types."""

    def __init__(self, tables: Tables, budget: Budget, memory_bytes: float) -> None:
        self.tables = tables
        self.budget = budget
        self.memory_bytes = memory_bytes
        self.model: TypeModel = type_model(tables)
        self.search = OrderSearch(self.model, budget)
        self.bound: float = work_bound(tables.instance)
        self.optimum: float | None = None
        self.infeasible = False
        self.termination: Termination | None = None
        self.rounds: list[dict[str, Any]] = []
        self._kernels: Any = compiled("cold_start.kernels")[0]

    def solve(self, seed: int, start: Solution | None, all_at_once: bool = False) -> None:
        """Run the five steps of spec section 4.7.

        With ``all_at_once`` every type becomes critical in the second round, whose relaxation
        is then the exact DP over counts.
        """
        self.search.bound = self.bound
        self._first_plans(seed, start)
        if self.infeasible:
            return
        critical: set[int] = set()
        deadlines = self._no_deadlines()
        while not self.budget.exhausted():
            current = self._relax(sorted(critical), deadlines)
            if current is None:
                return
            if self._settled(current):
                return
            overused = self._overused(current.path)
            if not overused:
                self.search.offer(self.model.decode(current.path))
                self.optimum = current.bound
                return
            self.search.descend(self.search.order_of(current.path))
            tightened = self._tighten(current)
            if tightened is None:
                return
            deadlines = tightened
            critical |= set(range(self.model.type_count)) if all_at_once else overused

    def _first_plans(self, seed: int, start: Solution | None) -> None:
        """Steps 1 and 2: an incumbent, or a proof that no plan exists."""
        for solution in (start, even_plan(self.tables), harmonic_plan(self.tables)):
            self.search.offer(solution)
        if self.search.best is None:
            found = farthest_plan(self.model, self.budget, self.memory_bytes)
            if found is not None:
                self.infeasible = found.farthest < self.tables.block_count
                self.search.offer(found.plan)
        if not self.infeasible:
            limit = self.budget.time_limit
            seconds = None if limit is None else SEARCH_SHARE * limit
            self.search.run(seed, restarts=0, seconds=seconds)

    def _no_deadlines(self) -> Deadlines:
        space = state_space(self.model.available, ())
        shape = (1, self.tables.block_count + 1, self.model.type_count)
        return Deadlines(space, np.full(shape, np.inf))

    def _relax(self, critical: list[int], deadlines: Deadlines) -> Round | None:
        """Step 3: the forward DP. ``None`` when a limit was reached."""
        states = state_count(self.model.available, critical)
        shape = (states, self.tables.block_count + 1, self.model.type_count)
        # This round's labels and deadlines, beside the deadlines of the round before.
        if 2 * table_bytes(states, shape[2], shape[1] - 1) > self.memory_bytes:
            self.termination = "memory-limit"
            return None
        space = state_space(self.model.available, critical)
        value = np.empty(shape)
        stopped = self.budget.call(
            self._kernels.fill, value, np.inf, self.budget.stop
        ) or self.budget.call(
            self._kernels.forward,
            self.model.arrays,
            self.model.available,
            space.place,
            space.digits,
            need(self.model, space),
            projection(space, deadlines.space),
            deadlines.latest,
            self.search.value,
            self._margin(),
            value,
            self.budget.stop,
        )
        if stopped:
            return None
        path = self._path(space, value)
        bound = float(value[:, -1, :].min())
        self.rounds.append(
            {"critical_types": len(critical), "states": states, "bound": min(bound, self._upper())}
        )
        return Round(space, value, bound, path)

    def _settled(self, current: Round) -> bool:
        """Step 4, raise the bound; whether the incumbent is proven optimal (or nothing exists)."""
        if not current.path:
            # Nothing at or below the incumbent survived, not even the incumbent itself.
            self.optimum = self.search.value if self.search.best is not None else None
            self.infeasible = self.search.best is None
            return True
        self.bound = max(self.bound, current.bound)
        self.search.bound = min(self.bound, self._upper())
        self.budget.report(self.search.value if self.search.best else None, self.search.bound)
        if current.bound >= self.search.value * (1 - RELATIVE_MARGIN):
            self.optimum = self.search.value
            return True
        return False

    def _tighten(self, current: Round) -> Deadlines | None:
        """Step 5: the backward DP. ``None`` when a limit was reached."""
        latest = np.empty_like(current.value)
        stopped = self.budget.call(
            self._kernels.fill, latest, -np.inf, self.budget.stop
        ) or self.budget.call(
            self._kernels.backward,
            self.model.arrays,
            self.model.available,
            current.space.place,
            current.space.digits,
            current.value,
            self.search.value,
            self._margin(),
            latest,
            self.budget.stop,
        )
        return None if stopped else Deadlines(current.space, latest)

    def _path(self, space: StateSpace, value: FloatArray) -> TypePlan:
        stages = np.empty((self.tables.block_count, 3), dtype=np.int64)
        count = self._kernels.trace_back(
            self.model.arrays, self.model.available, space.place, value, stages
        )
        return [(int(e), int(a), int(b)) for e, a, b in stages[:count][::-1]]

    def _overused(self, path: TypePlan) -> set[int]:
        used = np.bincount([e for e, _, _ in path], minlength=self.model.type_count)
        return {int(e) for e in np.flatnonzero(used > self.model.available)}

    def _upper(self) -> float:
        return self.search.value

    def _margin(self) -> float:
        return RELATIVE_MARGIN * self.search.value if self.search.best is not None else 0.0


def relaxed_bound(tables: Tables, budget: Budget) -> float:
    """Return the polynomial **relaxed bound**: the first round, in which nothing is critical.

    A proven lower bound, O(K^2 L^2) at worst; if time runs out, the bound by work alone. Not
    finite when no plan exists at all.
    """
    run = Dssr(tables, budget, memory_allowance(None))
    first = run._relax([], run._no_deadlines())
    return run.bound if first is None else max(run.bound, first.bound)
