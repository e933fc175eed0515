"""Requests that arrive over time, for every problem that has an online side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shardopt.models.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Requests:
    """Requests by number, in the order of their arrival.

    Columns that are ``None`` are for the problem to fill in: from its instance, or by a draw.

    Attributes
    ----------
    arrival_s
        ``float[request]``, never falling.
    rate_per_s
        How many arrive per second, as far as one may know in advance; ``None`` where they all
        arrive at one time.
    input_tokens, output_tokens, actual_output_tokens, client
        ``int[request]``. Policies know ``output_tokens``; an answer has
        ``actual_output_tokens``. Clients are numbered as in the instance.
    """

    arrival_s: FloatArray
    rate_per_s: float | None
    input_tokens: IntArray | None = None
    output_tokens: IntArray | None = None
    actual_output_tokens: IntArray | None = None
    client: IntArray | None = None

    def __len__(self) -> int:
        return len(self.arrival_s)

    def first(self, count: int) -> Requests:
        """Return the first ones only; raises `InputError` if there are not so many."""
        if count > len(self):
            raise InputError(f"{len(self)} requests", f"{count} requests", "requests")
        span = float(self.arrival_s[count - 1] - self.arrival_s[0])
        return Requests(
            self.arrival_s[:count],
            (count - 1) / span if span > 0 else None,
            _first(self.input_tokens, count),
            _first(self.output_tokens, count),
            _first(self.actual_output_tokens, count),
            _first(self.client, count),
        )


def _first(column: IntArray | None, count: int) -> IntArray | None:
    return None if column is None else column[:count]
