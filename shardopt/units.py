"""Sizes and names as people read and write them."""

from __future__ import annotations

import math
import re

from shardopt.models.errors import InputError

_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTES: dict[str, int] = {"": 1, "B": 1} | {
    f"{prefix}{binary}B": (1024 if binary else 1000) ** power
    for power, prefix in enumerate("KMGT", start=1)
    for binary in ("", "i")
}


def si(value: float, unit: str) -> str:
    """Return a quantity with a decimal prefix, e.g. ``42.78 TFLOP/s``."""
    for factor, prefix in _PREFIXES:
        if abs(value) >= factor:
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def aligned(value: float, largest: float, digits: int = 4) -> str:
    """Return a number with the decimals that show ``largest`` to so many digits."""
    whole = math.floor(math.log10(largest)) + 1 if largest > 0 else 1
    return f"{value:.{max(0, digits - whole)}f}"


def nice_step(span: float, most: int) -> float:
    """Return 1, 2 or 5 times a power of ten, so that ``span`` has at most ``most`` steps."""
    if span <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    return next((m * power for m in (1, 2, 5) if span / (m * power) <= most), 10 * power)


def parse_bytes(text: str) -> float:
    """Return the bytes of ``8GiB`` (2^30 each), ``8GB`` (10^9 each) or a plain number.

    Raises
    ------
    InputError
        The text is no size.
    """
    match = re.fullmatch(r"([0-9]*\.?[0-9]+) *([A-Za-z]*)", text.strip())
    sizes = {name.lower(): size for name, size in _BYTES.items()}
    if match is None or match[2].lower() not in sizes:
        raise InputError(repr(text), "a size such as 8GiB, 500MB or 1000000")
    return float(match[1]) * sizes[match[2].lower()]


def printable(text: str, width: int | None = None) -> str:
    """Return text for one line of a picture: control characters spelled out, long text cut.

    A name in a file may hold anything, also what would move a terminal's cursor.
    """
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if width is None or len(line) <= width:
        return line
    return line[: width - 1] + "…"
