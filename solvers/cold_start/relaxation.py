"""`cold-start`: `dssr` (ours), decremental state-space relaxation; the alias `exact`.

The DP of the paper over device subsets is relaxed: only *critical* types of devices are counted,
the others may be used too often. Its optimum is a proven lower bound. As long as its path uses a
type too often, that type becomes critical. From vehicle routing: Christofides, Mingozzi and Toth
(1981); Boland, Dethridge and Dumitrescu (2006); Righini and Salani (2008). Spec section 4.7.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shardopt.models.cold_start.bounds import lower_bound
from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.tables import Tables, make_tables
from shardopt.models.result import Result, Termination
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.cold_start.baselines import even_plan, harmonic_plan
from shardopt.solvers.cold_start.feasibility import farthest_plan
from shardopt.solvers.cold_start.labels import (
    RELATIVE_MARGIN,
    FloatArray,
    IntArray,
    StateSpace,
    TypeModel,
    TypePlan,
    largest_run,
    memory_allowance,
    state_space,
    type_model,
)
from shardopt.solvers.cold_start.local_search import OrderSearch
from shardopt.solvers.finish import finish
from shardopt.solvers.jit import compiled

SEARCH_SHARE = 0.1
"""Share of the time limit that order-search may take for the first upper bound."""

FIRST_EVALUATIONS = 10
"""Orders that each of its first descents may look at, per device."""

OUT_OF_SLABS = 2
"""What the forward kernel returns when its memory is used up."""


@dataclass
class Round:
    """One relaxation: labels by state, its optimum (a proven bound) and the path behind it.

    Labels of state ``q`` stand in ``value[slab[q], cut, last type]``; ``slab[q]`` is -1 for
    states that were not reached.
    """

    space: StateSpace
    slab: IntArray
    value: FloatArray
    bound: float
    path: TypePlan


@dataclass
class Deadlines:
    """Latest finishes that can still meet the upper bound, laid out as in `Round`."""

    space: StateSpace
    slab: IntArray
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
    result = relax(instance, "dssr", budget, seed, start, memory_limit_bytes)
    return replace(result, compile_s=compile_s)


def relax(
    instance: Instance,
    solver: str,
    budget: Budget,
    seed: int,
    start: Solution | None,
    memory_limit_bytes: float | None,
    all_at_once: bool = False,
) -> Result:
    """Run `Dssr` and make its result."""
    with interruptible(budget):
        run = Dssr(make_tables(instance), budget, memory_allowance(memory_limit_bytes))
        run.solve(seed, start, all_at_once)
    return finish(
        instance,
        solver,
        budget,
        [run.search.best, start],
        bound=run.bound,
        exact_value=run.optimum,
        infeasible=run.infeasible,
        termination=run.termination,
        extra={"rounds": run.rounds},
    )


class Dssr:
    """The state of a run: incumbent, bound, critical types."""

    def __init__(self, tables: Tables, budget: Budget, memory_bytes: float) -> None:
        self.tables = tables
        self.budget = budget
        self.memory_bytes = memory_bytes
        self.model: TypeModel = type_model(tables)
        self.search = OrderSearch(self.model, budget)
        self.bound: float = lower_bound(tables.instance)
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
            # As many orders as there are states: the search never costs more than the rounds.
            order = self.search.order_of(current.path)
            self.search.descend(order, evaluations=int(current.slab.max()))
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
            evaluations = FIRST_EVALUATIONS * self.tables.device_count
            self.search.run(seed, restarts=0, seconds=seconds, evaluations=evaluations)

    def _no_deadlines(self) -> Deadlines:
        shape = (1, self.tables.block_count + 1, self.model.type_count)
        space = state_space(self.model.available, ())
        return Deadlines(space, np.zeros(1, dtype=np.int64), np.full(shape, np.inf))

    def _relax(self, critical: list[int], deadlines: Deadlines) -> Round | None:
        """Step 3: the forward DP. ``None`` when a limit was reached."""
        space = state_space(self.model.available, critical)
        slab_shape = (self.tables.block_count + 1, self.model.type_count)
        slab_bytes = 8 * slab_shape[0] * slab_shape[1]
        # A third each for this round's labels, its deadlines, and the deadlines of the last.
        slabs = min(space.size, int((self.memory_bytes - 8 * space.size) / 3 / slab_bytes))
        if slabs < 1:
            self.termination = "memory-limit"
            return None
        slab = np.full(space.size, -1, dtype=np.int64)
        value = np.empty((slabs, *slab_shape))  # untouched pages cost no memory
        ended = self.budget.call(
            self._kernels.forward,
            self.model.arrays,
            self.model.available,
            space.place,
            largest_run(self.model),
            deadlines.space.place,
            deadlines.slab,
            deadlines.latest,
            self.search.value,
            self._margin(),
            slab,
            value,
            self.budget.stop,
        )
        if ended == OUT_OF_SLABS:
            self.termination = "memory-limit"
        if ended:
            return None
        reached = value[: slab.max() + 1]
        bound, path = float(reached[:, -1, :].min()), self._path(space, slab, value)
        self.rounds.append(
            {
                "critical_types": len(critical),
                "states": len(reached),
                "bound": min(bound, self.search.value),
            }
        )
        return Round(space, slab, reached, bound, path)

    def _settled(self, current: Round) -> bool:
        """Step 4, raise the bound; whether the incumbent is proven optimal (or nothing exists)."""
        if not current.path:
            # Nothing at or below the incumbent survived, not even the incumbent itself.
            self.optimum = self.search.value if self.search.best is not None else None
            self.infeasible = self.search.best is None
            return True
        self.bound = max(self.bound, current.bound)
        self.search.bound = min(self.bound, self.search.value)
        self.budget.report(self.search.value if self.search.best else None, self.search.bound)
        if current.bound >= self.search.value * (1 - RELATIVE_MARGIN):
            self.optimum = self.search.value
            return True
        return False

    def _tighten(self, current: Round) -> Deadlines | None:
        """Step 5: the backward DP. ``None`` when a limit was reached."""
        latest = np.empty_like(current.value)
        stopped = self.budget.call(
            self._kernels.backward,
            self.model.arrays,
            self.model.available,
            current.space.place,
            current.slab,
            current.value,
            self.search.value,
            self._margin(),
            latest,
            self.budget.stop,
        )
        return None if stopped else Deadlines(current.space, current.slab, latest)

    def _path(self, space: StateSpace, slab: IntArray, value: FloatArray) -> TypePlan:
        stages = np.empty((self.tables.block_count, 3), dtype=np.int64)
        arguments = (self.model.arrays, self.model.available, space.place, slab, value, stages)
        count = self._kernels.trace_back(*arguments)
        return [(int(e), int(a), int(b)) for e, a, b in stages[:count][::-1]]

    def _overused(self, path: TypePlan) -> set[int]:
        used = np.bincount([e for e, _, _ in path], minlength=self.model.type_count)
        return {int(e) for e in np.flatnonzero(used > self.model.available)}

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
