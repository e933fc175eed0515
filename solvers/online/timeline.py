"""What a run looks like over time: a few hundred numbers, however many requests there were."""

from __future__ import annotations

from typing import Any

import numpy as np

from shardopt.models.requests import FloatArray

BINS = 200
MOST_POINTS = 500
WINDOWS = 100
LEAST_IN_WINDOW = 20


def timeline(arrival_s: FloatArray, wait_s: FloatArray, total_s: FloatArray) -> dict[str, Any]:
    """Return numbers in the system and waits over time, as lists that go into JSON.

    Waits count from the arrival, as if nobody waited later on. NaN marks rejected requests.

    Returns
    -------
    dict
        ``edges_s`` of equal spans of time; in each of them the mean numbers ``in_system`` and
        ``waiting``, and how many arrivals were ``rejected``. ``points``: arrival and wait of
        every request, or of some that are evenly spread. ``running``: median and 95th percentile
        of the waits of successive requests, by the arrival of the middle one.
    """
    done = ~np.isnan(total_s)
    arrival, wait = arrival_s[done], wait_s[done]
    end = np.sort(arrival + total_s[done])
    last_s = max(float(arrival_s[-1]), float(end.max(initial=0.0)))
    edges = np.linspace(float(arrival_s[0]), last_s, BINS + 1)
    chosen = np.linspace(0, arrival.size - 1, min(arrival.size, MOST_POINTS)).round().astype(int)
    arrived = _held(arrival, edges)
    return {
        "edges_s": edges.tolist(),
        "in_system": _mean(arrived - _held(end, edges), edges),
        "waiting": _mean(arrived - _held(np.sort(arrival + wait), edges), edges),
        "rejected": np.histogram(arrival_s[~done], edges)[0].tolist(),
        "points": {"arrival_s": arrival[chosen].tolist(), "wait_s": wait[chosen].tolist()},
        "running": _running(arrival, wait),
    }


def _held(times_s: FloatArray, edges_s: FloatArray) -> FloatArray:
    """Return the integral up to each edge of how many of the sorted times have passed."""
    sums = np.concatenate([[0.0], np.cumsum(times_s - edges_s[0])])
    passed = np.searchsorted(times_s, edges_s, side="right")
    held: FloatArray = passed * (edges_s - edges_s[0]) - sums[passed]
    return held


def _mean(integral: FloatArray, edges_s: FloatArray) -> list[float]:
    width_s = float(edges_s[1] - edges_s[0])
    if width_s <= 0.0:
        return [0.0] * (len(edges_s) - 1)
    means: list[float] = np.maximum(np.diff(integral) / width_s, 0.0).tolist()
    return means


def _running(arrival_s: FloatArray, wait_s: FloatArray) -> dict[str, list[float]]:
    """Return percentiles over windows that move on by a part of their width."""
    count = arrival_s.size
    width = max(LEAST_IN_WINDOW, count // 25)
    starts = np.unique(np.linspace(0, max(0, count - width), WINDOWS).round().astype(int))
    if count < width:
        starts = starts[:0]
    found = [np.percentile(wait_s[n : n + width], (50, 95)).tolist() for n in starts]
    return {
        "arrival_s": arrival_s[starts + width // 2].tolist(),
        "p50_s": [low for low, _ in found],
        "p95_s": [high for _, high in found],
    }
