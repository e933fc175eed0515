"""The instance without the servers that no better plan uses: often small enough for `boundary`."""

from __future__ import annotations

from dataclasses import replace

from shardopt.models.block_placement.data import Instance
from shardopt.models.result import AnySolution, Result
from shardopt.solvers.backends.exact import Job
from shardopt.solvers.block_placement.exact_models import FORMULATIONS, solve_formulation
from shardopt.solvers.budget import Budget
from shardopt.solvers.settings import Settings

RELAXATION_SHARE = 0.25
"""Of the time, for HiGHS: what it does not close at once it does not close."""


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


def boundary_on(needed: Instance, settings: Settings, known: AnySolution | None) -> Result:
    """Solve `boundary` on few servers, from the known plan: by HiGHS at first, then by CP-SAT."""
    budget = Budget(settings.time_limit)
    silent = replace(settings, on_progress=None, time_limit=RELAXATION_SHARE * budget.left())
    job = Job(needed, f"{FORMULATIONS}.boundary:build", "highs", {})
    first = solve_formulation(job, "exact", silent, [known])
    if first.objective is None or first.status == "optimal" or first.termination == "interrupted":
        return first
    build = f"{FORMULATIONS}.boundary:build_constraints"
    job = Job(needed, build, "cp-sat", {"objective": first.objective})
    rest = replace(silent, time_limit=budget.left())
    return solve_formulation(job, "exact", rest, [first.solution], first.bound)
