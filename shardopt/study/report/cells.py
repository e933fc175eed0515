"""How the numbers of a report read; a number that does not exist is a dash."""

from __future__ import annotations

import math
from typing import Any

MISSING = "–"


def percent(value: float) -> str:
    """Return a gap in per cent, to three digits."""
    if not _exists(value):
        return MISSING
    if value == 0:
        return "0 %"
    if abs(value) < 1e-6:
        return "<0.0001 %"
    return f"{_digits(100 * value, 3)} %"


def seconds(value: float) -> str:
    """Return a time in seconds, to three digits, in milliseconds at the finest."""
    if not _exists(value):
        return MISSING
    return "<0.001 s" if 0 < value < 5e-4 else f"{_digits(max(value, 0.0), 3, 3)} s"


def number(value: float) -> str:
    """Return an objective or a count."""
    return f"{value:.6g}" if _exists(value) else MISSING


def probability(value: float) -> str:
    """Return a p-value."""
    if not _exists(value):
        return MISSING
    return "<0.001" if value < 1e-3 else f"{value:.3f}"


def interval(low: float, high: float, kind: str) -> str:
    """Return an interval beside its estimate: in the same unit, to two digits.

    It is empty where there is no interval, or none that is wider than these digits.
    """
    if not low < high:  # also where they do not exist
        return ""
    scale, decimals = (100.0, 4) if kind == "percent" else (1.0, 3)
    ends = [_digits(scale * end, 2, decimals) for end in (low, high)]
    return "" if ends[0] == ends[1] else f"[{ends[0]}, {ends[1]}]"


def _exists(value: Any) -> bool:
    return value is not None and not math.isnan(value)


def _digits(value: float, digits: int, most_decimals: int = 6) -> str:
    """Return a number with so many significant digits and without an exponent."""
    if abs(value) < 10.0**-most_decimals / 2:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(decimals, most_decimals)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
