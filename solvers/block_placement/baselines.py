"""`petals` and its ablations: PETALS as the authors of arXiv 2512.21884 simulate it.

Servers join one by one where throughput is lowest, and keep a fixed pool of cache; sessions are
routed one by one on what PETALS believes to be the fastest path, which is not what they pay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shardopt.models.block_placement.data import MEMORY_TOLERANCE, Instance, Solution
from shardopt.models.block_placement.tables import IntArray, Tables, make_tables
from shardopt.models.result import Result
from shardopt.solvers.block_placement.greedy_placement import (
    block_counts,
    design,
    hostings,
    nothing_found,
)
from shardopt.solvers.block_placement.petals_joining import join
from shardopt.solvers.block_placement.petals_routing import route_one_by_one
from shardopt.solvers.block_placement.routings import best_routing
from shardopt.solvers.budget import Budget, OnProgress
from shardopt.solvers.finish import finish

POOL_TOKENS = 4096.0
RESERVE_BYTES = 2.0 * 2**30
RESERVE_WIDTH = 14336
"""Width of the model that the reserve of 2 GiB belongs to; it grows in proportion."""


@dataclass(frozen=True)
class Pool:
    """Each server's cache: slots for blocks of sessions, and the sessions that it expects."""

    slots: IntArray
    room: IntArray


def petals(instance: Instance, *, seed: int = 0) -> Result:
    """Let servers join in the instance's order (or a random one), and route as PETALS does."""
    budget = Budget()
    tables = make_tables(instance)
    size = petals_counts(instance)
    runs = join(instance, size, join_order(instance, seed))
    return _routed(tables, "petals", budget, runs, petals_pool(tables, size))


def petals_optimized_order(instance: Instance) -> Result:
    """`petals` with servers joining in the order of `cg-bp`; those it drops come last."""
    budget = Budget()
    tables = make_tables(instance)
    published = design(tables, instance.session_count)
    if published is None:
        return nothing_found(tables, "petals-optimized-order", budget)
    dropped = [j for j in range(len(instance.servers)) if j not in set(published.order)]
    size = petals_counts(instance)
    runs = join(instance, size, [*published.order, *dropped])
    return _routed(tables, "petals-optimized-order", budget, runs, petals_pool(tables, size))


def petals_optimized_number(instance: Instance, *, seed: int = 0) -> Result:
    """`petals` with the block counts of `cg-bp`, and all memory beside them for cache."""
    budget = Budget()
    tables = make_tables(instance)
    size = block_counts(tables, instance.session_count)
    runs = join(instance, size, join_order(instance, seed))
    slots = tables.slots[np.arange(size.size), size]
    pool = Pool(slots, slots // np.maximum(size, 1))
    return _routed(tables, "petals-optimized-number", budget, runs, pool)


def petals_optimized_routing(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
) -> Result:
    """Route optimally on the placement of `petals`, within its pool."""
    budget = Budget(time_limit, on_progress)
    tables = make_tables(instance)
    size = petals_counts(instance)
    runs = join(instance, size, join_order(instance, seed))
    slots = petals_pool(tables, size).slots
    names = [server.name for server in instance.servers]
    return best_routing(
        instance,
        "petals-optimized-routing",
        budget,
        [hostings(instance, runs)],
        slots={name: int(n) for name, n in zip(names, slots, strict=True)},
        seed=seed,
        threads=threads,
        memory_limit_bytes=memory_limit_bytes,
    )


def petals_counts(instance: Instance) -> IntArray:
    """Return m_j = min(floor((M_j - A) / (w + kappa)), max_blocks, L), at least 0."""
    given = instance.petals.reserve_bytes if instance.petals is not None else None
    width = cache_bytes_per_token(instance) / 4.0
    reserve = RESERVE_BYTES * width / RESERVE_WIDTH if given is None else given
    limit = np.array([s.memory_bytes for s in instance.servers]) * (1 + MEMORY_TOLERANCE)
    fit = np.floor((limit - reserve) / (instance.weight_bytes + pool_bytes(instance)))
    most = [s.max_blocks or instance.block_count for s in instance.servers]
    counts = np.minimum(fit, np.minimum(most, instance.block_count))
    return np.maximum(counts, 0).astype(np.int64)


def petals_pool(tables: Tables, size: IntArray) -> Pool:
    """Return n_j = floor(m_j kappa / c) slots and room_j = floor(kappa / c) sessions."""
    sessions = pool_bytes(tables.instance) / tables.instance.cache_bytes_per_session
    sessions *= 1 + MEMORY_TOLERANCE
    slots = np.floor(size * sessions).astype(np.int64)
    # The tolerances of counts and slots together must not exceed that of the memory.
    slots = np.minimum(slots, tables.slots[np.arange(size.size), size])
    return Pool(slots, np.full(size.size, int(sessions)))


def cache_bytes_per_token(instance: Instance) -> float:
    """Return u = c / (input + output tokens)."""
    tokens = instance.input_tokens + instance.output_tokens
    return instance.cache_bytes_per_session / tokens


def pool_bytes(instance: Instance) -> float:
    """Return kappa, the pool of cache for each block that a server hosts."""
    given = instance.petals.pool_tokens if instance.petals is not None else None
    return (POOL_TOKENS if given is None else given) * cache_bytes_per_token(instance)


def join_order(instance: Instance, seed: int) -> list[int]:
    """Return the servers in the order in which they join."""
    if instance.petals is not None and instance.petals.join_order is not None:
        index = instance.server_index()
        return [index[name] for name in instance.petals.join_order]
    return [int(j) for j in np.random.default_rng(seed).permutation(len(instance.servers))]


def _routed(tables: Tables, solver: str, budget: Budget, runs: IntArray, pool: Pool) -> Result:
    routes = route_one_by_one(tables.instance, runs, pool.slots, pool.room)
    if routes is None:
        return nothing_found(tables, solver, budget)
    solution = Solution(hostings(tables.instance, runs), routes)
    return finish(tables.instance, solver, budget, [solution])
