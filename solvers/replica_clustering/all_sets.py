"""`replica-clustering`: `packing-dp` (ours), the dynamic programme over all sets of devices."""

from __future__ import annotations

import math

from shardopt.models.replica_clustering.bounds import additive_bound
from shardopt.models.replica_clustering.data import Instance, Solution
from shardopt.models.replica_clustering.grouping import to_solution
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.replica_clustering.neighbourhoods import KERNELS, PackingSearch
from shardopt.solvers.replica_clustering.packing import affordable, pack
from shardopt.solvers.replica_clustering.rates import pair_count, rate_model, rate_states

AT_ONCE = 1e8
"""Pairs (set, part of it) that take less than a second."""
SEARCH_SHARE = 0.05
"""Share of the time limit that packing-search may take where there are more."""


def packing_dp(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
) -> Result:
    """Solve exactly over all sets of devices.

    Ends with ``memory-limit`` before anything is allocated when the tables would not fit into
    ``memory_limit_bytes``, by default half of the free memory. At a limit the plan is that of a
    short packing-search, and the bound the additive one.
    """
    compile_s = sum(compiled(f"replica_clustering.{k}_kernels")[1] for k in KERNELS)
    budget = Budget(time_limit, on_progress)
    rate, infeasible = 0.0, False
    with interruptible(budget):
        model = rate_model(make_tables(instance))
        bound = additive_bound(model.tables)
        search = PackingSearch(model, budget, seed)
        search.offer(start)
        fits = affordable(model, memory_limit_bytes)
        if not fits or pair_count(model.available) > AT_ONCE:
            limit = 60.0 if time_limit is None else time_limit
            search.run(9, 1, SEARCH_SHARE * limit)
        rated = rate_states(model, budget) if fits else None
        packed = None if rated is None else pack(rated, budget)
        if packed is not None:
            rate, state = packed.split()
            infeasible = rate == 0.0
            if not infeasible:
                search.offer(to_solution(model.tables, packed.groups(state)))
    return finish(
        instance,
        "packing-dp",
        budget,
        [search.best, start],
        bound=bound if math.isfinite(bound) else None,
        exact_value=1.0 / rate if rate > 0.0 else None,
        infeasible=infeasible,
        termination=None if fits else "memory-limit",
        compile_s=compile_s,
    )
