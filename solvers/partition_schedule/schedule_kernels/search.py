"""`partition-schedule`: search over the schedules of given cuts, level by level."""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.partition_schedule.schedule_kernels.bounds import state_bound
from shardopt.solvers.partition_schedule.schedule_kernels.layout import (
    F1,
    I1,
    OPTIONS,
    PIPE,
    STOP,
    make_room,
)
from shardopt.solvers.partition_schedule.schedule_kernels.level import (
    choose,
    compact,
    copy_state,
    make_level,
)
from shardopt.solvers.partition_schedule.schedule_kernels.states import dispatch, next_node, settle


@njit(
    nb.Tuple((nb.float64, nb.float64, nb.int64))(PIPE, F1, nb.float64, nb.int64, I1, STOP),
    **OPTIONS,
)
def search(pipe, arrival, limit, width, rows, stop):
    """Search for a schedule below ``limit``, with at most ``width`` states per level.

    Returns the best value (infinite if none), a lower bound of everything not below it, and the
    states expanded. ``rows`` receives the rows in the order of their dispatches. The bound is
    ``limit`` or the value where nothing was dropped.
    """
    makespan, tokens, flops, _, _, _, _, speed, first, _, _ = pipe
    requests, nodes, tiers = len(arrival), len(speed), len(flops)
    capacity = 4 * width + requests + 64
    room = make_room(tiers, requests, nodes)
    level, children = make_level(width, requests, nodes), make_level(capacity, requests, nodes)
    chosen = np.empty(width, dtype=np.int64)
    marked = np.zeros(capacity, dtype=np.uint8)
    log_before, log_row = np.empty(1024, dtype=np.int64), np.empty(1024, dtype=np.int64)
    stage, ready, free = np.zeros(requests, dtype=np.int64), arrival.copy(), np.zeros(nodes)
    parent_stage, parent_ready, parent_free = stage.copy(), ready.copy(), free.copy()
    who, where = np.zeros(requests, dtype=np.int64), np.zeros(nodes, dtype=np.int64)

    bound = state_bound(pipe, stage, ready, free, 0.0, limit, room)
    if bound >= limit:
        return np.inf, limit, 0
    settle(pipe, stage, ready, free, room[0])
    level[0][0], level[1][0], level[2][0] = 0, ready, free
    level[3][0], level[4][0], level[5][0], level[6][0] = 0.0, bound, -1, -1
    count, logged, expanded, dropped = 1, 0, 0, np.inf

    for _ in range(requests * tiers):
        if logged + count > len(log_before):
            larger = 2 * (logged + count)
            log_before = np.concatenate((log_before, np.empty(larger, dtype=np.int64)))
            log_row = np.concatenate((log_row, np.empty(larger, dtype=np.int64)))
        made = 0
        for s in range(count):
            log_before[logged + s], log_row[logged + s] = level[5][s], level[6][s]
            if made + requests > capacity:
                kept, least = choose(children, made, width, tiers, makespan, chosen)
                dropped = min(dropped, least)
                made = compact(children, made, chosen, kept, marked)
            expanded += 1
            for r in range(requests):
                parent_stage[r] = level[0][s, r]
            parent_ready[:] = level[1][s]
            parent_free[:] = level[2][s]
            j, k, end = next_node(pipe, parent_stage, parent_ready, parent_free)
            idle = np.inf
            for other in range(first[j], first[j + 1]):
                if other != k:
                    idle = min(idle, parent_free[other])
            for r in range(requests):
                if parent_stage[r] != j or max(parent_ready[r], parent_free[k]) >= end:
                    continue
                equal = r > 0 and tokens[r - 1] == tokens[r] and parent_stage[r - 1] == j
                if equal and parent_ready[r] <= max(idle, parent_ready[r - 1]):
                    continue  # an equal one came first, and starts nowhere before this one is there
                if stop[0]:
                    break
                stage[:] = parent_stage
                ready[:] = parent_ready
                free[:] = parent_free
                cost = dispatch(pipe, stage, ready, free, level[3][s], r, k, who, where)
                bound = state_bound(pipe, stage, ready, free, cost, limit, room)
                bound = max(bound, level[4][s])
                if bound >= limit:
                    continue
                settle(pipe, stage, ready, free, room[0])
                for i in range(requests):
                    children[0][made, i] = stage[i]
                children[1][made] = ready
                children[2][made] = free
                children[3][made], children[4][made] = cost, bound
                children[5][made], children[6][made] = logged + s, r
                made += 1
            if stop[0]:  # what was not expanded leads to nothing below its own bound
                for other in range(s, count):
                    dropped = min(dropped, level[4][other])
                for i in range(made):
                    dropped = min(dropped, children[4][i])
                return np.inf, min(limit, dropped), expanded
        logged += count
        count, least = choose(children, made, width, tiers, makespan, chosen)
        dropped = min(dropped, least)
        for i in range(count):
            copy_state(children, chosen[i], level, i)
        if count == 0:
            return np.inf, min(limit, dropped), expanded
    best = 0
    for s in range(count):
        if level[3][s] < level[3][best]:
            best = s
    value, at = level[3][best], level[5][best]
    rows[requests * tiers - 1] = level[6][best]
    for i in range(requests * tiers - 2, -1, -1):
        rows[i] = log_row[at]
        at = log_before[at]
    return value, min(value, dropped), expanded
