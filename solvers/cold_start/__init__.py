"""`cold-start`: every solver as a plain function, imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shardopt.solvers.cold_start.baselines import even, harmonic, single_device
    from shardopt.solvers.cold_start.collapsed_dp import dp_collapsed
    from shardopt.solvers.cold_start.exact_models import direct, direct_cp_sat, minlp, run_flow
    from shardopt.solvers.cold_start.local_search import order_search
    from shardopt.solvers.cold_start.relaxation import dssr
    from shardopt.solvers.cold_start.subset_dp import dp

_HOME = {
    "direct": "exact_models",
    "direct_cp_sat": "exact_models",
    "dp": "subset_dp",
    "dp_collapsed": "collapsed_dp",
    "dssr": "relaxation",
    "even": "baselines",
    "harmonic": "baselines",
    "minlp": "exact_models",
    "order_search": "local_search",
    "run_flow": "exact_models",
    "single_device": "baselines",
}

__all__ = [
    "direct",
    "direct_cp_sat",
    "dp",
    "dp_collapsed",
    "dssr",
    "even",
    "harmonic",
    "minlp",
    "order_search",
    "run_flow",
    "single_device",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
