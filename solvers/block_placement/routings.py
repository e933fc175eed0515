"""Exact routing of one or many placements, for heuristics: the best plan of all counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shardopt.models.block_placement.data import Hosting, Instance, Solution
from shardopt.models.block_placement.formulations import routing
from shardopt.models.formulation import LinearFormulation, SeriesFormulation
from shardopt.models.linear import FloatArray
from shardopt.models.result import Result
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.budget import Budget
from shardopt.solvers.finish import checked_objective
from shardopt.solvers.settings import Settings

Placement = tuple[Hosting, ...]


def best_routing(
    instance: Instance,
    solver: str,
    budget: Budget,
    placements: Sequence[Placement],
    *,
    known: Solution | None = None,
    slots: Mapping[str, int] | None = None,
    seed: int = 0,
    threads: int = 2,
    memory_limit_bytes: float | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Result:
    """Route all sessions optimally on each placement; return the best plan of all.

    Parameters
    ----------
    budget
        The run's; its time is what is left, its trace is continued.
    known
        A plan to beat.
    slots
        As in `routing.build`.
    """
    before_s = budget.elapsed()
    cutoff = None if known is None else checked_objective(instance, known)
    options = {
        "placements": tuple(placements),
        "slots": slots,
        "cutoff": np.inf if cutoff is None else cutoff,
    }
    settings = Settings(
        time_limit=None if budget.time_limit is None else budget.left(),
        seed=seed,
        threads=threads,
        on_progress=lambda point: budget.report(point.objective, None),
        memory_limit_bytes=memory_limit_bytes,
    )
    job = Job(instance, f"{__name__}:build", "shardopt.solvers.backends.series", options)
    result = solve_exact(job, solver, settings, known=[known])
    return replace(
        result,
        runtime_s=result.runtime_s + before_s,
        trace=tuple(budget.trace),
        extra=dict(result.extra) | dict(extra or {}),
    )


def build(
    instance: Instance,
    *,
    placements: Sequence[Placement],
    slots: Mapping[str, int] | None,
    cutoff: float,
) -> SeriesFormulation:
    """Prepare the routings; each model is built when its turn comes."""

    def one(n: int, relaxed: bool) -> LinearFormulation:
        return routing.build(
            instance, placement=placements[n], unit=1.0, slots=slots, relaxed=relaxed
        )

    def decode(plan: tuple[int, FloatArray]) -> Solution:
        n, values = plan
        solution: Solution = one(n, False).decode(values)
        return solution

    return SeriesFormulation(len(placements), one, decode, unit=1.0, cutoff=cutoff)
