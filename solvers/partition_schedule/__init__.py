"""`partition-schedule`: every solver as a plain function, imported when it is first asked for.

`Arts` is the online policy by itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shardopt.solvers.partition_schedule.baselines import gpipe, gpipe_bsdp, heft, heft_bsdp
    from shardopt.solvers.partition_schedule.bottleneck import bottleneck_dp
    from shardopt.solvers.partition_schedule.cut_descent import latency_cuts
    from shardopt.solvers.partition_schedule.exact_models import direct, direct_cp_sat, fixed_cuts
    from shardopt.solvers.partition_schedule.exact_search import beam, exact, exact_under_cuts
    from shardopt.solvers.partition_schedule.policy import Arts
    from shardopt.solvers.partition_schedule.two_stage import arts, bsdp_arts

_HOME = {
    "Arts": "policy",
    "arts": "two_stage",
    "beam": "exact_search",
    "bottleneck_dp": "bottleneck",
    "bsdp_arts": "two_stage",
    "direct": "exact_models",
    "direct_cp_sat": "exact_models",
    "exact": "exact_search",
    "exact_under_cuts": "exact_search",
    "fixed_cuts": "exact_models",
    "gpipe": "baselines",
    "gpipe_bsdp": "baselines",
    "heft": "baselines",
    "heft_bsdp": "baselines",
    "latency_cuts": "cut_descent",
}

__all__ = [
    "Arts",
    "arts",
    "beam",
    "bottleneck_dp",
    "bsdp_arts",
    "direct",
    "direct_cp_sat",
    "exact",
    "exact_under_cuts",
    "fixed_cuts",
    "gpipe",
    "gpipe_bsdp",
    "heft",
    "heft_bsdp",
    "latency_cuts",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
