"""`cold-start`: `dp-collapsed` (ours), the subset DP over counts of interchangeable devices.

prod(n_t + 1) states instead of 2^K, pruned by an incumbent, and with the best sender for a run
found through the envelope of what all senders offer (spec section 4.6): it is the label-setting
DP of `dssr` in which every type is critical.
"""

from __future__ import annotations

from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.tables import make_tables
from shardopt.models.result import Result
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.cold_start.labels import memory_allowance
from shardopt.solvers.cold_start.relaxation import Dssr
from shardopt.solvers.finish import finish
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
    with interruptible(budget):
        run = Dssr(make_tables(instance), budget, memory_allowance(memory_limit_bytes))
        run.solve(seed, start, all_at_once=True)
    return finish(
        instance,
        "dp-collapsed",
        budget,
        [run.search.best, start],
        bound=run.bound,
        exact_value=run.optimum,
        infeasible=run.infeasible,
        termination=run.termination,
        compile_s=compile_s,
        extra={"rounds": run.rounds},
    )
