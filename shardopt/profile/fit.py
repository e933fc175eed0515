"""Measured times of a block, and the two rates that explain them best."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shardopt.profile.roofline import Rates, Work

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
    """Return the rates with the least sum of squared relative errors over the fitted rows.

    The time is linear in what a byte and a FLOP cost, so this is a linear problem.
    """
    from scipy.optimize import lsq_linear

    rows = [timing for timing in timings if timing.fitted]
    # share[row, cost]: what a second per FLOP, or per byte, makes of the measured time
    share = np.array([[t.work.flops, t.work.read_bytes] for t in rows])
    share = share / np.array([[t.median_s] for t in rows])
    scale = share.max(axis=0)  # the best rates that a row reached
    least = 1 / MOST_ABOVE
    found = lsq_linear(share / scale, np.ones(len(rows)), bounds=(least, np.inf))
    flops_per_s, bytes_per_s = scale / found.x
    return Rates(float(flops_per_s), float(bytes_per_s))
