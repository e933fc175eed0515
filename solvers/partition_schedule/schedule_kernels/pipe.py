"""`partition-schedule`: the tiers under given cuts."""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.partition_schedule.schedule_kernels.layout import FRAME, I1, OPTIONS, PIPE


@njit(PIPE(FRAME, I1, nb.int64), **OPTIONS)
def make_pipe(frame, cuts, depth):
    """Describe the tiers under the first ``depth`` cuts; what is beyond them is pooled.

    Service per token is infinite where no node is eligible.
    """
    makespan, tokens, _, before, activation, latencies, bandwidth = frame[:7]
    node_speed, memory_class, node_first, reach, lone, rest_speed, before_low = frame[7:]
    all_tiers, blocks = len(node_first) - 1, len(activation)
    complete = depth == all_tiers - 1
    tiers = depth + 1
    flops, latency, transfer = np.zeros(tiers), np.zeros(tiers), np.zeros(tiers)
    service, pooled = np.full(tiers, np.inf), np.zeros(tiers)
    first = np.zeros(tiers + 1, dtype=np.int64)
    speed = np.empty(len(node_speed))
    count = 0
    for j in range(tiers):
        start = 0 if j == 0 else cuts[j - 1]
        last = j == depth
        stop = blocks if last else cuts[j]
        flops[j] = (before[stop] - before[start]) + (before_low[stop] - before_low[start])
        if last and not complete:
            pooled[j] = 1.0
            service[j] = lone[j, start]
            for i in range(len(node_speed) - node_first[j]):
                speed[count] = rest_speed[j, i]
                count += 1
            for i in range(j, all_tiers - 1):
                latency[j] += latencies[i]
        else:
            for k in range(node_first[j], node_first[j + 1]):
                if stop <= reach[memory_class[k], start]:
                    speed[count] = node_speed[k]
                    count += 1
            if count > first[j]:
                service[j] = flops[j] / speed[first[j]]
            if not last:
                latency[j] = latencies[j]
                transfer[j] = activation[stop - 1] / bandwidth[j]
        first[j + 1] = count
    tail_token, tail_s = np.zeros(tiers), np.zeros(tiers)
    tail_s[depth] = latency[depth]
    for j in range(depth - 1, -1, -1):
        tail_token[j] = tail_token[j + 1] + transfer[j] + service[j + 1]
        tail_s[j] = tail_s[j + 1] + latency[j]
    return (
        makespan,
        tokens,
        flops,
        latency,
        transfer,
        service,
        pooled.astype(np.int64),
        speed[:count],
        first,
        tail_token,
        tail_s,
    )
