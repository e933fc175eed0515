"""Measured times of a block, and the two rates that explain them best."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shardopt.profile.roofline import Rates, Work

FloatArray = NDArray[np.float64]
Phase = Literal["prefill", "decode"]
MOST_ABOVE = 10
"""A rate is at most so many times what any row reached: noise must not make it infinite."""


@dataclass(frozen=True)
class Timing:
    """One step of a block, measured several times.

    ``tokens`` are those of the prompt, or those that a decode step looks back at; ``fitted``
    tells whether the rates come from this row, or whether it is one to test them with.
    """

    phase: Phase
    tokens: int
    fitted: bool
    work: Work
    times_s: Sequence[float]

    @property
    def median_s(self) -> float:
        """The median."""
        return statistics.median(self.times_s)

    @property
    def spread(self) -> float:
        """The distance between the quartiles, as a share of the median."""
        return relative_spread(self.times_s)

    def error(self, rates: Rates) -> float:
        """Return how far a prediction is off, as a share of what was measured."""
        return rates.seconds(self.work) / self.median_s - 1


def relative_spread(values: Sequence[float]) -> float:
    """Return the distance between the quartiles, as a share of the median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle


def fit(timings: Sequence[Timing]) -> Rates:
    """Return the rates with the least sum of squared logarithms of predicted over measured.

    A row that is twice too slow counts as much as one twice too fast; rows that are far off count
    less than their square (a soft L1 loss), as a machine that does other things makes some.
    """
    from scipy.optimize import least_squares

    rows = [timing for timing in timings if timing.fitted]
    work = np.array([[t.work.flops, t.work.read_bytes] for t in rows])
    measured = np.array([t.median_s for t in rows])
    # cost[flop, byte] in seconds, at most that of the row that reached most
    most = (measured[:, None] / work).min(axis=0)

    def off_by(log_cost: FloatArray) -> FloatArray:
        logs: FloatArray = np.log(work @ np.exp(log_cost) / measured)
        return logs

    bounds = (np.log(most / MOST_ABOVE), np.log(2 * most))
    found = least_squares(off_by, np.log(most / 2), bounds=bounds, loss="soft_l1", f_scale=0.1)
    flops_per_s, bytes_per_s = np.exp(-found.x)
    return Rates(float(flops_per_s), float(bytes_per_s))
