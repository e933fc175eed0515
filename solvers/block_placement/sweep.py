"""`cg-bp-sweep` (ours): `cg-bp` designed for fewer sessions, with exact routing of the true demand.

A design for fewer sessions hosts longer runs, so paths are shorter; that not all sessions fit on
the shortest path is for the routing to mend.
"""

from __future__ import annotations

import numpy as np

from shardopt.models.block_placement.data import Instance
from shardopt.models.block_placement.tables import IntArray, Tables, make_tables
from shardopt.models.errors import InputError
from shardopt.models.result import Result
from shardopt.solvers.block_placement.greedy_placement import (
    design,
    hostings,
    nothing_found,
    place,
    shortest_routes,
)
from shardopt.solvers.block_placement.routings import best_routing
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import checked_objective, finish

ALL_UP_TO = 200
GRID = 40


def cg_bp_sweep(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    grid: int | None = None,
) -> Result:
    """Return the best plan over the `cg-bp` placements for 1..R sessions, routed exactly.

    Parameters
    ----------
    grid
        How many numbers of sessions are tried, in geometric steps from 1 to R; by default all
        up to R = 200, and 40 beyond.
    """
    if grid is not None and grid < 1:
        raise InputError(str(grid), "an integer >= 1", "grid")
    budget = Budget(time_limit, on_progress)
    with interruptible(budget):
        tables = make_tables(instance)
        best, value, open_ = None, np.inf, []
        for runs in swept_placements(tables, grid, budget):
            plan = shortest_routes(tables, runs)
            if plan is None:
                continue
            reached = checked_objective(instance, plan)
            if reached is None:  # it needs more memory than there is: routes must be spread
                open_.append(hostings(instance, runs))
            elif reached < value:
                best, value = plan, reached
                budget.report(value, None)
    if best is None and not open_:
        return nothing_found(tables, "cg-bp-sweep", budget)
    if not open_ or budget.exhausted():
        return finish(instance, "cg-bp-sweep", budget, [best])
    return best_routing(
        instance,
        "cg-bp-sweep",
        budget,
        open_,
        known=best,
        seed=seed,
        threads=threads,
        memory_limit_bytes=memory_limit_bytes,
    )


def swept_placements(tables: Tables, grid: int | None, budget: Budget) -> list[IntArray]:
    """Return the distinct placements, for the most sessions first."""
    placements: dict[bytes, IntArray] = {}
    for sessions in design_grid(tables.instance.session_count, grid):
        if budget.exhausted():
            break
        plan = design(tables, sessions)
        if plan is not None:
            runs = place(plan, tables.block_count)
            placements.setdefault(runs.tobytes(), runs)
    return list(placements.values())


def design_grid(sessions: int, grid: int | None) -> list[int]:
    """Return the numbers of sessions to design for, the largest first."""
    if grid is None and sessions <= ALL_UP_TO:
        return list(range(sessions, 0, -1))
    steps = np.rint(np.geomspace(sessions, 1, GRID if grid is None else grid))
    return [int(step) for step in dict.fromkeys(steps)]
