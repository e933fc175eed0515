"""`cold-start`: what a run waits for: senders that none is better than, and slack in loading."""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.cold_start.kernels.layout import F1, OPTIONS


@njit(nb.int64(F1, F1, nb.int64, nb.float64, nb.float64), **OPTIONS)
def insert(list_x, list_s, size, x, s):
    """Add (x, s) to a Pareto list of small x and small s; return the new size.

    A sender with finish V and transfer X gives ``max(Load + X, V + X) + Comp``: with x = X and
    s = V + X one sender is never better than another whose x and s are both at most its own.
    """
    kept = 0
    for i in range(size):
        if list_x[i] <= x and list_s[i] <= s:
            return size
        if list_x[i] < x or list_s[i] < s:
            list_x[kept], list_s[kept] = list_x[i], list_s[i]
            kept += 1
    list_x[kept], list_s[kept] = x, s
    return kept + 1


@njit(nb.int64(F1, F1, nb.int64, nb.float64, nb.float64), **OPTIONS)
def insert_large(list_r, list_s, size, r, s):
    """Add (r, s) to a Pareto list of large r and large s; return the new size."""
    kept = 0
    for i in range(size):
        if list_r[i] >= r and list_s[i] >= s:
            return size
        if list_r[i] > r or list_s[i] > s:
            list_r[kept], list_s[kept] = list_r[i], list_s[i]
            kept += 1
    list_r[kept], list_s[kept] = r, s
    return kept + 1


@njit(nb.float64(F1, F1, nb.float64, nb.float64, nb.int64, nb.int64), **OPTIONS)
def slack_of(work, weight, inv_c, inv_r, a, b):
    """Return ``G(a,b) - Comp(a,b)`` = max over i in the run of [ Load(a,i+1) - Comp(a,i) ]."""
    slack = -np.inf
    for i in range(a, b):
        slack = max(slack, (weight[i + 1] - weight[a]) * inv_r - (work[i] - work[a]) * inv_c)
    return slack
