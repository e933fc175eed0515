"""Full enumeration: the reference that every exact method is compared with.

Nothing is shared with the solvers, formulations and tables: every order of every set of devices,
with every cut, master and batch, and every way to choose disjoint ones among them. Times come
from the evaluator, and the value returned is the evaluator's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.data import (
    TOLERANCE,
    Instance,
    Replica,
    Role,
    Solution,
    Stage,
)
from shardopt.models.replica_clustering.evaluate import (
    hop_s,
    need_bytes,
    objective,
    requests_per_s,
    stage_s,
)

ROLES: tuple[Role, ...] = ("prefill", "decode")
Rated = tuple[Replica, float]
"""A replica and its requests/s."""
Set = tuple[int, ...]


@dataclass(frozen=True)
class Optimum:
    """The least seconds per request and a plan that has it; both ``None`` if no plan exists."""

    value: float | None
    solution: Solution | None


@lru_cache(maxsize=2000)
def brute_force(instance: Instance) -> Optimum:
    """Try every choice of disjoint sets in both roles, each with its fastest replica."""
    choices: dict[tuple[Role, Set], list[Rated]] = {}
    for key in itertools.product(ROLES, _sets(range(len(instance.devices)))):
        fastest = max(replicas(instance, *key), key=lambda rated: rated[1], default=None)
        choices[key] = [] if fastest is None else [fastest]
    best, best_rate = None, 0.0
    for plan in _disjoint(choices, tuple(range(len(instance.devices)))):
        rate = min(sum(r for replica, r in plan if replica.role == role) for role in ROLES)
        if rate > best_rate:
            best, best_rate = plan, rate
    if best is None:
        return Optimum(None, None)
    solution = Solution(tuple(replica for replica, _ in best))
    assert check(instance, solution).feasible
    return Optimum(objective(instance, solution), solution)


def all_plans(instance: Instance) -> list[tuple[Solution, float]]:
    """Return every feasible plan with its objective; for two or three devices."""
    sets = _sets(range(len(instance.devices)))
    choices = {key: list(replicas(instance, *key)) for key in itertools.product(ROLES, sets)}
    solutions = [
        Solution(tuple(replica for replica, _ in plan))
        for plan in _disjoint(choices, tuple(range(len(instance.devices))))
        if {replica.role for replica, _ in plan} == set(ROLES)
    ]
    return [(solution, objective(instance, solution)) for solution in solutions]


def replicas(instance: Instance, role: Role, devices: Set) -> Iterator[Rated]:
    """Yield every feasible replica of exactly these devices."""
    stages = len(devices)
    batches = range(1, instance.workload.max_batch // stages + 1) if role == "decode" else (1,)
    for q in batches:
        stage = _stage_times(instance, role, q, devices)
        hop = {
            (i, j): hop_s(instance, role, q, i, j) for i, j in itertools.permutations(devices, 2)
        }
        for order in itertools.permutations(devices):
            slowest_hop = max((hop[pair] for pair in itertools.pairwise(order)), default=0.0)
            for counts in _cuts(instance.model.blocks, stages):
                for master in order:
                    keys = [(i, c, i == master) for i, c in zip(order, counts, strict=True)]
                    if not all(key in stage for key in keys):
                        continue  # beyond some device's memory
                    slowest = max(slowest_hop, *(stage[key] for key in keys))
                    least = instance.workload.min_tokens_per_s
                    if role == "decode" and stages * slowest * least > 1 + TOLERANCE:
                        continue
                    replica = _replica(instance, role, q, master, order, counts)
                    yield replica, requests_per_s(instance, replica)


def _stage_times(
    instance: Instance, role: Role, q: int, devices: Set
) -> dict[tuple[int, int, bool], float]:
    """Return the time of each stage (device, blocks, is master) that its memory allows."""
    times = {}
    for i, count, head in itertools.product(
        devices, range(1, instance.model.blocks + 1), (False, True)
    ):
        device = instance.devices[i]
        need = need_bytes(instance, role, q * len(devices), count, head)
        if need <= device.memory_bytes * (1 + TOLERANCE):
            times[i, count, head] = stage_s(instance, device, role, q, count, head)
    return times


def _replica(
    instance: Instance, role: Role, q: int, master: int, order: Set, counts: Set
) -> Replica:
    names = [device.name for device in instance.devices]
    stops = list(itertools.accumulate(counts))
    stages = tuple(
        Stage(names[i], stop - count, stop)
        for i, count, stop in zip(order, counts, stops, strict=True)
    )
    return Replica(role, q, names[master], stages)


def _cuts(blocks: int, stages: int) -> Iterator[Set]:
    """Yield the ways to cut the blocks into so many non-empty runs."""
    for ends in itertools.combinations(range(1, blocks), stages - 1):
        yield tuple(b - a for a, b in itertools.pairwise((0, *ends, blocks)))


def _sets(devices: range) -> list[Set]:
    return [s for size in devices for s in itertools.combinations(devices, size + 1)]


def _disjoint(choices: dict[tuple[Role, Set], list[Rated]], free: Set) -> Iterator[list[Rated]]:
    """Yield every choice of replicas on disjoint sets of the free devices."""
    if not free:
        yield []
        return
    lowest, others = free[0], free[1:]
    yield from _disjoint(choices, others)  # the lowest is unused
    for size in range(len(others) + 1):
        for mates in itertools.combinations(others, size):
            rest = tuple(device for device in others if device not in mates)
            here = [rated for role in ROLES for rated in choices[role, (lowest, *mates)]]
            for plan in _disjoint(choices, rest) if here else ():
                yield from ([rated, *plan] for rated in here)
