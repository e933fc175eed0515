"""Generated arrivals: Poisson, in a fixed period, or in bursts. The first is at time 0."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from shardopt.models.errors import InputError
from shardopt.models.requests import FloatArray, Requests
from shardopt.solvers.online.randomness import stream

FORMS = "poisson:RATE, period:SECONDS, gamma:RATE:CV"
MOST_REQUESTS = 10**8
LARGEST = 1e9
"""Rates and periods lie between this and its inverse."""


def generated(form: str, count: int, seed: int) -> Requests:
    """Return requests whose arrivals follow ``kind:number[:number]``.

    Raises
    ------
    InputError
        Another form, or numbers that no arrivals have.
    """
    kind, *numbers = form.split(":")
    if kind not in _KINDS or len(numbers) != _KINDS[kind][1]:
        raise InputError(repr(form), f"one of {FORMS} or the name of a .csv file", "arrivals")
    if not 1 <= count <= MOST_REQUESTS:
        raise InputError(str(count), f"an integer from 1 to {MOST_REQUESTS}", "requests")
    values = [_number(text, form) for text in numbers]
    rate = 1 / values[0] if kind == "period" else values[0]
    gaps = _KINDS[kind][0](stream(seed, "arrivals"), count - 1, *values)
    return Requests(np.concatenate([[0.0], np.cumsum(gaps)]), rate)


def _number(text: str, form: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1 / LARGEST <= value <= LARGEST:
        raise InputError(repr(text), "a number from 1e-9 to 1e9", f"arrivals {form}")
    return value


def _poisson(rng: np.random.Generator, count: int, rate: float) -> FloatArray:
    return rng.exponential(1 / rate, count)


def _period(rng: np.random.Generator, count: int, period_s: float) -> FloatArray:
    return np.full(count, period_s)


def _gamma(rng: np.random.Generator, count: int, rate: float, variation: float) -> FloatArray:
    """Return gaps of mean 1 / rate whose standard deviation is ``variation`` times as large."""
    return rng.gamma(1 / variation**2, variation**2 / rate, count)


_KINDS: dict[str, tuple[Callable[..., FloatArray], int]] = {
    "poisson": (_poisson, 1),
    "period": (_period, 1),
    "gamma": (_gamma, 2),
}
