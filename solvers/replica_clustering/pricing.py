"""`replica-clustering`: `columns/price` and `exact` (both ours, spec sections 5.3 and 5.6)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

from shardopt.models.replica_clustering.data import Instance, Solution
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.models.result import Result
from shardopt.solvers.backends.exact import Job
from shardopt.solvers.budget import OnProgress, on_clock
from shardopt.solvers.jit import compiled
from shardopt.solvers.replica_clustering.all_sets import packing_dp
from shardopt.solvers.replica_clustering.exact_models import Known, solve_known
from shardopt.solvers.replica_clustering.packing import affordable
from shardopt.solvers.replica_clustering.rates import pair_count, rate_model, state_count
from shardopt.solvers.settings import Settings

COLUMN_GENERATION = "shardopt.solvers.replica_clustering.column_generation"

MOST_PAIRS = 4e9
"""Pairs (set, part of it) that `packing-dp` may look at in `exact`."""
SOON_S = 2.0
"""Seconds that `columns/price` needs for a try."""
TRY_SHARE = 0.25
"""Of the seconds of `packing-dp` that this try may take."""
PAIRS_PER_S, STATES_PER_S = 2e8, 1e5
"""What `packing-dp` does at least, on a slow machine."""


def price(
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
    """Solve our MILP over sets of devices with only the sets that can be in a better plan.

    They are found by column generation. Where they are too many, ends with ``memory-limit``, a
    good plan and the bound of the relaxation.
    """

    def job(known: Known) -> Job:
        options = {
            "plan": known.plan,
            "objective": known.objective,
            "most": known.scale["most"],
        }
        return Job(instance, f"{COLUMN_GENERATION}:build", COLUMN_GENERATION, options)

    _, compile_s = compiled("replica_clustering.pricing_kernels")  # here, not in each worker
    settings = Settings(time_limit, seed, threads, on_progress, memory_limit_bytes, presolve)
    result = solve_known(instance, "columns/price", job, settings, start)
    return replace(result, compile_s=result.compile_s + compile_s)


def exact(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
) -> Result:
    """Solve by `packing-dp` where that is affordable, else by `columns/price`.

    Where `packing-dp` takes a while, `columns/price` has a short try before it.
    ``extra["method"]`` says by which the answer is.
    """
    model = rate_model(make_tables(instance))
    pairs, states = pair_count(model.available), state_count(model.available)
    seconds = pairs / PAIRS_PER_S + states / STATES_PER_S
    limit = math.inf if time_limit is None else time_limit
    by_packing = pairs <= MOST_PAIRS and seconds <= limit and affordable(model, memory_limit_bytes)
    for_price = min(TRY_SHARE * seconds, limit - seconds) if by_packing else limit
    tried: Result | None = None
    if not by_packing or (for_price > SOON_S):
        tried = price(
            instance,
            time_limit=for_price if math.isfinite(for_price) else None,
            seed=seed,
            threads=threads,
            start=start,
            on_progress=on_progress,
            memory_limit_bytes=memory_limit_bytes,
        )
        proven = tried.status in ("optimal", "infeasible")
        if proven or not by_packing or tried.termination == "interrupted":
            return _by(tried)
    before_s = 0.0 if tried is None else tried.runtime_s
    result = packing_dp(
        instance,
        time_limit=None if time_limit is None else limit - before_s,
        seed=seed,
        start=start if tried is None else cast(Solution | None, tried.solution) or start,
        on_progress=on_clock(on_progress, before_s),
        memory_limit_bytes=memory_limit_bytes,
    )
    return _by(result if tried is None else _after(tried, result))


def _by(result: Result) -> Result:
    return replace(result, solver="exact", extra={**result.extra, "method": result.solver})


def _after(tried: Result, result: Result) -> Result:
    """Return the second of two parts of a run, with what the first one has proven."""
    bounds = [r.bound for r in (tried, result) if r.bound is not None]
    return replace(
        result.after(tried),
        compile_s=tried.compile_s + result.compile_s,
        threads=tried.threads,
        bound=max(bounds, default=None) if result.status == "feasible" else result.bound,
        faults=(*tried.faults, *result.faults),
    )
