"""Where should which block of a model run, when, and how far is that answer from the best?

Exact formulations and published heuristics on the same instances, with proven bounds.
"""

from __future__ import annotations

from shardopt.api import check, generate, load, save, solve
from shardopt.models.errors import InputError, NoPlanError, ShardoptError, UnavailableError
from shardopt.models.result import Result, TracePoint
from shardopt.simulation import simulate

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "NoPlanError",
    "Result",
    "ShardoptError",
    "TracePoint",
    "UnavailableError",
    "__version__",
    "check",
    "generate",
    "load",
    "save",
    "simulate",
    "solve",
]
