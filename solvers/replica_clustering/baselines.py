"""`replica-clustering`: `two-pipelines` and the reference `single-pipeline` (both ours)."""

from __future__ import annotations

import numpy as np

from shardopt.models.replica_clustering.data import Instance, Solution
from shardopt.models.replica_clustering.inside import to_replica
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, interruptible
from shardopt.solvers.finish import finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.replica_clustering.rates import RateModel, rate_model, rate_sets


def two_pipelines(instance: Instance, *, time_limit: float | None = 60.0) -> Result:
    """Cut the devices, ordered by their prefill speed, into one replica of each role."""
    _, compile_s = compiled("replica_clustering.rate_kernels")
    budget = Budget(time_limit)
    with interruptible(budget):
        plan = two_pipelines_plan(rate_model(make_tables(instance)), budget)
    return finish(instance, "two-pipelines", budget, [plan], compile_s=compile_s)


def two_pipelines_plan(model: RateModel, budget: Budget) -> Solution | None:
    """Return the best of all cuts with both assignments of roles, at the best batches."""
    tables = model.tables
    order = np.argsort(tables.prefill_s, kind="stable").tolist()
    best, plan = 0.0, None
    for k in range(1, len(order)):
        if budget.exhausted():
            break
        sides = order[:k], order[k:]
        rate, batch = rate_sets(model, [model.set_of(side) for side in sides], "best")
        for first in (0, 1):  # the role of the fast side
            value = float(min(rate[0, first], rate[1, 1 - first]))
            if value > best:
                best = value
                plan = sides[first], sides[1 - first], int(batch[1 - first, 1])
    if plan is None:
        return None
    prefill, decode, q = plan
    replicas = to_replica(tables, "prefill", 1, prefill), to_replica(tables, "decode", q, decode)
    return Solution(replicas)


def single_pipeline(instance: Instance) -> Result:
    """Let one replica of all devices serve both phases in turn.

    A reference number, neither a plan nor a bound: ``extra["reference"]`` holds its seconds per
    request, ``None`` where all devices together cannot serve both phases.
    """
    _, compile_s = compiled("replica_clustering.rate_kernels")
    budget = Budget()
    model = rate_model(make_tables(instance))
    everything = model.set_of(range(model.tables.device_count))
    ((prefill, decode),) = rate_sets(model, [everything], "best")[0].tolist()
    reference = 1.0 / prefill + 1.0 / decode if min(prefill, decode) > 0.0 else None
    extra = {"reference": reference}
    return finish(instance, "single-pipeline", budget, [], compile_s=compile_s, extra=extra)
