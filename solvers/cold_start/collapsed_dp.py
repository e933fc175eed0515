"""`cold-start`: `dp-collapsed` (ours), the subset DP over counts of interchangeable devices.

prod(n_t + 1) states instead of 2^K, pruned by an incumbent, and with the best sender for a run
found through the envelope of what all senders offer (spec section 4.6): it is the label-setting
DP of `dssr` in which every type is critical.
"""

from __future__ import annotations

from dataclasses import replace

from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, OnProgress
from shardopt.solvers.cold_start.relaxation import relax
from shardopt.solvers.jit import compiled


def dp_collapsed(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
) -> Result:
    """Solve exactly; a first, relaxed pass gives deadlines that prune the full one."""
    _, compile_s = compiled("cold_start.kernels")
    budget = Budget(time_limit, on_progress)
    result = relax(
        instance, "dp-collapsed", budget, seed, start, memory_limit_bytes, all_at_once=True
    )
    return replace(result, compile_s=compile_s)
