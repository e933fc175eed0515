"""`exact`: bounds and plans from cheap to dear, until they meet (spec section "Cheap bounds").

1. `cg-bp`, `chain` and the chain bound: milliseconds. Servers that no better plan uses are left
   out of all that follows, here and whenever a better plan is found.
2. The packing bound, and `placement-search`.
3. The linear relaxation of `boundary`: often the optimum where memory is loose.
4. `boundary` on the servers that are left, where those are half of all at most.
5. `placement-search` for longer, and `sizes`: the search over sizes, with constraint models for
   positions.
6. `runs`, pooled where servers are identical, with the best plan as its start.
7. `runs` with a column per server, where the pool's optimum cannot be split among its servers.
8. `boundary`, where `runs` is too large to be built.

Every step is given the best plan, and the best bound is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from shardopt.models.block_placement.bounds import chain_bound, too_few_blocks, within
from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.formulations import runs, sizes
from shardopt.models.block_placement.formulations.common import layout, to_solution
from shardopt.models.block_placement.tables import Tables, make_tables
from shardopt.models.result import (
    OPTIMALITY_TOLERANCE,
    AnySolution,
    Result,
    Termination,
    TracePoint,
    relative_gap,
)
from shardopt.solvers.backends.exact import Job
from shardopt.solvers.block_placement.chain_knapsack import chain
from shardopt.solvers.block_placement.exact_models import (
    FORMULATIONS,
    SIZE_SEARCH,
    solve_formulation,
)
from shardopt.solvers.block_placement.greedy_placement import cg_bp
from shardopt.solvers.block_placement.needed_servers import boundary_on, only
from shardopt.solvers.block_placement.placement_annealing import KERNELS, placement_search
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import checked_objective, finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.settings import Settings

PACKING_SHARE = 0.05
SEARCH_SHARE, SEARCH_ROUNDS = 0.2, 50
LONG_SEARCH_SHARE, LONG_SEARCH_ROUNDS = 0.2, 1000
"""What a short search and relaxations leave open is worth a longer one."""
RELAXATION_SHARE = 0.3
NEEDED_SHARE = 0.8
SIZES_SHARE = 0.4
SIZES_SHARE_OF_TWINS = 0.8
"""Where servers repeat, sizes are few, and decide."""


@dataclass
class State:
    """What is known while `exact` runs."""

    whole: Tables
    budget: Budget
    settings: Settings
    plan: AnySolution | None = None
    objective: float | None = None
    bound: float | None = None
    infeasible: bool = False
    termination: Termination = "completed"
    build_s: float = 0.0
    compile_s: float = 0.0
    faults: list[str] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tables = self.whole
        """Of the instance without needless servers: what is optimal there is so in the whole."""

    def closed(self) -> bool:
        """Return whether nothing is left to prove."""
        if self.infeasible:
            return True
        if self.objective is None or self.bound is None:
            return False
        gap = relative_gap(self.objective, self.bound)
        return self.bound >= self.objective or gap <= OPTIMALITY_TOLERANCE

    def know(self, plan: AnySolution | None, bound: float | None = None) -> None:
        """Keep what is better."""
        value = None if plan is None else checked_objective(self.whole.instance, plan)
        if value is not None and (self.objective is None or value < self.objective):
            self.plan, self.objective = plan, value
            self._leave_needless_out()
        if bound is not None and (self.bound is None or bound > self.bound):
            self.bound = bound
        self.budget.report(self.objective, self.bound)

    def _leave_needless_out(self) -> None:
        if not isinstance(self.plan, Solution) or self.objective is None:
            return
        tables = within(self.tables, self.objective)
        needed = tables.limit.any(axis=0)
        if needed.all():
            return
        # The plan may have runs on needless servers, but no sessions.
        used = layout(self.whole, self.plan)
        self.plan = to_solution(self.whole.instance, used.run, used.visits)
        self.tables = make_tables(only(tables.instance, list(np.flatnonzero(needed))))

    def take(self, name: str, result: Result, *, proves: bool = True) -> None:
        """Keep what a step found; ``proves`` unless it is a heuristic or solves a part."""
        self.infeasible |= proves and result.status == "infeasible"
        self.build_s += result.build_s
        self.termination = result.termination
        self.budget.interrupted |= result.termination == "interrupted"
        self.faults += result.faults
        self.know(result.solution, result.bound if proves else None)
        step = {"step": name, "objective": self.objective, "bound": self.bound}
        self.steps.append(step | {"t_s": self.budget.elapsed()})

    def left(self, share: float = 1.0) -> Settings:
        """Return the arguments of a step that may take a share of the run's time."""
        limit = self.settings.time_limit
        if limit is not None:
            limit = min(self.budget.left(), share * limit)

        def heard(point: TracePoint) -> None:
            better = self.objective is None or (
                point.objective is not None and point.objective < self.objective
            )
            value = point.objective if better else self.objective
            bounds = [b for b in (point.bound, self.bound) if b is not None]
            self.budget.report(value, max(bounds, default=None))

        return replace(self.settings, time_limit=limit, on_progress=heard)


