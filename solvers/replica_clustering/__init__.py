"""`replica-clustering`: every solver as a plain function, imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shardopt.solvers.replica_clustering.all_sets import packing_dp
    from shardopt.solvers.replica_clustering.baselines import single_pipeline, two_pipelines
    from shardopt.solvers.replica_clustering.exact_models import columns, direct
    from shardopt.solvers.replica_clustering.genetic import ga, splitwise
    from shardopt.solvers.replica_clustering.neighbourhoods import packing_search
    from shardopt.solvers.replica_clustering.pricing import exact, price

_HOME = {
    "columns": "exact_models",
    "direct": "exact_models",
    "exact": "pricing",
    "ga": "genetic",
    "packing_dp": "all_sets",
    "packing_search": "neighbourhoods",
    "price": "pricing",
    "single_pipeline": "baselines",
    "splitwise": "genetic",
    "two_pipelines": "baselines",
}

__all__ = [
    "columns",
    "direct",
    "exact",
    "ga",
    "packing_dp",
    "packing_search",
    "price",
    "single_pipeline",
    "splitwise",
    "two_pipelines",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
