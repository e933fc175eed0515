"""Full enumeration: the reference that every exact method is compared with.

Nothing is shared with the solvers and formulations: times come from the instance's data, block
by block, and the value returned is the evaluator's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from shardopt.models.cold_start.check import check
from shardopt.models.cold_start.data import MEMORY_TOLERANCE, Instance, Solution, plan
from shardopt.models.cold_start.evaluate import need_bytes, objective, transfer_s

Stages = list[tuple[int, int, int]]


@dataclass(frozen=True)
class Optimum:
    """The least time to first token and a plan that has it; both ``None`` if no plan exists."""

    value: float | None
    solution: Solution | None


@lru_cache(maxsize=2000)
def brute_force(instance: Instance) -> Optimum:
    """Try every sequence of devices with every cut."""
    best_s, best = float("inf"), None
    for stages, finish_s in _plans(instance):
        if finish_s < best_s:
            best_s, best = finish_s, stages
    if best is None:
        return Optimum(None, None)
    solution = plan(instance, best)
    assert check(instance, solution).feasible
    return Optimum(objective(instance, solution), solution)


def all_plans(instance: Instance) -> list[tuple[Solution, float]]:
    """Return every feasible plan with its time."""
    return [(plan(instance, stages), finish_s) for stages, finish_s in _plans(instance)]


def _plans(instance: Instance):
    """Yield every feasible plan as (device, start, stop) triples, and its time."""
    count, devices = len(instance.blocks), range(len(instance.devices))
    runs = {
        (k, a, b): _Run.of(instance, k, a, b)
        for k in devices
        for a in range(count)
        for b in range(a + 1, count + 1)
        if need_bytes(instance, a, b) <= instance.devices[k].memory_bytes * (1 + MEMORY_TOLERANCE)
    }
    names = [device.name for device in instance.devices]
    transfer = {
        (d, k, a): transfer_s(instance, names[d], names[k], a)
        for d in devices
        for k in devices
        if d != k
        for a in range(1, count)
    }

    def extend(stages: Stages, finish_s: float):
        start = stages[-1][2] if stages else 0
        if start == count:
            yield list(stages), finish_s
            return
        used = {k for k, _, _ in stages}
        for k in devices:
            if k in used:
                continue
            received = transfer[stages[-1][0], k, start] if stages else 0.0
            for stop in range(start + 1, count + 1):
                if (k, start, stop) in runs:
                    run = runs[k, start, stop]
                    later = run.finish(instance.loading, finish_s, received)
                    yield from extend([*stages, (k, start, stop)], later)

    yield from extend([], 0.0)


@dataclass(frozen=True)
class _Run:
    load_s: tuple[float, ...]
    compute_s: tuple[float, ...]

    @staticmethod
    def of(instance: Instance, k: int, a: int, b: int) -> _Run:
        device = instance.devices[k]
        return _Run(
            tuple(x.weight_bytes / device.load_bytes_per_s for x in instance.blocks[a:b]),
            tuple(x.flops / device.flops_per_s for x in instance.blocks[a:b]),
        )

    def finish(self, loading: str, before_s: float, transfer: float) -> float:
        if loading == "whole-run":
            return max(sum(self.load_s), before_s) + transfer + sum(self.compute_s)
        now, loaded = before_s + transfer, 0.0
        for load, compute in zip(self.load_s, self.compute_s, strict=True):
            loaded += load
            now = max(now, loaded) + compute
        return now
