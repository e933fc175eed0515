"""`partition-schedule`: compiled sweeps over cuts whose stages stay below a limit.

Explicit signatures make the import of this module the compilation; numba caches it on disk.

``a`` and ``b`` are cuts, so that a run is ``[a, b)``. ``stages`` says how long each tier takes
for a run. Adding blocks to a run, at either end, never makes its stage smaller: of all cuts
from which the rest can be reached, the nearest is best, and the runs below a limit that end at
``b`` begin in an interval (spec section 4.3).
"""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

_F1, _F2 = nb.float64[::1], nb.float64[:, ::1]
_I1, _R2 = nb.int64[::1], nb.int32[:, ::1]
STAGES = nb.Tuple((nb.float64, _F1, _F1, _F1, _I1, _R2))
"""tokens; prefix sums of FLOP per token, and what rounding took off them; speed of each step,
first step of each tier (one more for the end), reach[step, a]: last cut up to which a run from
``a`` fits. Steps of a tier go from small memories and high speeds to large and low."""

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit(nb.float64(STAGES, nb.int64, nb.int64, nb.int64), **_OPTIONS)
def stage_s(stages, j, a, b):
    """Return t_j(a, b): the time on the fastest node with enough memory, infinite if none has."""
    tokens, before, rounded_off, speed, first, reach = stages
    low, high = first[j], first[j + 1]
    while low < high:
        middle = (low + high) // 2
        if reach[middle, a] >= b:
            high = middle
        else:
            low = middle + 1
    if low == first[j + 1]:
        return np.inf
    work = (before[b] - before[a]) + (rounded_off[b] - rounded_off[a])
    return tokens * work / speed[low]


@njit(nb.float64(STAGES, nb.float64, _R2, _I1), **_OPTIONS)
def first_cuts_below(stages, limit, after, cuts):
    """Write the lexicographically smallest cuts with all stages <= ``limit``.

    ``after[j, a]`` is scratch: the nearest cut at which tier j, starting with block ``a``, can
    stop so that the tiers beyond it can take the rest; 0 if there is none.

    Returns the largest stage, infinite if there are no such cuts.
    """
    tiers, blocks = after.shape[0], after.shape[1] - 1
    for a in range(blocks):
        after[tiers - 1, a] = blocks if stage_s(stages, tiers - 1, a, blocks) <= limit else 0
    for j in range(tiers - 2, -1, -1):
        nearest = 0
        after[j, blocks - 1] = 0
        for a in range(blocks - 2, -1, -1):
            if after[j + 1, a + 1] > 0:
                nearest = a + 1
            reached = nearest > 0 and stage_s(stages, j, a, nearest) <= limit
            after[j, a] = nearest if reached else 0
    if after[0, 0] == 0:
        return np.inf
    largest, a = 0.0, 0
    for j in range(tiers):
        b = after[j, a]
        largest = max(largest, stage_s(stages, j, a, b))
        if j + 1 < tiers:
            cuts[j] = b
        a = b
    return largest


@njit(nb.UniTuple(nb.float64, 2)(STAGES, _F2, nb.float64, _R2, _I1), **_OPTIONS)
def cheapest_below(stages, send, limit, begin, cuts):
    """Write the cuts of least transfers with all stages <= ``limit``.

    ``send[j, b]`` is what the transfer from tier j to the next costs at cut ``b``. ``begin[j, b]``
    is scratch: the best first block of tier j where its run ends at ``b``.

    Returns the largest stage and the sum of transfers, both infinite if there are no such cuts.
    """
    tiers, blocks = begin.shape[0], begin.shape[1] - 1
    cost = np.full(blocks + 1, np.inf)
    for b in range(1, blocks + 1):
        begin[0, b] = 0
        if stage_s(stages, 0, 0, b) <= limit:
            cost[b] = 0.0
    arrive = np.empty(blocks + 1)
    queue = np.empty(blocks + 1, dtype=np.int64)  # first blocks, their ``arrive`` rising
    for j in range(1, tiers):
        for a in range(1, blocks):
            arrive[a] = cost[a] + send[j - 1, a]
        cost[:] = np.inf
        head, tail, oldest = 0, 0, 1
        for b in range(2, blocks + 1):
            a = b - 1
            if np.isfinite(arrive[a]):
                while tail > head and arrive[queue[tail - 1]] > arrive[a]:
                    tail -= 1
                queue[tail] = a
                tail += 1
            while oldest < b and stage_s(stages, j, oldest, b) > limit:
                oldest += 1
            while head < tail and queue[head] < oldest:
                head += 1
            if head < tail:
                cost[b] = arrive[queue[head]]
                begin[j, b] = queue[head]
    if not np.isfinite(cost[blocks]):
        return np.inf, np.inf
    largest, b = 0.0, blocks
    for j in range(tiers - 1, -1, -1):
        a = begin[j, b]
        largest = max(largest, stage_s(stages, j, a, b))
        if j > 0:
            cuts[j - 1] = a
        b = a
    return largest, cost[blocks]
