"""`partition-schedule`: when a request is on a tier in any plan as good as a known one (ours).

A small relaxation: a request that is alone, on each tier's fastest node, without regard to
memory, is no later than in any plan. The tightest big-M and the domains come from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    head, least, tail, alone = _lone(tables) if cuts is None else _lone_at(tables, cuts)
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
    # Every other request has a latency of at least its time alone.
    return np.asarray(tables.request_count * upper_bound - (alone.sum() - alone))


def longest_s(tables: Tables) -> float:
    """Return at least the time in which all requests are served one after the other."""
    slowest = min(float(speed.min()) for speed in tables.speed)
    largest = float(tables.activation.max())
    per_token = float(tables.flops_before[-1]) / slowest + float((largest / tables.bandwidth).sum())
    return float(tables.tokens.sum()) * per_token + len(tables.tokens) * float(tables.latency.sum())


def _lone(tables: Tables) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return head, least service and tail ``[r, j]``, and the whole time alone ``[r]``.

    Service and transfer are in proportion to the tokens, so one forward and one backward pass
    over the cuts, per token, give the least times of all requests.
    """
    count, tiers = tables.block_count, tables.tier_count
    fastest = [float(speed.max()) for speed in tables.speed]
    until = np.full((tiers + 1, count + 1), np.inf)  # until[j, cut]: tier j is reached
    after = np.full((tiers + 1, count + 1), np.inf)  # after[j, cut]: from tier j to the end
    until[0, 0] = after[tiers, count] = 0.0
    handed = np.append(0.0, tables.activation)
    for j in range(tiers):
        comp = tables.flops_before / fastest[j]
        served = comp[1:] + np.minimum.accumulate(until[j] - comp)[:-1]
        until[j + 1, 1:] = served
        if j < tiers - 1:
            until[j + 1] += handed / tables.bandwidth[j]
    for j in reversed(range(tiers)):
        comp = tables.flops_before / fastest[j]
        rest = after[j + 1] + (handed / tables.bandwidth[j] if j < tiers - 1 else 0.0)
        after[j, :-1] = np.minimum.accumulate((rest + comp)[::-1])[::-1][1:] - comp[:-1]
    least = tables.flops_before[-1] if tiers == 1 else np.diff(tables.flops_before).min()
    latency = np.append(0.0, np.cumsum(tables.latency))
    tail = [
        float((after[j + 1] + handed / tables.bandwidth[j]).min()) if j < tiers - 1 else 0.0
        for j in range(tiers)
    ]
    head = latency + tables.tokens[:, None] * np.maximum(until[:-1].min(axis=1), 0.0)
    return (
        head,
        tables.tokens[:, None] * least / np.array(fastest),
        latency[-1] - latency + tables.tokens[:, None] * np.array(tail),
        latency[-1] + tables.tokens * float(until[tiers, count]),
    )


def _lone_at(tables: Tables, cuts: Cuts) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the same where the cuts are known."""
    runs = tables.runs(cuts)
    least = np.stack([tables.service_s(j, *run).min(axis=1) for j, run in enumerate(runs)], axis=1)
    transfer = np.zeros(least.shape)
    for j, cut in enumerate(cuts):
        transfer[:, j] = tables.transfer_s(j, cut)
    passed = np.cumsum(least + transfer, axis=1)
    head = passed - least - transfer
    return head, least, passed[:, -1:] - head - least, passed[:, -1]
