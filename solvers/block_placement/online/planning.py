"""Which placement a policy plans before the first session arrives."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from shardopt.models.block_placement.data import Instance, Petals, Solution
from shardopt.models.block_placement.tables import FloatArray, IntArray, Tables, make_tables
from shardopt.models.errors import InputError, NoPlanError
from shardopt.solvers.block_placement.baselines import join_order, petals_counts, petals_pool
from shardopt.solvers.block_placement.greedy_placement import block_counts, design, place
from shardopt.solvers.block_placement.online.sessions import Kind, Site
from shardopt.solvers.block_placement.petals_joining import join

GRACE = 1 + 1e-9
"""Relative, in floors of numbers of sessions."""


@dataclass(frozen=True)
class Planner:
    """Plans placements of one instance; ``believed`` are factors of block times, by server.

    ``rate_per_s`` is ``None`` where all sessions arrive at one time; then there are ``count``.
    """

    instance: Instance
    believed: FloatArray
    session_delay_s: float
    rate_per_s: float | None
    count: int
    design_sessions: int | None
    seed: int

    @cached_property
    def tables(self) -> Tables:
        """The instance's tables."""
        return make_tables(self.instance)

    def cg_bp(self, sessions: int | None = None) -> Site:
        """Place as `cg-bp`, by default for as many sessions as the rate asks for."""
        if sessions is None:
            sessions = self.sessions(self.rate_per_s)
        plan = design(self.tables, sessions)
        if plan is None:
            raise self._no_placement()
        return self._in_memory(place(plan, self.instance.block_count), sessions)

    def petals(self) -> Site:
        """Let servers join as in `petals`."""
        return self._joined(join_order(self.instance, self.seed), None)

    def petals_optimized_order(self) -> Site:
        """Let servers join in the order of `cg-bp`; those that it drops come last."""
        sessions = self.sessions(self.rate_per_s)
        plan = design(self.tables, sessions)
        if plan is None:
            raise self._no_placement()
        dropped = [j for j in range(self.tables.server_count) if j not in set(plan.order)]
        return self._joined([*plan.order, *dropped], sessions)

    def petals_optimized_number(self) -> Site:
        """Let servers join with the block counts of `cg-bp`, all other memory being cache."""
        sessions = self.sessions(self.rate_per_s)
        size = block_counts(self.tables, sessions)
        runs = join(self.instance, size, join_order(self.instance, self.seed))
        return self._in_memory(runs, sessions)

    def given(self, solution: Solution) -> Site:
        """Take the placement of a plan; all memory that it leaves is cache."""
        runs = np.zeros((self.tables.server_count, 2), dtype=np.int64)
        index = self.instance.server_index()
        for hosting in solution.placement:
            runs[index[hosting.server]] = hosting.start, hosting.stop
        return self._in_memory(runs, None)

    def sessions(self, rate_per_s: float | None) -> int:
        """Return ``|R|``: for how many sessions `cg-bp` shall place."""
        if self.design_sessions is not None:
            return self.design_sessions
        most = self._most_sessions()
        if rate_per_s is None:
            wanted = self.count
        else:
            x = rate_per_s * (self.session_delay_s + self._alone_s)
            wanted = math.floor((x + math.sqrt(x) + 0.5) * GRACE)
        wanted = max(1, min(wanted, most))
        if not self._places(1):
            raise self._no_placement()
        return wanted if self._places(wanted) else self._bisect(wanted)

    @cached_property
    def _alone_s(self) -> float:
        """S(p*), the service time of the first client's session on `cg-bp` with |R| = 1."""
        plan = design(self.tables, 1)
        if plan is None:
            raise self._no_placement()
        instance = self.instance
        site = self._in_memory(place(plan, instance.block_count), 1)
        path = Kind(site, 0, instance.input_tokens, instance.output_tokens).waitless
        assert path is not None
        return path.service_s

    def _most_sessions(self) -> int:
        """Return R_max, up to which `cg-bp` is sure to place all blocks without `max_blocks`."""
        instance = self.instance
        blocks = instance.block_count + len(instance.servers)
        left = float(self.tables.memory.sum()) - instance.weight_bytes * blocks
        return math.floor(left / (instance.cache_bytes_per_session * blocks) * GRACE)

    def _places(self, sessions: int) -> bool:
        """Return whether `cg-bp` hosts all blocks; if it does, then for fewer sessions too."""
        return bool(block_counts(self.tables, sessions).sum() >= self.tables.block_count)

    def _bisect(self, too_many: int) -> int:
        """Return the most sessions for which `cg-bp` places all blocks; it does for one."""
        low = 1
        while too_many - low > 1:
            middle = (low + too_many) // 2
            if self._places(middle):
                low = middle
            else:
                too_many = middle
        return low

    def _joined(self, order: list[int], sessions: int | None) -> Site:
        size = petals_counts(self.instance)
        runs = join(self.instance, size, order)
        hosted = np.zeros(self.tables.block_count, dtype=bool)
        for start, stop in runs:
            hosted[start:stop] = True
        if not hosted.all():
            raise self._no_placement()
        pool = petals_pool(self.tables, size)
        return self._site(runs, pool.slots, pool.room, sessions)

    def _in_memory(self, runs: IntArray, sessions: int | None) -> Site:
        size = runs[:, 1] - runs[:, 0]
        slots = self.tables.slots[np.arange(size.size), size]
        return self._site(runs, slots, slots // np.maximum(size, 1), sessions)

    def _site(self, runs: IntArray, slots: IntArray, room: IntArray, sessions: int | None) -> Site:
        return Site(self.instance, runs, slots, room, self.believed, sessions)

    def _no_placement(self) -> NoPlanError:
        """No design covers all blocks; sum U_j < L proves that no placement does."""
        proven = bool(self.tables.U.sum() < self.tables.block_count)
        return NoPlanError("a placement that covers all blocks", proven)


def with_join_order(instance: Instance, names: tuple[str, ...]) -> Instance:
    """Let the servers join a PETALS swarm in another order."""
    known = [server.name for server in instance.servers]
    for name in names:
        if name not in known:
            raise InputError(repr(name), "the name of a server", "join_order")
    if sorted(names) != sorted(known):
        raise InputError(",".join(names), "every server once", "join_order")
    return replace(instance, petals=replace(instance.petals or Petals(), join_order=names))
