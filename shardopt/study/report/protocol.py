"""The head of every report: under which conditions its numbers were made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from shardopt.study.report.cells import number, seconds
from shardopt.units import si


def protocol_lines(protocol: Mapping[str, Any], frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Return names and values: what the study has kept, and what its rows say themselves.

    A key that has no name here is shown as it is, so that nothing of the protocol is left out.
    """
    lines = [
        (name, say(protocol[key]))
        for key, (name, say) in _LINES.items()
        if protocol.get(key) is not None
    ]
    rest = protocol.keys() - _LINES.keys() - {"code"}
    lines += [(key.replace("_", " "), _anything(protocol[key])) for key in sorted(rest)]
    lines += [
        (f"instances of {problem}", instance_set(rows["sha256"].unique()))
        for problem, rows in frame.groupby("problem", sort=True)
    ]
    versions = frame.groupby("problem")["version"].unique()
    lines += [(f"code of {problem}", ", ".join(sorted(v))) for problem, v in versions.items()]
    lines.append(("machines that ran", ", ".join(sorted(frame["host"].astype(str).unique()))))
    return lines


def instance_set(hashes: Iterable[str]) -> str:
    """Return how many instances there are and a hash of them all, whatever their order."""
    ordered = sorted(hashes)
    digest = hashlib.sha256("\n".join(ordered).encode()).hexdigest()
    return f"{len(ordered)}, sha256 {digest[:16]}"


def _anything(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_anything(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_anything(entry) for entry in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else str(value)


def _seeds(seeds: list[int]) -> str:
    """Return a run of seeds as ``0 to 9``, others one by one."""
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _bytes(value: float) -> str:
    return si(value, "B")


_LINES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "machine": ("processor", str),
    "cores": ("cores", str),
    "memory_bytes": ("memory", _bytes),
    "system": ("system", str),
    "time_limit_s": ("time limit per run", seconds),
    "grace_s": ("hung runs are killed", lambda value: f"{seconds(value)} after the limit"),
    "build_time_included": ("time to build models included", _anything),
    "memory_limit_bytes": ("memory limit per run", _bytes),
    "threads": ("threads per run", str),
    "jobs": ("runs at a time", str),
    "seeds": ("seeds", _seeds),
    "reference": ("reference", str),
    "references": ("which is", _anything),
    "tolerance": ("tolerance of optimality", lambda value: f"{value:g} (relative)"),
    "executor": ("executor", str),
    "created_at": ("begun", str),
    "shardopt": ("shardopt", str),
    "python": ("Python", str),
    "versions": ("packages", _anything),
}
