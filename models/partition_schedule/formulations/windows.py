"""`partition-schedule`: when a request is on a tier in any plan as good as a known one (ours).

Domains and the tightest big-M per pair come from here. For `mean-latency` a request may only be as
late as the others leave room for, each of which takes at least the time that it takes alone. With
one end for all instead, and no more than the latencies of links around a tier, `direct/cp-sat`
takes nearly twice as long (10.9 s and 19.0 s for twenty instances of four to six requests).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shardopt.models.partition_schedule.bounds import alone_per_token
from shardopt.models.partition_schedule.tables import Cuts, FloatArray, Tables

RELATIVE_MARGIN = 1e-9
"""Windows are wider by this share of the whole time: ties and roundings survive."""


@dataclass(frozen=True)
class Windows:
    """Seconds since the arrival of each request: ``start[r, j]`` or later, ``end[r, j]`` or sooner.

    ``end`` is for plans no worse than the known one. ``service[r, j]`` is the least service.
    """

    start: FloatArray
    end: FloatArray
    service: FloatArray


def windows(tables: Tables, upper_bound: float, cuts: Cuts | None = None) -> Windows:
    """Return the windows of plans whose objective is at most ``upper_bound`` seconds.

    Parameters
    ----------
    cuts
        Only plans with these cuts count, and each of their runs fits on some node.
    """
    service, transfer = _least(tables) if cuts is None else _least_under(tables, cuts)
    passed = np.cumsum(service + transfer, axis=1)
    alone = _alone(tables) if cuts is None else passed[:, -1]
    horizon = _horizon(tables, upper_bound, alone)
    margin = RELATIVE_MARGIN * float((tables.arrival_s + horizon).max())
    head = passed - transfer - service
    tail = passed[:, -1:] - head - service
    return Windows(np.maximum(head - margin, 0.0), horizon[:, None] - tail + margin, service)


def _horizon(tables: Tables, upper_bound: float, alone: FloatArray) -> FloatArray:
    """Return ``float[R]``: the latest completion of each request, since its arrival."""
    if tables.instance.objective != "mean-latency":  # the only arrival of `bottleneck` is 0
        return upper_bound - tables.arrival_s
    others: FloatArray = alone.sum() - alone
    return tables.request_count * upper_bound - others


def _alone(tables: Tables) -> FloatArray:
    """Return ``float[R]``, the least latency of each request; anything if no cuts fit."""
    per_token = alone_per_token(tables)
    on_nodes_and_links = tables.tokens * (per_token if math.isfinite(per_token) else 0.0)
    return on_nodes_and_links + float(tables.latency.sum())


def _least(tables: Tables) -> tuple[FloatArray, FloatArray]:
    """Return ``[r, j]`` the least service on tier j, of one block, and transfer after it."""
    tiers, spare = tables.tier_count, tables.block_count - tables.tier_count
    flops = [block.flops_per_token for block in tables.instance.blocks]
    least = min(flops) if tiers > 1 else math.fsum(flops)
    handed = [tables.activation[j : spare + j + 1].min() for j in range(tiers - 1)]
    tokens = tables.tokens[:, None]
    transfer = np.zeros((len(tokens), tiers))
    transfer[:, :-1] = tables.latency + tokens * np.array(handed) / tables.bandwidth
    return tokens * least / np.array([speed.max() for speed in tables.speed]), transfer


def _least_under(tables: Tables, cuts: Cuts) -> tuple[FloatArray, FloatArray]:
    """Return the same where the cuts are known."""
    runs = enumerate(tables.runs(cuts))
    service = np.stack([tables.service_s(j, *run).min(axis=1) for j, run in runs], axis=1)
    transfer = np.zeros(service.shape)
    for j, cut in enumerate(cuts):
        transfer[:, j] = tables.transfer_s(j, cut)
    return service, transfer
