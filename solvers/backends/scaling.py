"""Costs scaled up, because backends prune with absolute tolerances.

HiGHS drops every solution that is not better than its incumbent by 1e-6, CBC by its
``increment``, and CBC prints its bound with few decimals: on an optimum near 0.07 that is far
from a relative 1e-6. A power of two changes no digit of the costs.
"""

from __future__ import annotations

import math

import numpy as np

from shardopt.models.linear import FloatArray

_LARGEST_COST = 1024.0


def cost_factor(cost: FloatArray) -> float:
    """Return the power of two, at least 1, that lifts the largest cost to 1024 or more."""
    largest = float(np.abs(cost).max(initial=0.0))
    if largest == 0.0 or largest >= _LARGEST_COST:
        return 1.0
    return 2.0 ** math.ceil(math.log2(_LARGEST_COST / largest))
