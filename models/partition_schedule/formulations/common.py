"""`partition-schedule`: what several formulations need beside the tables."""

from __future__ import annotations

import numpy as np

from shardopt.models.partition_schedule.data import Solution
from shardopt.models.partition_schedule.tables import Cuts, FloatArray, IntArray, Tables


def plan_in_order(tables: Tables, cuts: Cuts, node: IntArray, when: FloatArray) -> Solution:
    """Return the plan in which each node serves its requests by rising ``when[r, j]``.

    Starts are computed anew, as early as possible: a backend's own are right within its
    tolerances only.
    """
    ready = tables.arrival_s.copy()
    start = np.empty(node.shape)
    for j, (a, b) in enumerate(tables.runs(cuts)):
        service = tables.service_s(j, a, b)
        free = np.zeros(len(tables.speed[j]))
        for r in np.lexsort((ready, when[:, j])):
            k = node[r, j]
            start[r, j] = max(ready[r], free[k])
            free[k] = ready[r] = start[r, j] + service[r, k]
        if j < len(cuts):
            ready += tables.transfer_s(j, cuts[j])
    return tables.to_solution(cuts, node, start)


def layout(tables: Tables, solution: Solution) -> tuple[Cuts, IntArray, FloatArray]:
    """Return a plan's cuts, and its ``node[r, j]`` and ``start[r, j]`` since the first arrival."""
    place = {name: k for names in tables.nodes for k, name in enumerate(names)}
    node = np.empty((tables.request_count, tables.tier_count), dtype=np.int64)
    start = np.empty(node.shape)
    for served in solution.assignments:
        node[served.request] = [place[name] for name in served.nodes]
        start[served.request] = served.start_s
    return tuple(int(cut) for cut in solution.cuts), node, start - tables.origin_s
