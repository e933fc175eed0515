"""`cold-start`: what several formulations need beside the tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from shardopt.models.cold_start.data import Solution
from shardopt.models.cold_start.tables import Tables
from shardopt.models.formulation import TooLargeError

MAX_COLUMNS = 5e6
MAX_NONZEROS = 5e7

Stages = list[tuple[int, int, int]]


def require_size(columns: float, nonzeros: float) -> None:
    """Refuse a model whose estimated size is beyond what fits in memory."""
    if columns > MAX_COLUMNS or nonzeros > MAX_NONZEROS:
        raise TooLargeError(
            f"the model would have about {columns:.2g} columns and {nonzeros:.2g} nonzeros; "
            f"the limits are {MAX_COLUMNS:.2g} and {MAX_NONZEROS:.2g}"
        )


def twins(tables: Tables) -> Iterator[tuple[int, int]]:
    """Yield neighbouring pairs (earlier, later) of interchangeable devices."""
    for members in tables.types.members:
        yield from itertools.pairwise(members)


def canonical_stages(tables: Tables, solution: Solution) -> Stages:
    """Return (device, start, stop) with interchangeable devices used in file order.

    That is the one among equal plans that symmetry breaking leaves.
    """
    index = tables.instance.device_index()
    used = [0] * len(tables.types.members)
    stages: Stages = []
    for stage in solution.stages:
        kind = int(tables.types.type_of[index[stage.device]])
        stages.append((tables.types.members[kind][used[kind]], stage.start, stage.stop))
        used[kind] += 1
    return stages


def finish_times(tables: Tables, stages: Stages) -> list[float]:
    """Return F_n of every stage in seconds, by the tables."""
    finish: list[float] = []
    before = 0.0
    for n, (k, start, stop) in enumerate(stages):
        transfer = tables.transfer_s(stages[n - 1][0], k, start) if n else 0.0
        comp = tables.comp_s(k, start, stop)
        if tables.layerwise:
            before = max(before + transfer + comp, tables.own_s(k, start, stop))
        else:
            before = max(before, tables.load_s(k, start, stop)) + transfer + comp
        finish.append(before)
    return finish
