"""`partition-schedule`: when a request is on a tier in any plan as good as a known one (ours).

A small relaxation: a request that is alone, on each tier's fastest node, without regard to
memory, is no later than in any plan. The tightest big-M and the domains come from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shardopt.models.partition_schedule.bounds import alone_per_token
from shardopt.models.partition_schedule.tables import Cuts, FloatArray, Tables

RELATIVE_MARGIN = 1e-9
"""Windows are wider by this share of the whole time: ties and roundings survive."""


@dataclass(frozen=True)
class Windows:
    """Seconds since the arrival of each request: ``start[r, j]`` or later, ``end[r, j]`` or sooner.

    ``end`` is for plans no worse than the known one. ``least[r, j]`` is the least service.
    """

    start: FloatArray
    end: FloatArray
    least: FloatArray

    @property
    def horizon_s(self) -> FloatArray:
        """``float[R]``: the latest completion since the arrival."""
        horizon: FloatArray = self.end[:, -1]
        return horizon


def windows(tables: Tables, upper_bound: float | None, cuts: Cuts | None = None) -> Windows:
    """Return the windows of plans whose objective is at most ``upper_bound`` seconds.

    Parameters
    ----------
    upper_bound
        Without one, windows hold some optimal plan: at worst all requests in a row.
    cuts
        Only plans with these cuts count, and each of their runs fits on some node.
    """
    if cuts is None:
        head, least, tail = _lone(tables)
        alone = float(tables.latency.sum()) + tables.tokens * alone_per_token(tables)
    else:
        head, least, tail = _lone_under(tables, cuts)
        alone = head[:, -1] + least[:, -1]
    horizon = _horizon(tables, upper_bound, alone)
    margin = RELATIVE_MARGIN * float((tables.arrival_s + horizon).max())
    start = np.maximum(head - margin, 0.0)
    return Windows(start, horizon[:, None] - tail + margin, least)


def _horizon(tables: Tables, upper_bound: float | None, alone: FloatArray) -> FloatArray:
    """Return ``float[R]``: the latest completion of each request, since its arrival."""
    arrival = tables.arrival_s
    if tables.instance.objective == "bottleneck":
        return np.array([longest_s(tables) if upper_bound is None else upper_bound])
    if upper_bound is None:
        return arrival.max() - arrival + longest_s(tables)
    if tables.instance.objective == "makespan":
        return np.asarray(upper_bound - arrival)
    # Every other request has at least the latency that it has alone.
    return np.asarray(tables.request_count * upper_bound - (alone.sum() - alone))


def longest_s(tables: Tables) -> float:
    """Return at least the time in which all requests are served one after the other."""
    slowest = min(float(speed.min()) for speed in tables.speed)
    largest = float(tables.activation.max())
    per_token = float(tables.flops_before[-1]) / slowest + float((largest / tables.bandwidth).sum())
    return float(tables.tokens.sum()) * per_token + len(tables.tokens) * float(tables.latency.sum())


def _lone(tables: Tables) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return ``[r, j]`` the least time before tier j, on it, and after it.

    Service and transfer are in proportion to the tokens, so one pass over tiers and cuts in
    each direction, per token, serves all requests.
    """
    count, tiers, before = tables.block_count, tables.tier_count, tables.flops_before
    fastest = np.array([float(speed.max()) for speed in tables.speed])
    handed = np.append(0.0, tables.activation) / np.append(tables.bandwidth, np.inf)[:, None]
    until, head = np.full(count + 1, np.inf), np.zeros(tiers)  # until[cut]: tier j is reached
    until[0] = 0.0
    for j in range(tiers - 1):
        served = np.minimum.accumulate(until - before / fastest[j])[:-1] + before[1:] / fastest[j]
        until = np.append(np.inf, served) + handed[j]
        head[j + 1] = max(0.0, until.min())
    after, tail = np.full(count + 1, np.inf), np.zeros(tiers)  # after[cut]: tier j has ended
    after[count] = 0.0
    for j in range(tiers - 1, 0, -1):
        ends = (after + before / fastest[j])[::-1]
        served = np.minimum.accumulate(ends)[::-1][1:] - before[:-1] / fastest[j]
        after = np.append(served, np.inf) + handed[j - 1]
        tail[j - 1] = max(0.0, after.min())
    work = before[-1] if tiers == 1 else np.diff(before).min()
    passed = np.append(0.0, np.cumsum(tables.latency))
    tokens = tables.tokens[:, None]
    return (
        passed + tokens * head,
        tokens * work / fastest,
        passed[-1] - passed + tokens * tail,
    )


def _lone_under(tables: Tables, cuts: Cuts) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the same where the cuts are known."""
    runs = tables.runs(cuts)
    least = np.stack([tables.service_s(j, *run).min(axis=1) for j, run in enumerate(runs)], axis=1)
    transfer = np.zeros(least.shape)
    for j, cut in enumerate(cuts):
        transfer[:, j] = tables.transfer_s(j, cut)
    passed = np.cumsum(least + transfer, axis=1)
    head = passed - least - transfer
    return head, least, passed[:, -1:] - head - least