def exact(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    presolve: bool = True,
) -> Result:
    """Prove the optimum by the cheapest means that do.

    ``extra["steps"]`` says what was known after each step.
    """
    budget = Budget(time_limit, on_progress)
    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    with interruptible(budget):
        state = State(make_tables(instance), budget, settings)
        state.know(start)
        for step in STEPS:
            if state.closed() or budget.exhausted():
                break
            step(state)
    return finish(
        instance,
        "exact",
        budget,
        [state.plan],
        bound=state.bound,
        infeasible=state.infeasible,
        termination="completed" if state.closed() else budget.reason(state.termination),
        build_s=state.build_s,
        compile_s=state.compile_s,
        faults=list(dict.fromkeys(state.faults)),
        extra={"steps": state.steps},
    )


def _at_once(state: State) -> None:
    instance = state.tables.instance
    if too_few_blocks(state.tables):
        state.infeasible = True
        return
    state.know(None, chain_bound(state.tables))
    for name, heuristic in (("cg-bp", cg_bp), ("chain", chain)):
        state.take(name, heuristic(instance), proves=False)


def _packing(state: State) -> None:
    _step(state, "packing", "packing", PACKING_SHARE)


def _search(state: State) -> None:
    compile_s = compiled(KERNELS)[1]
    state.compile_s += compile_s
    state.budget.excuse(compile_s)
    _search_for(state, SEARCH_SHARE, SEARCH_ROUNDS)


def _search_longer(state: State) -> None:
    _search_for(state, LONG_SEARCH_SHARE, LONG_SEARCH_ROUNDS)


def _search_for(state: State, share: float, rounds: int) -> None:
    run = state.left(share)
    start = state.plan if isinstance(state.plan, Solution) else None
    result = placement_search(
        state.tables.instance,
        time_limit=run.time_limit,
        seed=(run.seed + len(state.steps)) % 2**31,  # other draws each time
        threads=run.threads,
        start=start,
        on_progress=run.on_progress,
        memory_limit_bytes=run.memory_limit_bytes,
        rounds=rounds,
    )
    state.take("placement-search", result, proves=False)


def _boundary_lp(state: State) -> None:
    _step(state, "boundary-lp", "boundary", RELAXATION_SHARE, relaxed=True)


def _needed(state: State) -> None:
    """Few servers are left where memory is loose: for them, `boundary` is small."""
    if 2 * state.tables.server_count <= state.whole.server_count:
        result = boundary_on(state.tables.instance, state.left(NEEDED_SHARE), state.plan)
        state.take("needed-servers", result)


def _sizes(state: State) -> None:
    if not sizes.fits(state.tables):
        return
    twins = any(len(members) > 1 for members in state.tables.types.members)
    job = Job(
        state.tables.instance,
        f"{FORMULATIONS}.sizes:build",
        SIZE_SEARCH,
        {"cutoff": state.objective},
    )
    run = state.left(SIZES_SHARE_OF_TWINS if twins else SIZES_SHARE)
    state.take("sizes", solve_formulation(job, "exact", run, [state.plan], state.bound))


def _runs_pooled(state: State) -> None:
    if any(len(members) > 1 for members in state.tables.types.members) and runs.fits(state.tables):
        _step(state, "runs-pooled", "runs", pooled=True)


def _runs(state: State) -> None:
    if runs.fits(state.tables):
        _step(state, "runs", "runs")


def _boundary(state: State) -> None:
    _step(state, "boundary", "boundary")


def _step(state: State, name: str, formulation: str, share: float = 1.0, **options: Any) -> None:
    """Solve a formulation with HiGHS; one without plans of its own is given no start."""
    if formulation != "packing":
        options["objective"] = state.objective
    job = Job(state.tables.instance, f"{FORMULATIONS}.{formulation}:build", "highs", options)
    plan = None if formulation == "packing" or options.get("relaxed") else state.plan
    state.take(name, solve_formulation(job, "exact", state.left(share), [plan], state.bound))


STEPS = (
    _at_once,
    _packing,
    _search,
    _boundary_lp,
    _needed,
    _search_longer,
    _sizes,
    _runs_pooled,
    _runs,
    _boundary,
)
