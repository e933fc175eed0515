"""`partition-schedule`: what the compiled kernels hand to each other, as numba types.

Times are relative to the first arrival. Rows are requests by (tokens, arrival). Nodes are
listed tier by tier, within a tier the fastest first.
"""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

F1, F2 = nb.float64[::1], nb.float64[:, ::1]
I1, I2 = nb.int64[::1], nb.int64[:, ::1]
STOP = nb.uint8[::1]

FRAME = nb.Tuple((nb.boolean, F1, F1, F1, F1, F1, F1, F1, I1, I1, nb.int32[:, ::1], F2, F2, F1))
"""An instance: makespan?, tokens[row], arrival[row], flops_before[cut], activation[block],
latency[link], bandwidth[link], speed[node], memory_class[node], first node of each tier (one
more for the end), reach[memory class, cut], lone[tier, cut]: least seconds per token from there
on, rest_speed[tier]: the speeds of all nodes from a tier on, falling, and what rounding took off
flops_before[cut]."""

PIPE = nb.Tuple((nb.boolean, F1, F1, F1, F1, F1, I1, F1, I1, F1, F1))
"""The tiers under given cuts, eligible nodes only: makespan?, tokens[row], and per tier: FLOP
per token, latency to the next tier, seconds of transfer per token, seconds of service per token
on the fastest node, pooled?; speed[node], first node of each tier (one more for the end); per
tier what is left after it: seconds per token, seconds.

The last tier may be *pooled*: it stands for all tiers beyond a prefix of cuts, every node of
them in one tier."""

ROOM = nb.Tuple((F2, F2, F1, I1, F1, F1, F1, F1, F1, F1, F1, I1, I1, F1))
"""head[tier, row], own[tier, row], and scratch for one tier; see `make_room`."""

STAGES = nb.int8[:, ::1]
LEVEL = nb.Tuple((STAGES, F2, F2, F1, F1, I1, I1))
"""States: stage, ready, free, cost, bound, number of the state before, row dispatched."""

FEW = 64
"""Up to so many jobs the quadratic bounds are worth their time."""


@njit(ROOM(nb.int64, nb.int64, nb.int64), **OPTIONS)
def make_room(tiers, requests, nodes):
    """Return scratch for `state_bound`, to be used again and again."""
    n = requests + 1
    return (
        np.zeros((tiers, n)),  # head: earliest arrival of a request at a tier
        np.zeros((tiers, n)),  # own: earliest end of its service there
        np.zeros(n),  # lone: earliest end at the last tier
        np.zeros(n, dtype=np.int64),  # jobs of the tier, by head
        np.zeros(n),  # their heads
        np.zeros(n),  # their works
        np.zeros(n),  # done: the i-th completion is at least this
        np.zeros(n),  # came: completions of the tier before, arrived here
        np.zeros(n),  # heap
        np.zeros(n),  # sums
        np.zeros(n),  # span
        np.zeros(n, dtype=np.int64),  # queue
        np.zeros(2 * nodes, dtype=np.int64),  # places per node, and how many are taken
        np.zeros(nodes),  # node times
    )
