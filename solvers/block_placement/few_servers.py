"""Plans on few servers: where one fast server has room for many, the slow ones only add choices.

The fastest servers that together have room for all sessions form an instance of their own, small
enough for `boundary`. Its plans are plans of the whole; its bounds are not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shardopt.models.block_placement.data import Instance
from shardopt.models.block_placement.tables import Tables
from shardopt.models.result import AnySolution, Result
from shardopt.solvers.backends.exact import Job
from shardopt.solvers.block_placement.exact_models import FORMULATIONS, solve_formulation
from shardopt.solvers.block_placement.sweep import cg_bp_sweep
from shardopt.solvers.budget import Budget
from shardopt.solvers.settings import Settings

ROOM = 1.3
"""Memory of the servers chosen, as a multiple of what all blocks with all sessions take."""


RELAXATION_SHARE = 0.25
"""Of the time, for HiGHS: what it does not close at once it does not close."""


def enough_servers(tables: Tables) -> Instance | None:
    """Return the instance with the fastest servers alone; ``None`` where those are most of all."""
    instance = tables.instance
    each = instance.weight_bytes + instance.cache_bytes_per_session * instance.session_count
    # A step's time per block, when the server runs as many as it can: the order of `cg-bp`.
    time = (tables.fixed / np.maximum(tables.U, 1) + tables.per_block).max(axis=0)
    order = [int(j) for j in np.argsort(time, kind="stable") if tables.U[j] > 0]
    room = np.cumsum(tables.memory[order])
    count = int(np.searchsorted(room, ROOM * each * instance.block_count)) + 1
    if 2 * count > len(order):
        return None
    return only(instance, sorted(order[:count]))


def only(instance: Instance, servers: list[int]) -> Instance:
    """Return the instance without all other servers."""

    def chosen(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(values[j] for j in servers)

    clients = tuple(
        replace(
            client,
            decode_rtt_s=chosen(client.decode_rtt_s),
            prefill_rtt_s=chosen(client.prefill_rtt_s),
        )
        for client in instance.clients
    )
    kept = tuple(instance.servers[j] for j in servers)
    return replace(instance, servers=kept, clients=clients, petals=None)


def boundary_on(few: Instance, settings: Settings, known: AnySolution | None = None) -> Result:
    """Solve `boundary` on few servers: by HiGHS at first, then by CP-SAT.

    Starts from the known plan, or else from the best `cg-bp` placement.
    """
    budget = Budget(settings.time_limit)
    if known is None:
        limit = settings.time_limit
        known = cg_bp_sweep(
            few, time_limit=limit, seed=settings.seed, threads=settings.threads
        ).solution
    silent = replace(settings, on_progress=None, time_limit=RELAXATION_SHARE * budget.left())
    job = Job(few, f"{FORMULATIONS}.boundary:build", "highs", {})
    first = solve_formulation(job, "exact", silent, [known])
    if first.objective is None or first.status == "optimal" or first.termination == "interrupted":
        return first
    build = f"{FORMULATIONS}.boundary:build_constraints"
    job = Job(few, build, "cp-sat", {"objective": first.objective})
    rest = replace(silent, time_limit=budget.left())
    return solve_formulation(job, "exact", rest, [first.solution], first.bound)
