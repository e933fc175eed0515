"""Finds generator presets; each problem lists its own in ``instances/<problem>/presets.py``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from shardopt.models.discover import part, require_problem
from shardopt.models.errors import InputError


def presets(problem: str) -> Mapping[str, Callable[..., Any]]:
    """Return the presets of a problem by name."""
    require_problem(problem)
    found: Mapping[str, Callable[..., Any]] = part(problem, "instances", "presets").PRESETS
    return found


def find_preset(problem: str, name: str) -> Callable[..., Any]:
    """Return the preset called ``name``."""
    known = presets(problem)
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise InputError(repr(name) + hint, f"a preset of {problem}: {', '.join(known)}", "preset")


def require_range(name: str, value: float, low: float, high: float) -> None:
    """Raise `InputError` unless a preset's parameter lies in ``[low, high]``."""
    if not low <= value <= high:
        raise InputError(f"{value}", f"a number from {low:g} to {high:g}", name)
