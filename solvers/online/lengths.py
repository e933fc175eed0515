"""How long answers really are, where that is not as believed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shardopt.models.errors import InputError
from shardopt.models.requests import IntArray
from shardopt.solvers.online.randomness import stream


def drawn_lengths(form: str, believed: NDArray[Any], seed: int) -> IntArray:
    """Return max(1, ceil(X l)) for each believed length l, with X by number of the request.

    Raises
    ------
    InputError
        Another form than ``uniform:a:b`` or ``exponential``.
    """
    rng, count = stream(seed, "actual"), len(believed)
    kind, *numbers = form.split(":")
    try:
        low, high = [float(number) for number in numbers] or [0.0, 0.0]
    except ValueError:
        low, high = -1.0, -1.0
    if kind == "exponential" and not numbers:
        factor = rng.exponential(1.0, count)
    elif kind == "uniform" and 0 <= low <= high <= 1e6:
        factor = rng.uniform(low, high, count)
    else:
        raise InputError(repr(form), "uniform:a:b or exponential", "actual")
    lengths: IntArray = np.maximum(np.ceil(factor * believed), 1).astype(np.int64)
    return lengths
