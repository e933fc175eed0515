"""The instances on which `tests/test_contract.py` tries every solver of `cold-start`."""

from __future__ import annotations

from cold_start.brute import all_plans, brute_force
from cold_start.hand import make, no_plan_fits, one_device, three_equal_devices, two_stages
from shardopt.models.cold_start.data import Instance, Solution

_BLOCKS = [(4, 2, 1), (2, 5, 3), (6, 1, 2), (3, 3, 1), (5, 4, 2)]
_DEVICES = [(3, 2, 9, 1, 2), (2, 4, 12, 2, 1), (1, 3, 10, 3, 3)]
_LINKS = ((0.0, 1.0, 4.0), (2.0, 0.0, 0.5), (1.0, 3.0, 0.0))

CASES: dict[str, Instance] = {
    "one-device": one_device(),
    "one-device-layerwise": one_device("layerwise"),
    "equal-devices": three_equal_devices(),
    "two-stages": two_stages(),
    "star": make(_BLOCKS, _DEVICES, link_latency_s=0.25),
    "star-layerwise": make(_BLOCKS, _DEVICES, "layerwise", link_latency_s=0.25),
    "links": make(_BLOCKS, _DEVICES, links_bytes_per_s=_LINKS),
    "links-layerwise": make(_BLOCKS, _DEVICES, "layerwise", links_bytes_per_s=_LINKS),
    "more-devices-than-blocks": make(_BLOCKS[:2], _DEVICES + _DEVICES[:1]),
    "no-plan": no_plan_fits(),
    "no-plan-layerwise": no_plan_fits("layerwise"),
}
STARTED = "star"
"""The case in which solvers that take a start are given one."""


def optimum(instance: Instance) -> float | None:
    """Return the least objective by full enumeration, ``None`` where no plan exists."""
    return brute_force(instance).value


def starts(instance: Instance) -> list[Solution]:
    """Return an optimal plan and the worst one."""
    ranked = sorted(all_plans(instance), key=lambda plan: plan[1])
    return [ranked[0][0], ranked[-1][0]]
