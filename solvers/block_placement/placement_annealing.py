"""`placement-search` (ours): annealing over placements, judged by how a greedy serves everybody.

A placement is judged in microseconds: sessions go, one client after the other, in lots on the
cheapest path that has free slots. That alone would leave the fast servers to those who come
first. So some sessions of each client come early and spare the servers that are marked as scarce;
how many, and which servers, is annealed together with the runs. Many short rounds, from the best
placement so far or from one of `cg-bp`, find more than few long ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from shardopt.models.block_placement.bounds import chain_costs, too_few_blocks
from shardopt.models.block_placement.data import Instance, Route, Solution
from shardopt.models.block_placement.evaluate import objective
from shardopt.models.block_placement.formulations.common import layout
from shardopt.models.block_placement.tables import IntArray, Tables, make_tables
from shardopt.models.errors import InputError
from shardopt.models.result import Result
from shardopt.solvers.block_placement.greedy_placement import design, hostings, place
from shardopt.solvers.block_placement.routings import best_routing
from shardopt.solvers.block_placement.sweep import design_grid
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import checked_objective, finish
from shardopt.solvers.jit import compiled

KERNELS = "block_placement.placement_kernels"
ROUNDS = 200
MOST_ROUNDS = 1_000_000
MOVES, MOVES_EACH = 10_000, 50
"""Moves of a round, and per server and block: small instances need no more. Fewer also where
judging a placement takes long."""
LOOKS = 3_000_000
"""Links that a round may look at: a hundredth of a second."""
LEAST_WARMTH, MOST_WARMTH = 0.01, 0.2
"""A round leaves a placement at first for one that is about so much worse, drawn between these."""
FROM_BEST = 0.4
"""Share of the rounds that start from the best placement so far."""
STARTS = 40
"""Numbers of sessions for which `cg-bp` designs the other starts."""
MISSING = 10.0
"""What a session that is not served counts, in sessions that are."""

BOUND_TOLERANCE = 1e-9

State = tuple[IntArray, IntArray, IntArray, IntArray]


def placement_search(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    rounds: int = ROUNDS,
) -> Result:
    """Anneal placements round by round, and route the best one exactly.

    Parameters
    ----------
    rounds
        How many times annealing starts. Twice as many take twice as long.
    """
    if not 1 <= rounds <= MOST_ROUNDS:
        raise InputError(str(rounds), f"an integer from 1 to {MOST_ROUNDS}", "rounds")
    compile_s = compiled(KERNELS)[1]
    budget = Budget(time_limit, on_progress)
    tables = make_tables(instance)
    if too_few_blocks(tables):
        return finish(
            instance, "placement-search", budget, [], infeasible=True, compile_s=compile_s
        )
    with interruptible(budget):
        plan = searched(tables, budget, seed=seed, rounds=rounds, start=start)
    if plan is None or budget.exhausted():
        return finish(instance, "placement-search", budget, [plan, start], compile_s=compile_s)
    result = best_routing(
        instance,
        "placement-search",
        budget,
        [plan.placement],
        known=better(instance, plan, start),
        seed=seed,
        threads=threads,
        memory_limit_bytes=memory_limit_bytes,
    )
    return replace(result, compile_s=compile_s)


def better(instance: Instance, plan: Solution, other: Solution | None) -> Solution:
    """Return the plan that costs less; ``other`` is feasible."""
    if other is None or objective(instance, plan) <= objective(instance, other):
        return plan
    return other


def searched(
    tables: Tables, budget: Budget, *, seed: int, rounds: int = ROUNDS, start: Solution | None
) -> Solution | None:
    """Return the best plan of so many rounds; ``None`` where none serves everybody.

    The caller has compiled the kernels.
    """
    search = Search(tables, budget, start)
    draws = np.random.default_rng(seed)
    for _ in range(rounds):
        if budget.exhausted() or search.at_bound():
            break
        search.round(draws)
    return search.best


class Search:
    """The best state so far, and those to start from.

    Attributes
    ----------
    best
        The best plan so far, ``None`` while no state serves everybody.
    """

    def __init__(self, tables: Tables, budget: Budget, start: Solution | None) -> None:
        self.tables = tables
        self.budget = budget
        self.best: Solution | None = None
        self._kernels = compiled(KERNELS)[0]
        self._room = self._kernels.make_room(tables.server_count)
        self._path = np.zeros((tables.server_count + 2, 2), dtype=np.int64)
        self._looks = np.zeros(1, dtype=np.int64)
        known = None if start is None else checked_objective(tables.instance, start)
        chains = chain_costs(tables)
        self._bound = float(tables.sessions @ chains)
        self._each = max(float(chains.max()), known or 0.0) or 1.0
        self._swarm = self._with_missing(MISSING * self._each)
        self._starts = first_states(tables, start)
        values = [self._serve(state) for state in self._starts]
        self._value = min(values)
        self._state = self._starts[values.index(self._value)]
        self._take()

    def at_bound(self) -> bool:
        """Return whether the best plan costs no more than the chain bound: there is no better."""
        return self.best is not None and self._value <= self._bound * (1.0 + BOUND_TOLERANCE)

    def round(self, draws: np.random.Generator) -> None:
        """Anneal once, from the best state or from another one."""
        tables, start = self.tables, self._state
        if draws.random() >= FROM_BEST:
            start = self._starts[draws.integers(len(self._starts))]
        state, best = copy_of(start), copy_of(self._state)
        share = LEAST_WARMTH * (MOST_WARMTH / LEAST_WARMTH) ** draws.random()
        self._looks[0] = 0
        self._serve(state)
        affordable = max(100, LOOKS // max(1, int(self._looks[0])))
        moves = min(MOVES, MOVES_EACH * tables.server_count * tables.block_count, affordable)
        value = self.budget.call(
            self._kernels.anneal,
            self._swarm,
            state,
            best,
            self._value,
            draws.random((moves, 6)),
            share * self._each * tables.session_count,
            self._looks,
            LOOKS,
            self.budget.stop,
        )
        if value < self._value:
            self._state, self._value = best, value
            self._take()
        if self.best is None:  # not serving somebody may be too cheap
            self._swarm = self._with_missing(2.0 * self._swarm[6])
            self._value = self._serve(self._state)

    def _take(self) -> None:
        """Make the plan of the best state, if it serves everybody."""
        plan = self._plan()
        if plan is not None:
            self.best = plan
            self._each = self._value / self.tables.session_count or self._each
            self.budget.report(checked_objective(self.tables.instance, plan), None)

    def _with_missing(self, missing: float) -> tuple[Any, ...]:
        """Return the instance for the kernels; who comes early spares scarce servers first."""
        tables = self.tables
        arrays = (tables.U, tables.slots, tables.fixed, tables.per_block, tables.sessions)
        rows = (np.ascontiguousarray(array) for array in arrays)
        return (tables.block_count, *rows, missing, MISSING * missing)

    def _serve(self, state: State) -> float:
        room, path = self._room, self._path
        return float(self._kernels.serve(self._swarm, state, room, path, self._looks))

    def _plan(self) -> Solution | None:
        """Serve everybody once more, and keep the paths."""
        kernels, tables, state = self._kernels, self.tables, self._state
        instance, (swarm, room, path) = tables.instance, (self._swarm, self._room, self._path)
        hosting = kernels.begin(swarm, state, room)
        routes: Counter[tuple[str, tuple[str, ...]]] = Counter()
        for c, client in enumerate(instance.clients):
            left, early = client.sessions, int(state[3][c])
            while left > 0:
                price = swarm[7] if early > 0 else 0.0
                positions, _ = kernels.reach(swarm, state, room, hosting, c, price)
                if room[3][positions - 1] != tables.block_count:
                    return None
                most = early if early > 0 else left
                _, count = kernels.send(swarm, room, c, positions - 1, most, path)
                length = int(np.argmin(path[:, 1]))
                names = tuple(tables.names[j] for j in path[:length, 0][::-1])
                routes[client.name, names] += count
                left, early = left - count, early - count
        runs = np.stack([state[0], state[1]], axis=1)
        return Solution(
            hostings(instance, runs),
            tuple(Route(client, names, count) for (client, names), count in routes.items()),
        )


def copy_of(state: State) -> State:
    """Return a copy of a state."""
    start, stop, scarce, early = state
    return start.copy(), stop.copy(), scarce.copy(), early.copy()


def first_states(tables: Tables, start: Solution | None) -> list[State]:
    """Return the placements of `cg-bp` for some numbers of sessions, and that of a plan.

    Where there is none, all servers host the first blocks.
    """
    found: list[IntArray] = []
    for sessions in design_grid(tables.session_count, STARTS):
        plan = design(tables, sessions)
        if plan is not None:
            found.append(place(plan, tables.block_count))
    if start is not None:
        runs = np.zeros((tables.server_count, 2), dtype=np.int64)
        for j, run in layout(tables, start).run.items():
            runs[j] = run
        found.append(runs)
    if not found:
        stops = np.minimum(tables.U, tables.block_count)
        found.append(np.stack([np.zeros_like(stops), stops], axis=1))
    none = np.zeros(tables.server_count, dtype=np.int64)
    early = np.zeros(tables.client_count, dtype=np.int64)
    distinct = {runs.tobytes(): runs for runs in found}.values()
    return [(runs[:, 0].copy(), runs[:, 1].copy(), none, early) for runs in distinct]
