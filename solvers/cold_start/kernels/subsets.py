"""`cold-start`: labels over sets of devices, and how far each multiset reaches."""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.cold_start.kernels.layout import I1, I2, MODEL, OPTIONS, STOP


@njit(nb.int64(MODEL, nb.float64[:, :, ::1], STOP), **OPTIONS)
def subset_dp(model, value, stop):
    """Fill ``value[set, b, d]`` as published, eqs. (29)-(31) of arXiv 2508.11287.

    V(S,b,e) = min over 0 < a < b <= reach_e(a) and d in S without e of
    Phi_de(a, b; V(S without e, a, d)). ``value`` must come filled with infinity.
    Returns 1 when stopped early, else 0.
    """
    layerwise, work, weight, activation, inv_c, inv_r, inv_rate, latency, reach = model
    device_count, block_count = reach.shape
    # first[e, b]: the least a >= 1 with b <= reach_e(a); own[a, b] of one device: G.
    members = np.empty(device_count, dtype=np.int64)
    own = np.empty((block_count, block_count + 1))
    own_all = np.empty((device_count if layerwise else 0, block_count, block_count + 1))
    for e in range(own_all.shape[0]):
        for a in range(block_count):
            slack = -np.inf
            for b in range(a + 1, reach[e, a] + 1):
                load = (weight[b] - weight[a]) * inv_r[e]
                slack = max(slack, load - (work[b - 1] - work[a]) * inv_c[e])
                own_all[e, a, b] = slack + (work[b] - work[a]) * inv_c[e]
    for s in range(1, 1 << device_count):
        if stop[0]:
            return 1
        for e in range(device_count):
            rest = s & ~(1 << e)
            if rest == s:
                continue
            if layerwise:
                own = own_all[e]
            if rest == 0:
                for b in range(1, reach[e, 0] + 1):
                    comp = (work[b] - work[0]) * inv_c[e]
                    load = (weight[b] - weight[0]) * inv_r[e]
                    value[s, b, e] = own[0, b] if layerwise else load + comp
                continue
            count = 0
            for d in range(device_count):
                if rest & (1 << d):
                    members[count] = d
                    count += 1
            least = 1
            for b in range(2, block_count + 1):
                while least < b and reach[e, least] < b:
                    least += 1
                best = np.inf
                for a in range(least, b):
                    comp = (work[b] - work[a]) * inv_c[e]
                    load = (weight[b] - weight[a]) * inv_r[e]
                    for i in range(count):
                        d = members[i]
                        before = value[rest, a, d]
                        x = latency + activation[a - 1] * inv_rate[d, e]
                        if layerwise:
                            finish = max(before + x + comp, own[a, b])
                        else:
                            finish = max(load, before) + x + comp
                        best = min(best, finish)
                value[s, b, e] = best
    return 0


@njit(nb.int64(I2, I1, I1, I1, STOP), **OPTIONS)
def farthest(reach, available, place, far, stop):
    """Fill ``far[q]``: the most blocks that the devices counted by ``q`` can hold, in some order.

    far(S) = max over e in S of reach_e(far(S without e)), exact as reach never falls.
    Returns 1 when stopped early, else 0.
    """
    type_count, block_count = reach.shape
    far[0] = 0
    for q in range(1, far.shape[0]):
        if stop[0]:
            return 1
        best = 0
        for e in range(type_count):
            if (q // place[e]) % (available[e] + 1) > 0:
                before = far[q - place[e]]
                best = max(best, block_count if before == block_count else reach[e, before])
        far[q] = best
    return 0
