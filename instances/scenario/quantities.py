"""Quantities as people write them: ``24 GB``, ``1 Gbit/s``, ``3 ms``, ``165 TFLOP/s``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from shardopt.instances.strict import MAX_NUMBER

_PREFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BINARY = {f"{prefix}i": 1024.0**power for power, prefix in enumerate("KMGT", start=1)}
_NUMBER_AND_UNIT = re.compile(r"([0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?) *([A-Za-zµ/]*)")

SIZES = {f"{prefix}B": factor for prefix, factor in (_PREFIXES | _BINARY).items()}
RATES = (
    {f"{unit}/s": factor for unit, factor in SIZES.items()}
    # A small b is a bit, as in the names of links.
    | {f"{p}{bit}": f / 8 for p, f in _PREFIXES.items() for bit in ("bit/s", "b/s", "bps")}
)
SPEEDS = {f"{p}{unit}": f for p, f in _PREFIXES.items() for unit in ("FLOP/s", "FLOPS", "FLOPs")}
TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0}


def _reader(units: Mapping[str, float], what: str, least: float) -> Callable[[Any], float]:
    """Return the function that turns the text of a quantity into a number of the base unit."""

    def read(value: Any) -> float:
        match = _NUMBER_AND_UNIT.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f"a {what}")
        number, unit = match.groups()
        if unit not in units:
            close = difflib.get_close_matches(unit, units, n=1, cutoff=0.5)
            raise ValueError(f"a {what}" + (f" (did you mean {close[0]}?)" if close else ""))
        quantity = float(number) * units[unit]
        if not least <= quantity <= MAX_NUMBER:
            raise ValueError(f"a {what}, from {least:g} to {MAX_NUMBER:g} in the base unit")
        return quantity

    return read


_read_rate = _reader(RATES, 'rate such as "100 MB/s" or "1 Gbit/s"', 1e-9)


def _name_or_rate(value: Any) -> Any:
    """Take what begins with a digit for a rate, all other text for a name of the catalogue."""
    if isinstance(value, str) and value.strip() and not value.strip()[0].isdigit():
        return value.strip()
    return _read_rate(value)


Size = Annotated[float, BeforeValidator(_reader(SIZES, 'size such as "24 GB" or "8 GiB"', 1.0))]
Rate = Annotated[float, BeforeValidator(_read_rate)]
Speed = Annotated[float, BeforeValidator(_reader(SPEEDS, 'speed such as "20 TFLOP/s"', 1e-9))]
Time = Annotated[float, BeforeValidator(_reader(TIMES, 'time such as "3 ms" or "0.5 s"', 0.0))]
NameOrRate = Annotated[float | str, BeforeValidator(_name_or_rate)]
