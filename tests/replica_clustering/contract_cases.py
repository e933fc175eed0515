"""The instances on which `tests/test_contract.py` tries every solver of `replica-clustering`."""

from __future__ import annotations

from dataclasses import replace

from replica_clustering.brute import all_plans, brute_force
from replica_clustering.hand import HAND, make, with_links
from shardopt.models.replica_clustering.data import Instance, Solution

_RATES = ((0.0, 90.0, 300.0), (200.0, 0.0, 150.0), (80.0, 500.0, 0.0))
_LATENCIES = ((0.0, 0.02, 0.05), (0.01, 0.0, 0.05), (0.0, 0.005, 0.0))


def _uneven() -> Instance:
    """Three devices that differ in everything, a rate and a memory that rule some plans out."""
    made = make("aba", memory=46.0, head_decode=(0.01, 0.03), cache=0.005, activation=0.5,
                least_rate=10.0)  # fmt: skip
    a, b, c = made.devices
    devices = (
        replace(a, head_prefill_s_per_token=0.0005),
        replace(b, memory_bytes=60.0),
        replace(c, prefill_s_per_token_per_block=0.0013, decode_s_per_block=(0.014, 0.016)),
    )
    return replace(made, devices=devices)


def _linked() -> Instance:
    """Two devices with memory for three blocks make a replica, and links decide their order."""
    made = with_links(make("aba", memory=30.0, activation=1.0), _RATES, _LATENCIES)
    a, b, c = made.devices
    return replace(made, devices=(a, replace(b, memory_bytes=50.0), c))


CASES: dict[str, Instance] = {
    "uneven": _uneven(),
    "links": _linked(),
    "one-device": make("a"),
    "rate-out-of-reach": HAND["a-b-rate-30"][0],
}
STARTED = "uneven"
"""The case in which solvers that take a start are given one."""


def optimum(instance: Instance) -> float | None:
    """Return the least objective by full enumeration, ``None`` where no plan exists."""
    return brute_force(instance).value


def starts(instance: Instance) -> list[Solution]:
    """Return an optimal plan and the worst one."""
    ranked = sorted(all_plans(instance), key=lambda plan: plan[1])
    return [ranked[0][0], ranked[-1][0]]
