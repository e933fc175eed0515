"""The instances on which `tests/test_contract.py` tries every solver of `block-placement`."""

from __future__ import annotations

from block_placement.brute import all_plans, brute_force
from block_placement.hand import make, more_sessions_than_fit, one_server, witness
from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.evaluate import objective

_SERVERS = [(13.0, 0.02, 0.3), (9.0, 0.01, 0.1), (6.0, 0.03, 0.2)]
_RTT = [(0.1, 0.2, 0.05), (0.15, 0.02, 0.3)]
_TOO_SMALL = (0.5, 0.0, 0.0)
"""A server that can host nothing, however near and fast it is."""

CASES: dict[str, Instance] = {
    "one-server": one_server("session"),
    "equal-servers": make(3, [(6.0, 0.1, 0.2)] * 3, [(2, (0.2,) * 3)]),
    "replicated": witness(),
    "two-clients": make(3, _SERVERS, [(2, _RTT[0]), (1, _RTT[1])]),
    "a-server-too-small": make(
        2,
        [*_SERVERS[1:], _TOO_SMALL],
        [(1, (0.2, 0.05, 0.0)), (1, (0.02, 0.3, 0.0))],
        cost="session",
    ),
    "max-blocks": make(3, _SERVERS, [(2, _RTT[0])], max_blocks=2),
    "no-plan": more_sessions_than_fit(),
    "too-few-blocks": make(5, [(4.0, 0.1, 0.1)] * 2, [(1, (0.1, 0.1))]),
}
STARTED = "two-clients"
"""The case in which solvers that take a start are given one."""


def optimum(instance: Instance) -> float | None:
    """Return the least objective by full enumeration, ``None`` where no plan exists."""
    return brute_force(instance).value


def starts(instance: Instance) -> list[Solution]:
    """Return an optimal plan and the worst one."""
    ranked = sorted(all_plans(instance), key=lambda plan: objective(instance, plan))
    return [ranked[0], ranked[-1]]
