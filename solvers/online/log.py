"""What a run tells of its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Log = Callable[[dict[str, Any]], None]
"""Called with each event, in the order of time."""
