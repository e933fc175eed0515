"""`replica-clustering`: replicas by how many devices of each type they have.

Equal devices are one type (spec section 4). What chooses among sets of devices works on counts
by type; only a plan that leaves it names devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shardopt.models.replica_clustering.data import Role, Solution
from shardopt.models.replica_clustering.inside import to_replica
from shardopt.models.replica_clustering.tables import Tables

Counts = tuple[int, ...]
"""A set of devices: how many of each type."""


@dataclass(frozen=True)
class Group:
    """One replica, its devices not yet named."""

    role: Role
    batch: int
    count: Counts


def to_solution(tables: Tables, groups: Iterable[Group]) -> Solution:
    """Return the plan: the devices of a type are used in the order of the file."""
    members = tables.types.members
    used = [0] * len(members)
    replicas = []
    for group in groups:
        devices: list[int] = []
        for i, count in enumerate(group.count):
            devices += members[i][used[i] : used[i] + count]
            used[i] += count
        replicas.append(to_replica(tables, group.role, group.batch, devices))
    return Solution(tuple(replicas))


def types_of(tables: Tables) -> list[int]:
    """Return the type of each device."""
    types = [0] * tables.device_count
    for i, members in enumerate(tables.types.members):
        for device in members:
            types[device] = i
    return types


def counts_of(types: Sequence[int], devices: Iterable[int]) -> Counts:
    """Return how many devices of each type are in a set."""
    counts = [0] * (max(types) + 1)
    for device in devices:
        counts[types[device]] += 1
    return tuple(counts)


def to_groups(tables: Tables, solution: Solution) -> list[Group]:
    """Return the groups of a plan."""
    index = {device.name: k for k, device in enumerate(tables.instance.devices)}
    types = types_of(tables)
    return [
        Group(r.role, r.batch, counts_of(types, [index[s.device] for s in r.stages]))
        for r in solution.replicas
    ]
