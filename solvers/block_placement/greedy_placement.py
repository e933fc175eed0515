"""`cg-bp`: conservative greedy block placement with shortest-path routing (arXiv 2512.21884).

Steps are numbered as on the problem's page. Block counts are those that leave every server
room for `|R|` sessions on its whole run, so that routes need no look at memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shardopt.models.block_placement.data import Hosting, Instance, Route, Solution
from shardopt.models.block_placement.tables import FloatArray, IntArray, Tables, make_tables
from shardopt.models.errors import InputError
from shardopt.models.result import Result
from shardopt.solvers.block_placement.paths import unlimited_paths
from shardopt.solvers.block_placement.routings import best_routing
from shardopt.solvers.budget import Budget, OnProgress
from shardopt.solvers.finish import finish

SUM_TOLERANCE = 1e-10
"""Relative; windows whose sums differ by less are equal, whatever their order of summation."""


@dataclass(frozen=True)
class Design:
    """What `cg-bp` decides before it places anything (steps 1 and 2).

    Attributes
    ----------
    sessions
        ``|R|``, for how many sessions every server reserves memory.
    size
        ``int[server]``, m_j; 0 for servers that are dropped.
    time_s
        ``float[server]``, T~_j: amortised decode time per block; infinite where dropped.
    capacity
        ``int[server]``, f_j: sessions that fit on the whole run.
    order
        Servers that are used, by increasing T~_j, ties by index.
    """

    sessions: int
    size: IntArray
    time_s: FloatArray
    capacity: IntArray
    order: list[int]


def cg_bp(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    design_sessions: int | None = None,
) -> Result:
    """Place blocks greedily, the fastest server first, and route on shortest paths.

    ``extra["guarantee"]`` is the published upper bound B on its own mean decode time.

    Parameters
    ----------
    design_sessions
        Sessions that every server reserves memory for; by default all of the instance. With
        fewer, routes that fit are found exactly.
    """
    require_design_sessions(design_sessions)
    budget = Budget(time_limit, on_progress)
    tables = make_tables(instance)
    sessions = instance.session_count if design_sessions is None else design_sessions
    plan_design = design(tables, sessions)
    if plan_design is None:
        return nothing_found(tables, "cg-bp", budget)
    runs = place(plan_design, tables.block_count)
    extra = {"guarantee": guarantee(tables, plan_design)}
    if sessions >= instance.session_count:
        return finish(instance, "cg-bp", budget, [shortest_routes(tables, runs)], extra=extra)
    return best_routing(
        instance,
        "cg-bp",
        budget,
        [hostings(instance, runs)],
        seed=seed,
        threads=threads,
        memory_limit_bytes=memory_limit_bytes,
        extra=extra,
    )


def require_design_sessions(design_sessions: int | None) -> None:
    """Raise `InputError` unless the option is a possible number of sessions."""
    if design_sessions is not None and not 1 <= design_sessions <= 10**9:
        raise InputError(str(design_sessions), "an integer from 1 to 1e9", "design_sessions")


def nothing_found(tables: Tables, solver: str, budget: Budget) -> Result:
    """Return the result of a heuristic that found no plan; sum U_j < L proves that none is."""
    return finish(
        tables.instance, solver, budget, [], infeasible=tables.U.sum() < tables.block_count
    )


def block_counts(tables: Tables, sessions: int) -> IntArray:
    """Step 1: the largest m_j <= max_blocks with m_j (w + c |R|) <= M_j.

    That is to say n_j(m) >= m |R|, and the slots n_j(m) are exact.
    """
    blocks = np.arange(tables.block_count + 1)
    fit = (tables.slots >= blocks * sessions).sum(axis=1) - 1  # it does for 0, then up to m_j
    most = [server.max_blocks or tables.block_count for server in tables.instance.servers]
    counts: IntArray = np.minimum(fit, most)
    return counts


def design(tables: Tables, sessions: int) -> Design | None:
    """Steps 1 and 2; ``None`` if the servers cannot host all blocks at these counts."""
    instance = tables.instance
    size = block_counts(tables, sessions)
    if size.sum() < tables.block_count:
        return None
    used = np.flatnonzero(size)
    decode, farthest = decode_times(instance)
    time_s = np.full(size.size, np.inf)
    time_s[used] = decode[used] + farthest[used] / size[used]
    free = tables.slots[np.arange(size.size), size]
    capacity = free // np.maximum(size, 1)
    order = [int(j) for j in np.argsort(time_s, kind="stable")[: used.size]]
    return Design(sessions, size, time_s, capacity, order)


def decode_times(instance: Instance) -> tuple[FloatArray, FloatArray]:
    """Return tau_j and t*_j = max_c t_cj, decode values whatever the instance's cost."""
    decode = np.array([server.decode_s_per_block for server in instance.servers])
    return decode, np.array([client.decode_rtt_s for client in instance.clients]).max(axis=0)


