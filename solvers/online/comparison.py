"""Policies side by side on one stream of requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shardopt.models.requests import FloatArray
from shardopt.solvers.online.statistics import paired


def side_by_side(
    policies: Sequence[str], run: Callable[[str], tuple[dict[str, Any], FloatArray]]
) -> dict[str, dict[str, Any]]:
    """Return the metrics of each policy, and how its requests compare with the first one's.

    Parameters
    ----------
    run
        Returns the metrics of a policy, and how long each request took.
    """
    found: dict[str, dict[str, Any]] = {}
    first = None
    for name in policies:
        metrics, total_s = run(name)
        if first is None:
            first = total_s
        else:
            metrics[f"versus_{policies[0]}"] = paired(first, total_s)
        found[name] = metrics
    return found
