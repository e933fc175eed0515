"""What is kept of each request, a few numbers, and the metrics that follow from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from shardopt.models.requests import FloatArray, IntArray
from shardopt.solvers.online.events import SAME_TIME_S
from shardopt.solvers.online.timeline import timeline

BATCHES = 20
T_95 = 2.0930
"""Student's t for `BATCHES` means, two-sided 95%."""


class Record:
    """The times of all requests by their number; NaN for those that were rejected.

    Attributes
    ----------
    arrival_s, wait_s, first_token_s, total_s
        ``float[request]``: when it arrives, and how long it takes from then on to the start of
        its service, to its first token and to its end.
    hops
        ``int[request]``, nodes that it visits.
    restarts
        How often a request had to start again.
    """

    def __init__(self, arrival_s: FloatArray) -> None:
        count = len(arrival_s)
        self.arrival_s = arrival_s
        self.wait_s = np.full(count, np.nan)
        self.first_token_s = np.full(count, np.nan)
        self.total_s = np.full(count, np.nan)
        self.hops = np.zeros(count, dtype=np.int64)
        self.restarts = 0

    def metrics(self, output_tokens: IntArray | FloatArray) -> dict[str, Any]:
        """Return counts, means and percentiles; ``None`` where nothing was completed.

        ``timeline`` beside them is what pictures are made of.
        """
        done = ~np.isnan(self.total_s)
        total = self.total_s[done]
        summary: dict[str, Any] = {
            "completed": int(done.sum()),
            "rejected": int((~done).sum()),
            "per_token_s": _ratio(total.sum(), output_tokens[done].sum()),
        }
        summary |= _spread("session", total, {"mean": None, "p99": 99.0})
        ttft = self.first_token_s[done]
        summary |= _spread("ttft", ttft, {"mean": None, "p50": 50.0, "p99": 99.0})
        summary |= _spread("wait", self.wait_s[done], {"mean": None, "p99": 99.0})
        summary["max_concurrent"] = self._max_concurrent(done)
        summary["mean_hops"] = _ratio(self.hops[done].sum(), total.size)
        summary["restarts"] = self.restarts
        summary["timeline"] = timeline(self.arrival_s, self.wait_s, self.total_s)
        return summary

    def span_s(self) -> float:
        """Return the time from the first arrival to the last end; 0 if nothing was completed."""
        done = ~np.isnan(self.total_s)
        if not done.any():
            return 0.0
        return float((self.arrival_s[done] + self.total_s[done]).max() - self.arrival_s[0])

    def _max_concurrent(self, done: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
        """Return the most in the system just after an arrival, those that wait included."""
        arrival = self.arrival_s[done]
        ended = np.sort(arrival + self.total_s[done])
        arrived = np.arange(1, arrival.size + 1)
        in_system = arrived - np.searchsorted(ended, arrival + SAME_TIME_S, side="right")
        return int(in_system.max(initial=0))


def paired(first: FloatArray, other: FloatArray) -> dict[str, Any]:
    """Return how much longer the same requests take under another policy, on average.

    With a 95% confidence interval from the means of batches of successive requests:
    single requests depend on those before them. NaN marks requests that were rejected.
    """
    difference = (other - first)[~np.isnan(other - first)]
    found: dict[str, Any] = {"requests": difference.size, "mean_s": None, "low_s": None}
    found["high_s"] = None
    if difference.size:
        found["mean_s"] = float(difference.mean())
    if difference.size >= 2 * BATCHES:
        means = np.array([batch.mean() for batch in np.array_split(difference, BATCHES)])
        half = T_95 * float(means.std(ddof=1)) / BATCHES**0.5
        found["low_s"], found["high_s"] = found["mean_s"] - half, found["mean_s"] + half
    return found


def _spread(name: str, values: FloatArray, wanted: dict[str, float | None]) -> dict[str, Any]:
    """Return the mean (for ``None``) and percentiles, interpolated linearly."""
    if not values.size:
        return {f"{name}_{key}_s": None for key in wanted}
    return {
        f"{name}_{key}_s": float(values.mean() if p is None else np.percentile(values, p))
        for key, p in wanted.items()
    }


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
