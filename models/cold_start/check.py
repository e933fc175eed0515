"""`cold-start`: the independent checker. It shares only the data and the evaluator."""

from __future__ import annotations

from collections.abc import Iterator

from shardopt.models.checking import CheckReport, Violation
from shardopt.models.cold_start.data import MEMORY_TOLERANCE, Instance, Solution
from shardopt.models.cold_start.evaluate import need_bytes, objective


def check(instance: Instance, solution: Solution) -> CheckReport:
    """Check a plan against every rule of the problem's page, section 3.

    A plan that breaks only `memory` still has an objective; any other violation leaves none.
    """
    violations = [
        *_stages_present(solution),
        *_devices(instance, solution),
        *_runs(instance, solution),
    ]
    if violations:
        if all(v.constraint != "device-known" for v in violations):
            violations += _memory(instance, solution)
        return CheckReport(None, tuple(violations))
    return CheckReport(objective(instance, solution), tuple(_memory(instance, solution)))


def _stages_present(solution: Solution) -> Iterator[Violation]:
    if not solution.stages:
        yield Violation("stages-present", "stages", 1.0, "the plan has no stage")


def _devices(instance: Instance, solution: Solution) -> Iterator[Violation]:
    known = {device.name for device in instance.devices}
    first_use: dict[str, int] = {}
    for n, stage in enumerate(solution.stages):
        where = f"stages[{n}].device"
        if stage.device not in known:
            message = f"no device is named {stage.device!r}"
            yield Violation("device-known", where, 1.0, message)
        elif stage.device in first_use:
            message = f"{stage.device!r} already holds stage {first_use[stage.device]}"
            yield Violation("device-once", where, 1.0, message)
        first_use.setdefault(stage.device, n)


def _runs(instance: Instance, solution: Solution) -> Iterator[Violation]:
    count = len(instance.blocks)
    expected_start = 0
    for n, stage in enumerate(solution.stages):
        a, b = stage.start, stage.stop
        if a != expected_start:
            name = "first-block" if n == 0 else "contiguous"
            message = f"the run starts at block {a}, expected {expected_start}"
            yield Violation(name, f"stages[{n}].start", float(abs(a - expected_start)), message)
        if not 0 <= a < b <= count:
            amount = float(max(-a, b - count, a - b + 1))
            message = f"[{a}, {b}) is not a non-empty run of the blocks [0, {count})"
            yield Violation("non-empty-run", f"stages[{n}]", amount, message)
        expected_start = b
    if solution.stages and expected_start != count:
        message = f"the last run stops at block {expected_start}, expected {count}"
        where = f"stages[{len(solution.stages) - 1}].stop"
        yield Violation("last-block", where, float(abs(expected_start - count)), message)


def _memory(instance: Instance, solution: Solution) -> Iterator[Violation]:
    memory = {device.name: device.memory_bytes for device in instance.devices}
    for n, stage in enumerate(solution.stages):
        if not 0 <= stage.start < stage.stop <= len(instance.blocks):
            continue  # reported as non-empty-run
        need = need_bytes(instance, stage.start, stage.stop)
        have = memory[stage.device]
        if need > have * (1 + MEMORY_TOLERANCE):
            message = f"{stage.device!r} needs {need:.17g} bytes and has {have:.17g}"
            yield Violation("memory", f"stages[{n}]", need - have, message)
