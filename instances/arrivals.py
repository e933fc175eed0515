"""Traces: CSV files of requests, ours and the public Azure LLM inference traces."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from shardopt.instances.strict import shown
from shardopt.models.errors import InputError
from shardopt.models.requests import IntArray, Requests

ARRIVAL = "arrival_s"
TOKENS = ("input_tokens", "output_tokens")
ACTUAL = "actual_output_tokens"
CLIENT = "client"
AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
MOST_TOKENS = 1_000_000
LATEST_S = 1e12
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(\.\d+)?(\S*)")


def read_requests(path: str | Path, clients: Sequence[str], count: int | None = None) -> Requests:
    """Read the first ``count`` requests of a trace, by default all.

    Raises
    ------
    InputError
        With the file, the line in it, what was found and what was expected.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            return _requests(csv.reader(file, strict=True), clients, count)
    except InputError as error:
        raise error.in_file(str(path)) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{reason}", "a CSV file of requests in UTF-8", file=str(path)) from None


def _requests(lines: Any, clients: Sequence[str], count: int | None) -> Requests:
    header = [name.strip().removeprefix("\ufeff") for name in next(lines, [])]
    columns = _columns(header, clients)
    rows = _rows(lines, header)
    values: dict[str, list[Any]] = {name: [] for name in header}
    time: list[Any] = values[header[0]]
    for line, row in islice(rows, count):
        for name, text in zip(header, row, strict=True):
            values[name].append(columns[name](text.strip(), f"line {line}: {name}"))
        if len(time) > 1 and time[-1] < time[-2]:
            raise InputError(
                f"{row[0]} after a later time", "times that do not fall", f"line {line}"
            )
    if not time or (count is not None and len(time) < count):
        raise InputError(f"{len(time)} rows", f"{count or 'some'} requests")
    return _as_requests(values)


def _as_requests(values: dict[str, list[Any]]) -> Requests:
    azure = AZURE[0] in values
    time, given, answered = AZURE if azure else (ARRIVAL, *TOKENS)
    arrival = [float(t - values[time][0]) for t in values[time]] if azure else values[time]
    span = arrival[-1] - arrival[0]

    def column(name: str) -> IntArray | None:
        return np.array(values[name], dtype=np.int64) if name in values else None

    return Requests(
        np.array(arrival, dtype=np.float64),
        (len(arrival) - 1) / span if span > 0 else None,
        column(given),
        column(answered),
        column(ACTUAL),
        column(CLIENT),
    )


def _columns(header: list[str], clients: Sequence[str]) -> dict[str, Callable[[str, str], Any]]:
    """Return how the fields of each column are read, for one of the headers that there are."""
    if tuple(header) == AZURE:
        return dict(zip(AZURE, (_moment, _tokens, _tokens), strict=True))
    wanted = [ARRIVAL]
    wanted += TOKENS if set(TOKENS) & set(header) else ()
    wanted += [name for name in (ACTUAL, CLIENT) if name in header]
    if header != wanted:
        found = ",".join(header)
        full = ",".join((ARRIVAL, *TOKENS))
        expected = f"{full}[,{ACTUAL}][,{CLIENT}] or {','.join(AZURE)}"
        raise InputError(shown(found), expected, "line 1")
    numbers = {name: n for n, name in enumerate(clients)}

    def client(text: str, path: str) -> int:
        if text not in numbers:
            raise InputError(shown(text), "the name of a client of the instance", path)
        return numbers[text]

    readers: dict[str, Callable[[str, str], Any]] = {ARRIVAL: _seconds, CLIENT: client}
    return {name: readers.get(name, _tokens) for name in header}


def _rows(lines: Any, header: list[str]) -> Iterator[tuple[int, list[str]]]:
    for row in lines:
        if len(row) != len(header):
            found = f"{len(row)} fields" if row else "an empty line"
            raise InputError(found, f"{len(header)} fields", f"line {lines.line_num}")
        yield lines.line_num, row


def _seconds(text: str, path: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= LATEST_S:
        raise InputError(shown(text), "seconds >= 0", path)
    return value


def _tokens(text: str, path: str) -> int:
    short = len(text) <= len(str(MOST_TOKENS))  # Python refuses to read thousands of digits
    if not (short and text.isdecimal() and 1 <= int(text) <= MOST_TOKENS):
        raise InputError(shown(text), f"an integer from 1 to {MOST_TOKENS}", path)
    return int(text)


class _Moment(NamedTuple):
    """A moment to more digits than `datetime` has: traces give seven decimals."""

    whole: datetime
    fraction_s: float

    def __sub__(self, other: _Moment) -> float:
        return (self.whole - other.whole).total_seconds() + (self.fraction_s - other.fraction_s)


def _moment(text: str, path: str) -> _Moment:
    match = _MOMENT.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return _Moment(datetime.fromisoformat(match[1] + match[3]), float(match[2] or 0))
    except ValueError:
        raise InputError(shown(text), "a date and time", path) from None