def place(plan: Design, block_count: int) -> IntArray:
    """Step 3: return ``runs[server]``, start and stop, (0, 0) for dropped servers."""
    worst = float(plan.time_s[plan.order].max()) + 1.0  # t0
    wanted = float(plan.sessions)
    time = np.full(block_count, wanted * worst)  # T_b
    capacity = np.zeros(block_count)  # C_b
    runs = np.zeros((plan.size.size, 2), dtype=np.int64)
    for j in plan.order:
        m = int(plan.size[j])
        if (capacity < wanted).any():  # 3a
            start = slowest_window(time, m, capacity < wanted)
        else:  # 3b
            start = lowest_window(capacity, m)
        window = slice(start, start + m)
        served = np.minimum(np.maximum(wanted - capacity[window], 0.0), plan.capacity[j])
        time[window] -= (worst - plan.time_s[j]) * served
        capacity[window] += plan.capacity[j]
        runs[j] = start, start + m
    return runs


def slowest_window(
    time: FloatArray, m: int, short: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> int:
    """Return the start of the window with the largest sum, of those with a block in ``short``."""
    sums = window_sums(time, m)
    sums[window_sums(short.astype(np.float64), m) == 0.0] = -np.inf
    largest = sums.max()
    return int(np.argmax(sums >= largest - SUM_TOLERANCE * abs(largest)))


def lowest_window(level: FloatArray, m: int) -> int:
    """Return the start of the window whose levels, sorted, are lexicographically smallest.

    That is the window with the most blocks of the lowest level, of these the one with the most
    of the next level, and so on; ties go to the smallest start.
    """
    starts = np.arange(level.size - m + 1)
    for value in np.unique(level):
        count = window_sums((level == value).astype(np.float64), m)[starts]
        starts = starts[count == count.max()]
        if starts.size == 1:
            break
    return int(starts[0])


def window_sums(values: FloatArray, m: int) -> FloatArray:
    """Return the sums of all windows of m values."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    difference: FloatArray = sums[m:] - sums[:-m]
    return difference


def guarantee(tables: Tables, plan: Design) -> float | None:
    """Return B, an upper bound on the mean decode time; ``None`` where it does not hold.

    With K the shortest prefix of the order that covers all blocks, B = sum_{j <= K} (t*_j +
    tau_j m_j) - tau_K (sum_{j <= K} m_j - L).
    """
    instance = tables.instance
    if instance.cost != "decode" or plan.sessions < instance.session_count:
        return None
    decode, farthest = decode_times(instance)
    total, hosted = 0.0, 0
    for j in plan.order:
        total += farthest[j] + decode[j] * plan.size[j]
        hosted += int(plan.size[j])
        if hosted >= tables.block_count:
            return float(total - decode[j] * (hosted - tables.block_count))
    raise AssertionError("a design covers all blocks")


def hostings(instance: Instance, runs: IntArray) -> tuple[Hosting, ...]:
    """Return a placement from ``runs[server]``, in server order."""
    return tuple(
        Hosting(server.name, int(start), int(stop))
        for server, (start, stop) in zip(instance.servers, runs, strict=True)
        if stop > start
    )


def shortest_routes(tables: Tables, runs: IntArray) -> Solution | None:
    """Step 4: all sessions of a client take its shortest path, whatever memory says."""
    instance = tables.instance
    paths = unlimited_paths(tables, runs)
    if paths is None:
        return None
    routes = tuple(
        Route(client.name, tuple(instance.servers[j].name for j in path), client.sessions)
        for client, path in zip(instance.clients, paths, strict=True)
    )
    return Solution(hostings(instance, runs), routes)
