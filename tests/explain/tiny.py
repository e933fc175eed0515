"""Random tiny instances of every problem, and by full enumeration whether they have a plan."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import block_placement.brute
import block_placement.instances
import cold_start.brute
import cold_start.instances
import partition_schedule.brute
import partition_schedule.draws
import replica_clustering.brute
import replica_clustering.draws
from shardopt.models.discover import part

PROBLEMS = ("block-placement", "cold-start", "partition-schedule", "replica-clustering")


def draw(problem: str, seed: int) -> Any:
    """Return a random instance, small enough for its relaxations to be enumerated as well."""
    match problem:
        case "block-placement":
            return block_placement.instances.tiny_instance(
                seed, max_servers=3, max_blocks=4, max_sessions=4
            )
        case "cold-start":
            loading = cold_start.instances.LOADINGS[seed % 2]
            return cold_start.instances.tiny_instance(seed, loading, max_devices=3)
        case "partition-schedule":
            objectives = partition_schedule.draws.OBJECTIVES
            return partition_schedule.draws.tiny_instance(seed, objectives[seed % 3])
        case "replica-clustering":
            return replica_clustering.draws.tiny_instance(
                seed, seed % 3 == 0, max_devices=3, max_blocks=3
            )
    raise ValueError(problem)


def optimum(instance: Any) -> float | None:
    """Return the least objective by full enumeration, ``None`` without a plan."""
    match instance.problem:
        case "block-placement":
            return block_placement.brute.brute_force(instance).value
        case "cold-start":
            return cold_start.brute.brute_force(instance).value
        case "partition-schedule":
            return partition_schedule.brute.brute_force(instance).value
        case "replica-clustering":
            return replica_clustering.brute.brute_force(instance).value
    raise ValueError(instance.problem)


@cache
def has_plan(instance: Any) -> bool:
    """Say by full enumeration whether there is a plan; schedules need not be looked at."""
    if instance.problem != "partition-schedule":
        return optimum(instance) is not None
    largest = [max(node.memory_bytes for node in tier.nodes) for tier in instance.tiers]
    weights = [block.weight_bytes for block in instance.blocks]
    cuts = itertools.combinations(range(1, len(weights)), len(largest) - 1)
    return any(
        all(
            sum(weights[a:b]) <= most
            for most, (a, b) in zip(
                largest, itertools.pairwise((0, *each, len(weights))), strict=True
            )
        )
        for each in cuts
    )


@cache
def without_plan(problem: str, count: int) -> tuple[Any, ...]:
    """Return the first drawn instances that have no plan."""
    drawn = (draw(problem, seed) for seed in itertools.count())
    return tuple(itertools.islice((one for one in drawn if not has_plan(one)), count))


@cache
def with_plan(problem: str, count: int) -> tuple[Any, ...]:
    """Return the first drawn instances that have a plan."""
    drawn = (draw(problem, seed) for seed in itertools.count())
    return tuple(itertools.islice((one for one in drawn if has_plan(one)), count))


def relaxed(instance: Any, kept: frozenset[int]) -> Any:
    """Return the instance with all groups relaxed but those that are kept."""
    for g, group in enumerate(part(instance.problem, "", "explain").groups(instance)):
        if g not in kept:
            instance = group.relaxed(instance)
    return instance


def enumerated_conflicts(instance: Any) -> set[frozenset[int]]:
    """Return all minimal sets of groups that cannot be kept together, by trying all sets."""
    count = len(list(part(instance.problem, "", "explain").groups(instance)))
    conflicts: set[frozenset[int]] = set()
    for size in range(count + 1):
        for chosen in map(frozenset, itertools.combinations(range(count), size)):
            if any(found <= chosen for found in conflicts):
                continue
            if not has_plan(relaxed(instance, chosen)):
                conflicts.add(chosen)
    return conflicts
