"""`partition-schedule`: when each request waits, is served and is on its way, as arrays to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.evaluate import timeline

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FAR_S = 1e90


@dataclass(frozen=True)
class Spans:
    """A plan's times, in seconds since the first arrival; arrays are ``[request, tier]``.

    A request is ready on a tier when it has arrived there, waits until its start, and is served
    until its end. ``node`` counts within the tier. A broken plan may start before it is ready.
    """

    runs: tuple[tuple[int, int], ...]
    weights_bytes: tuple[int, ...]
    node: Ints
    ready_s: Floats
    start_s: Floats
    end_s: Floats

    @property
    def last_s(self) -> float:
        """Return when the last request is completed."""
        return float(max(self.end_s.max(), 0.0))

    @property
    def wait_s(self) -> Floats:
        """Return how long each request waits on each tier."""
        wait: Floats = np.maximum(self.start_s - self.ready_s, 0.0)
        return wait


def make_spans(instance: Instance, solution: Solution) -> Spans:
    """Put a plan's times in order of requests. The plan must be one that can be drawn."""
    times = timeline(instance, solution)
    order = np.argsort([assignment.request for assignment in solution.assignments])
    tiers = [len(tier.nodes) for tier in instance.tiers]
    # No picture can show a start of 1e308 s, which is bad but allowed.
    start_s = times.start_s[order].clip(-_FAR_S, _FAR_S)
    end_s = times.end_s[order].clip(-_FAR_S, _FAR_S)
    ready_s = np.empty_like(start_s)
    ready_s[:, 0] = times.arrival_s[order]
    ready_s[:, 1:] = end_s[:, :-1] + times.transfer_s[order]
    # Nobody waits for a rounding error.
    at_once = np.abs(start_s - ready_s) <= 1e-9 * np.abs(end_s).max()
    ready_s[at_once] = start_s[at_once]
    return Spans(
        runs=times.runs,
        weights_bytes=tuple(
            sum(b.weight_bytes for b in instance.blocks[a:b]) for a, b in times.runs
        ),
        node=times.node[order] - np.cumsum([0, *tiers[:-1]]),
        ready_s=ready_s,
        start_s=start_s,
        end_s=end_s,
    )


def present(start_s: Floats, end_s: Floats, edges_s: Floats) -> Ints:
    """Return how many of the intervals lie at least partly in each column of time.

    Column c is ``[edges_s[c], edges_s[c + 1])``; intervals of no length are left out.
    """
    real = end_s > start_s
    began = np.searchsorted(np.sort(start_s[real]), edges_s[1:], "left")
    ended = np.searchsorted(np.sort(end_s[real]), edges_s[:-1], "right")
    counts: Ints = began - ended
    return counts


def busy_share(start_s: Floats, end_s: Floats, edges_s: Floats) -> Floats:
    """Return which share of each column of time the intervals take."""
    taken_s = np.diff(_passed(start_s, edges_s) - _passed(end_s, edges_s))
    share: Floats = np.clip(taken_s / np.diff(edges_s), 0.0, 1.0)
    return share


def _passed(moments_s: Floats, edges_s: Floats) -> Any:
    """Return the sum of ``max(0, edge - moment)`` over all moments, for each edge."""
    ordered = np.sort(moments_s)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    before = np.searchsorted(ordered, edges_s, "left")
    return before * edges_s - sums[before]


def columns_s(last_s: float, count: int) -> Floats:
    """Return the edges of ``count`` equal columns of time, also where all happens at once."""
    edges: Floats = np.linspace(0.0, last_s or 1.0, count + 1)
    return edges


def shown_nodes(instance: Instance, spans: Spans, most: int) -> list[list[int]]:
    """Return the nodes of each tier that a picture has rows for, about ``most`` in all.

    All nodes if there are no more; otherwise the first of each tier among those in use.
    """
    if sum(len(tier.nodes) for tier in instance.tiers) <= most:
        return [list(range(len(tier.nodes))) for tier in instance.tiers]
    share = max(1, most // len(instance.tiers))
    return [np.unique(spans.node[:, j])[:share].tolist() for j in range(len(instance.tiers))]


def hidden_nodes(instance: Instance, spans: Spans, j: int, shown: list[int]) -> str:
    """Say in words which nodes of tier j have no row, empty if all have."""
    hidden = len(instance.tiers[j].nodes) - len(shown)
    if not hidden:
        return ""
    used = len(np.unique(spans.node[:, j])) - len(np.intersect1d(spans.node[:, j], shown))
    return f"{hidden} more nodes, {used} of them in use"
