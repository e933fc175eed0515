"""`cold-start`: `dp`, the published dynamic programme over device subsets.

Source: arXiv 2508.11287, eqs. (29)-(31). The listing there has slips; this follows the
recurrence, with the memory test on blocks a..b-1, in the base case too (spec section 4.5).
O(K^2 L^2 2^K) time and O(K L 2^K) space, as published: nothing is collapsed or pruned.
"""

from __future__ import annotations

import numpy as np

from shardopt.models.cold_start.data import Instance
from shardopt.models.cold_start.tables import make_tables
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.cold_start.labels import device_model, memory_allowance
from shardopt.solvers.finish import finish
from shardopt.solvers.jit import compiled


def dp(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
) -> Result:
    """Solve exactly over all subsets of devices.

    Ends with ``memory-limit`` before anything is allocated when the table would not fit into
    ``memory_limit_bytes``, by default half of the free memory.
    """
    kernels, compile_s = compiled("cold_start.kernels")
    budget = Budget(time_limit, on_progress)
    extra: dict[str, float] = {}
    with interruptible(budget):
        tables = make_tables(instance)
        blocks, devices = tables.block_count, tables.device_count
        size = 8 * 2**devices * devices * (blocks + 1)
        size += 8 * devices * blocks * (blocks + 1) if tables.layerwise else 0
        extra["table_bytes"] = min(size, 2**63)
        if size > memory_allowance(memory_limit_bytes):
            return finish(
                instance,
                "dp",
                budget,
                [],
                termination="memory-limit",
                compile_s=compile_s,
                extra=extra,
            )
        model = device_model(tables)
        value = np.empty((2**devices, blocks + 1, devices))
        stopped = budget.call(kernels.fill, value, np.inf, budget.stop)
        if stopped or budget.call(kernels.subset_dp, model, value, budget.stop):
            return finish(instance, "dp", budget, [], compile_s=compile_s, extra=extra)
        # Sets are the states of a label DP in which every device is critical.
        stages = np.empty((blocks, 3), dtype=np.int64)
        one = np.ones(devices, dtype=np.int64)
        place, slab = 1 << np.arange(devices), np.arange(2**devices)
        least = value[:, blocks, :].min()
        count = kernels.trace_back(model, one, place, slab, value, stages)
        plan = [(int(e), int(a), int(b)) for e, a, b in stages[:count][::-1]]
        solution = tables.decode(plan) if count else None
    return finish(
        instance,
        "dp",
        budget,
        [solution],
        exact_value=float(least) if count else None,
        infeasible=count == 0,
        compile_s=compile_s,
        extra=extra,
    )
