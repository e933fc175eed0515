"""Mend a plan that overfills memory: keep its placement and route all sessions anew."""

from __future__ import annotations

from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.tables import make_tables
from shardopt.solvers.backends.messages import Incumbent, Job, Task
from shardopt.solvers.backends.process import answer_in_own_process
from shardopt.solvers.budget import Budget

ROUTING = "shardopt.models.block_placement.formulations.routing:build"


def mended(instance: Instance, plan: Solution, seconds: float) -> Solution | None:
    """Return the plan with optimal routes; ``None`` if none fit, or none were found in time."""
    table = make_tables(instance)
    scale = float(table.fixed.max() + table.per_block.max()) or 1.0
    job = Job(instance, ROUTING, "highs", {"placement": plan.placement, "unit": scale})
    task = Task(job, seconds, seed=0, threads=1, presolve=True, start=None)
    best: Solution | None = None
    for message in answer_in_own_process(task, Budget(seconds), stopped=lambda: False):
        if isinstance(message, Incumbent):
            best = message.solution
    return best
