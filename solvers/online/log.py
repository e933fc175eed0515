"""What a run tells of its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Log = Callable[[dict[str, Any]], None]
"""Called with each event, in the order of time."""


def named(log: Log | None, policy: str) -> Log | None:
    """Let each event say under which policy it happens."""
    return None if log is None else lambda event: log({"policy": policy, **event})
