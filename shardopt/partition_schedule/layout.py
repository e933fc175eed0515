"""`partition-schedule`: which line of a picture belongs to which node. y grows downwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shardopt.models.partition_schedule.data import Instance
from shardopt.partition_schedule.spans import Floats

HEAD, GAP = 0.8, 0.35
"""Height of a tier's heading, and of the space beneath its nodes; a node has a height of 1."""


@dataclass(frozen=True)
class Layout:
    """``head_y[j]`` is the middle of tier j's heading, ``node_y[j][k]`` that of a node's line.

    Nodes that are not ``shown`` have no line: their y is NaN.
    """

    shown: tuple[tuple[int, ...], ...]
    head_y: tuple[float, ...]
    node_y: tuple[Floats, ...]
    height: float

    def labelled(self, instance: Instance) -> tuple[list[float], list[str]]:
        """Return the y and the names of all lines."""
        pairs = [
            (float(self.node_y[j][k]), instance.tiers[j].nodes[k].name)
            for j, row in enumerate(self.shown)
            for k in row
        ]
        return [y for y, _ in pairs], [name for _, name in pairs]


def make_layout(instance: Instance, shown: Sequence[Sequence[int]]) -> Layout:
    """Place the tiers beneath each other, the first on top."""
    y, head_y, node_y = 0.0, [], []
    for tier, row in zip(instance.tiers, shown, strict=True):
        head_y.append(y + HEAD / 2)
        lines = np.full(len(tier.nodes), np.nan)
        lines[list(row)] = y + HEAD + 0.5 + np.arange(len(row))
        node_y.append(lines)
        y += HEAD + len(row) + GAP
    return Layout(tuple(map(tuple, shown)), tuple(head_y), tuple(node_y), y)
