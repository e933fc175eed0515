"""`block-placement`: what one session can do, as rows for models that know sessions in sums (ours).

In sums, a session may visit one server many times: a relaxation sends it over nine stages of four
blocks where seven servers can host four. Its *shape* is how many servers of each class it visits:
``v[class]``. Columns count the sessions of every client by shape, and the blocks that they run on
each class: sessions of one shape run as many as v servers can host at most, and L in all. These
are the convex hull of what a session can do, as far as it is told by visits and blocks per class.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shardopt.models.block_placement.tables import IntArray, Tables
from shardopt.models.linear import LinearArrays, LinearModel

MOST_SHAPES = 200


@dataclass(frozen=True)
class Visits:
    """Columns that count visits of one client to one class, and the blocks that each runs."""

    columns: IntArray
    blocks: IntArray


@dataclass(frozen=True)
class Ceiling:
    """The row "blocks run on ``among`` <= what ``visits`` servers of it host * sessions"."""

    row: int
    column: int
    among: int
    visits: int


@dataclass(frozen=True)
class Shapes:
    """The rows of a model whose coefficients depend on sizes of runs."""

    ceilings: list[Ceiling]

    def coefficients(self, sizes: Sequence[IntArray]) -> list[float]:
        """Return the sessions' coefficient in every ceiling; ``sizes`` are the largest, by class.

        A shape that needs more servers than host something gets what those host.
        """
        most = [np.concatenate([[0], np.cumsum(np.sort(own)[::-1])]) for own in sizes]
        return [-float(most[c.among][min(c.visits, most[c.among].size - 1)]) for c in self.ceilings]

    def within(self, arrays: LinearArrays, sizes: Sequence[IntArray]) -> LinearArrays:
        """Return the model for servers of these sizes at most."""
        coefficient = arrays.coefficient.copy()
        for ceiling, value in zip(self.ceilings, self.coefficients(sizes), strict=True):
            entries = slice(arrays.row_start[ceiling.row], arrays.row_start[ceiling.row + 1])
            place = int(np.flatnonzero(arrays.column[entries] == ceiling.column)[0])
            coefficient[entries.start + place] = value
        return replace(arrays, coefficient=coefficient)


def classes(tables: Tables, groups: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return groups (by number) that are told apart: all, or like sizes merged until few."""
    merged = [[n] for n in sorted(range(len(groups)), key=lambda n: tables.U[groups[n][0]])]

    def count(members: list[int]) -> int:
        return sum(len(groups[n]) for n in members)

    while math.prod(count(members) + 1 for members in merged) > MOST_SHAPES and len(merged) > 1:
        largest = [max(tables.U[groups[n][0]] for n in members) for members in merged]
        closest = int(np.argmin(np.diff(largest)))
        merged[closest : closest + 2] = [merged[closest] + merged[closest + 1]]
    return merged


def add_shapes(
    model: LinearModel,
    tables: Tables,
    visits: Sequence[Sequence[Visits]],
    sizes: Sequence[IntArray],
    *,
    integer: bool,
) -> Shapes:
    """Add the columns and rows.

    Parameters
    ----------
    visits
        By client and class.
    sizes
        By class, the most blocks that each server can host.
    """
    ceilings: list[Ceiling] = []
    shapes = [v for v in itertools.product(*(range(own.size + 1) for own in sizes)) if any(v)]
    if len(shapes) > MOST_SHAPES:
        return Shapes(ceilings)
    most = [np.concatenate([[0], np.cumsum(np.sort(own)[::-1])]) for own in sizes]
    for sessions, own in zip(tables.sessions, visits, strict=True):
        everybody = float(sessions)
        counts = model.add_columns(len(shapes), upper=everybody, integer=integer)
        model.add_row(counts, lower=everybody, upper=everybody)
        run = []
        for count, shape in zip(counts, shapes, strict=True):
            room = [float(most[n][v]) * everybody for n, v in enumerate(shape)]
            blocks = model.add_columns(len(shape), upper=room, integer=integer)
            run.append(blocks)
            total = [*np.ones(len(shape)), -float(tables.block_count)]
            model.add_row([*blocks, count], total, lower=0.0, upper=0.0)
            for among, v in enumerate(shape):
                if v == 0:
                    continue
                model.add_row([blocks[among], count], [1.0, -float(v)], lower=0.0)
                ceilings.append(Ceiling(model.row_count, int(count), among, v))
                model.add_row([blocks[among], count], [1.0, -float(most[among][v])], upper=0.0)
        for among, part in enumerate(own):
            ones, made = np.ones(part.columns.size), np.array([-v[among] for v in shapes])
            for values, columns, coefficients in (
                (ones, counts, made),
                (part.blocks, [blocks[among] for blocks in run], -np.ones(len(run))),
            ):
                index = np.concatenate([part.columns, columns])
                model.add_row(
                    index, np.concatenate([values, coefficients]) * 1.0, lower=0.0, upper=0.0
                )
    return Shapes(ceilings)
