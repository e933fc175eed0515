"""Writes a model in free MPS with all digits, which PuLP's own writer cuts to twelve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from shardopt.models.linear import LinearArrays


def write_mps(path: Path, arrays: LinearArrays, cost_factor: float = 1.0) -> None:
    """Write the model; column ``j`` is named ``cj`` and row ``r`` is named ``rr``."""
    with path.open("w", encoding="ascii") as file:
        for section in (_rows, _columns, _sides, _bounds):
            file.writelines(section(arrays, cost_factor))
        file.write("ENDATA\n")


def _rows(arrays: LinearArrays, _: float) -> Iterator[str]:
    yield "NAME model FREE\nROWS\n N cost\n"
    for r, (low, high) in enumerate(zip(arrays.row_lower, arrays.row_upper, strict=True)):
        yield f" {_kind(low, high)} r{r}\n"


def _kind(low: float, high: float) -> str:
    if low == high:
        return "E"
    if np.isinf(low) and np.isinf(high):
        return "N"
    return "G" if np.isinf(high) else "L"


def _columns(arrays: LinearArrays, cost_factor: float) -> Iterator[str]:
    yield "COLUMNS\n"
    row = np.repeat(np.arange(arrays.row_lower.size), np.diff(arrays.row_start))
    order = np.argsort(arrays.column, kind="stable")
    row, value = row[order].tolist(), arrays.coefficient[order].tolist()
    first = np.searchsorted(arrays.column[order], np.arange(arrays.cost.size + 1)).tolist()
    integer = arrays.integer.tolist()
    inside = False
    for j, cost in enumerate((arrays.cost * cost_factor).tolist()):
        if integer[j] != inside:
            inside = integer[j]
            yield f" M{j} 'MARKER' '{'INTORG' if inside else 'INTEND'}'\n"
        yield f" c{j} cost {cost!r}\n"
        for entry in range(first[j], first[j + 1]):
            yield f" c{j} r{row[entry]} {value[entry]!r}\n"
    if inside:
        yield " MEND 'MARKER' 'INTEND'\n"


def _sides(arrays: LinearArrays, _: float) -> Iterator[str]:
    rows = list(zip(arrays.row_lower.tolist(), arrays.row_upper.tolist(), strict=True))
    yield "RHS\n"
    for r, (low, high) in enumerate(rows):
        side = low if np.isinf(high) else high
        if side != 0.0 and not np.isinf(side):
            yield f" RHS r{r} {side!r}\n"
    yield "RANGES\n"
    for r, (low, high) in enumerate(rows):
        if low != high and not np.isinf(low) and not np.isinf(high):
            yield f" RNG r{r} {high - low!r}\n"


def _bounds(arrays: LinearArrays, _: float) -> Iterator[str]:
    yield "BOUNDS\n"
    columns = zip(arrays.lower.tolist(), arrays.upper.tolist(), strict=True)
    for j, (low, high) in enumerate(columns):
        if low == high:
            yield f" FX BND c{j} {low!r}\n"
            continue
        yield f" MI BND c{j}\n" if np.isinf(low) else f" LO BND c{j} {low!r}\n"
        yield f" PL BND c{j}\n" if np.isinf(high) else f" UP BND c{j} {high!r}\n"
