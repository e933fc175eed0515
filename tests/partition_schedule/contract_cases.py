"""The instances on which `tests/test_contract.py` tries every solver of `partition-schedule`."""

from __future__ import annotations

from partition_schedule.brute import brute_force
from partition_schedule.draws import random_plan
from partition_schedule.instances import (
    make,
    no_memory,
    one_long_request,
    small_and_large_memory,
    three_tiers,
    too_few_blocks,
    two_by_two,
    unequal_activations,
)
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.data import Instance, Objective, Solution

_BLOCKS = [(1, 2, 3, 4), (2, 1, 1, 1), (1, 3, 2, 2)]
_TIERS = [[(1, 5), (2, 3)], [(2, 4)], [(3, 9), (3, 9)]]
_LINKS = [(0.25, 4.0), (0.5, 8.0)]


def _unequal(objective: Objective) -> Instance:
    requests = [(0.5, 2), (0, 1)] if objective != "bottleneck" else [(0.5, 2)]
    return make(_BLOCKS, _TIERS, _LINKS, requests, objective)


CASES: dict[str, Instance] = {
    "three-tiers": three_tiers(),
    "memory-bottleneck": small_and_large_memory(),
    "activations": unequal_activations(),
    "unequal-bottleneck": _unequal("bottleneck"),
    "unequal-latency": _unequal("mean-latency"),
    "unequal-makespan": _unequal("makespan"),
    "two-by-two": two_by_two("mean-latency"),
    "two-by-two-makespan": two_by_two("makespan"),
    "equal-requests": make(
        [(4, 1, 1, 0)], [[(1, 9)], [(2, 9)]], [(0.5, 1)], [(0, 1)] * 3, "mean-latency"
    ),
    "one-tier": one_long_request("mean-latency"),
    "one-tier-makespan": one_long_request("makespan"),
    "no-memory": no_memory(),
    "no-memory-bottleneck": no_memory("bottleneck"),
    "too-few-blocks": too_few_blocks(),
    "too-few-blocks-bottleneck": too_few_blocks("bottleneck"),
}
STARTED = "two-by-two"
"""The case in which solvers that take a start are given one."""


def optimum(instance: Instance) -> float | None:
    """Return the least objective by full enumeration, ``None`` where no plan exists."""
    return brute_force(instance).value


def starts(instance: Instance) -> list[Solution]:
    """Return an optimal plan, and the worst of some drawn ones."""
    best = brute_force(instance).solution
    drawn = [random_plan(instance, seed) for seed in range(20)]
    assert best is not None
    return [best, max((p for p in drawn if p), key=lambda p: check(instance, p).objective or 0.0)]
