"""Gap studies: many solvers on many instances, kept in a store, and what is read out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shardopt.study.frame import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Import `load` when it is asked for: the process of a run has no use for pandas."""
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from shardopt.study.frame import load

    return load
