"""`cold-start`: when a run can end at the earliest, and must end at the latest (ours).

A small relaxation: the devices before and after a run may be used any number of times, only its
own is excluded, and every transfer comes from the sender that suits best. Runs that are in no
plan as good as a known one need no column.

In both loadings a stage's finish is ``max(F_{n-1} + step, own)``: ``step = X + Comp``, and
``own = Load + X + Comp`` (whole-run) or ``G`` (layerwise) where it waits for nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shardopt.models.cold_start.tables import FloatArray, Tables

RELATIVE_MARGIN = 1e-9
"""A run is hopeless only by more than this share of the known plan's time: ties survive."""


@dataclass(frozen=True)
class Windows:
    """``earliest[device, start, stop]`` and ``latest[device, stop]`` end of runs, in seconds.

    ``earliest`` is infinite for runs that no plan has. ``latest`` is for plans within the upper
    bound.
    """

    earliest: FloatArray
    latest: FloatArray


def windows(tables: Tables, upper_s: float) -> Windows:
    """Return the windows of all runs; ``upper_s`` is the time of a known plan."""
    cuts = np.arange(tables.block_count + 1)
    fits = cuts <= tables.reach[:, :, None]
    fits &= cuts > cuts[:-1, None]
    step, own = _steps(tables)
    first = _first(step, own, fits)
    last = _last(step, own, fits, upper_s * (1 + RELATIVE_MARGIN))
    earliest = np.maximum(first[:, :-1, None] + step, own)
    return Windows(np.where(fits, earliest, np.inf), last)


def _first(step: FloatArray, own: FloatArray, fits: NDArray[np.bool_]) -> FloatArray:
    """Return ``first[k, b]``: without device k, the blocks [0, b) end no sooner."""
    devices, count = step.shape[:2]
    others = ~np.eye(devices, dtype=bool)
    first = np.full((devices, count + 1), np.inf)
    first[:, 0] = 0.0
    for b in range(1, count + 1):
        # [k excluded, device of the last run, its start]
        ends = np.maximum(first[:, None, :b] + step[:, :b, b], own[:, :b, b])
        usable = others[:, :, None] & fits[:, :b, b]
        first[:, b] = np.where(usable, ends, np.inf).min(axis=(1, 2))
    return first


def _last(step: FloatArray, own: FloatArray, fits: NDArray[np.bool_], end_s: float) -> FloatArray:
    """Return ``last[k, a]``: if the rest, without device k, is to end by ``end_s``."""
    devices, count = step.shape[:2]
    others = ~np.eye(devices, dtype=bool)
    last = np.full((devices, count + 1), -np.inf)
    last[:, count] = end_s
    for a in range(count - 1, -1, -1):
        # [k excluded, device of the next run, its stop]
        end = last[:, None, a + 1 :]
        usable = others[:, :, None] & fits[:, a, a + 1 :] & (own[:, a, a + 1 :] <= end)
        last[:, a] = np.where(usable, end - step[:, a, a + 1 :], -np.inf).max(axis=(1, 2))
    return last


def _steps(tables: Tables) -> tuple[FloatArray, FloatArray]:
    """Return ``step`` and ``own``, both ``float[device, start, stop]``."""
    receive = least_transfers(tables)[:, :, None]
    comp = (tables.work - tables.work[:-1, None]) / tables.compute[:, None, None]
    load = (tables.weight - tables.weight[:-1, None]) / tables.load[:, None, None]
    if not tables.layerwise:
        return receive + comp, load + receive + comp
    own = np.zeros(load.shape)
    for b in range(1, tables.block_count + 1):
        # G(a, b) = max(G(a, b - 1), Load(a, b)) + Comp(b - 1, b)
        ready = np.maximum(own[:, :b, b - 1], load[:, :b, b])
        own[:, :b, b] = ready + comp[:, b - 1, b, None]
    return receive + comp, own


def least_transfers(tables: Tables) -> FloatArray:
    """Return ``float[receiver, start]``: the least time to receive from any other device."""
    least = np.zeros((tables.device_count, tables.block_count))
    if tables.device_count > 1:
        others = ~np.eye(tables.device_count, dtype=bool)
        fastest = np.where(others, tables.inverse_rate, np.inf).min(axis=0)
        least[:, 1:] = tables.latency + tables.activation[:-1] * fastest[:, None]
    return least
