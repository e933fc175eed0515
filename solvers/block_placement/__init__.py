"""`block-placement`: every solver as a plain function, imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shardopt.solvers.block_placement.baselines import (
        petals,
        petals_optimized_number,
        petals_optimized_order,
        petals_optimized_routing,
    )
    from shardopt.solvers.block_placement.chain_knapsack import chain
    from shardopt.solvers.block_placement.exact_models import (
        boundary,
        direct,
        direct_cp_sat,
        routing,
        runs,
        sizes,
    )
    from shardopt.solvers.block_placement.exact_steps import exact
    from shardopt.solvers.block_placement.greedy_placement import cg_bp
    from shardopt.solvers.block_placement.placement_annealing import placement_search
    from shardopt.solvers.block_placement.stage_assignment import gsa
    from shardopt.solvers.block_placement.sweep import cg_bp_sweep

_HOME = {
    "boundary": "exact_models",
    "cg_bp": "greedy_placement",
    "cg_bp_sweep": "sweep",
    "chain": "chain_knapsack",
    "direct": "exact_models",
    "direct_cp_sat": "exact_models",
    "exact": "exact_steps",
    "gsa": "stage_assignment",
    "petals": "baselines",
    "petals_optimized_number": "baselines",
    "petals_optimized_order": "baselines",
    "petals_optimized_routing": "baselines",
    "placement_search": "placement_annealing",
    "routing": "exact_models",
    "runs": "exact_models",
    "sizes": "exact_models",
}

__all__ = [
    "boundary",
    "cg_bp",
    "cg_bp_sweep",
    "chain",
    "direct",
    "direct_cp_sat",
    "exact",
    "gsa",
    "petals",
    "petals_optimized_number",
    "petals_optimized_order",
    "petals_optimized_routing",
    "placement_search",
    "routing",
    "runs",
    "sizes",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
