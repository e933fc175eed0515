"""`replica-clustering`: the independent checker. It shares only the data and the evaluator."""

from __future__ import annotations

from collections.abc import Iterator

from shardopt.models.checking import CheckReport, Violation
from shardopt.models.replica_clustering.data import TOLERANCE, Instance, Replica, Solution
from shardopt.models.replica_clustering.evaluate import need_bytes, objective, replica_times


def check(instance: Instance, solution: Solution) -> CheckReport:
    """Check a plan against every rule of the problem's page, section 3.

    A plan that breaks only `memory` and `token-rate` still has an objective; any other violation
    leaves none, and these two are looked at in the replicas without one.
    """
    structure = [*_roles(solution)]
    limits: list[Violation] = []
    first_use: dict[str, str] = {}
    for n, replica in enumerate(solution.replicas):
        where = f"replicas[{n}]"
        broken = [
            *_devices(instance, replica, where, first_use),
            *_cover(instance, replica, where),
            *_master(instance, replica, where),
            *_batch(instance, replica, where),
        ]
        structure += broken
        if not broken:
            limits += [*_memory(instance, replica, where), *_token_rate(instance, replica, where)]
    value = None if structure else objective(instance, solution)
    return CheckReport(value, (*structure, *limits))


def _roles(solution: Solution) -> Iterator[Violation]:
    for role in ("prefill", "decode"):
        if all(replica.role != role for replica in solution.replicas):
            yield Violation("role-count", "replicas", 1.0, f"the plan has no {role} replica")


def _devices(
    instance: Instance, replica: Replica, where: str, first_use: dict[str, str]
) -> Iterator[Violation]:
    known = instance.device_index()
    for k, stage in enumerate(replica.stages):
        place = f"{where}.stages[{k}]"
        if stage.device not in known:
            message = f"no device is named {stage.device!r}"
            yield Violation("device-known", f"{place}.device", 1.0, message)
        elif stage.device in first_use:
            message = f"{stage.device!r} is already in use at {first_use[stage.device]}"
            yield Violation("device-once", f"{place}.device", 1.0, message)
        first_use.setdefault(stage.device, place)


def _cover(instance: Instance, replica: Replica, where: str) -> Iterator[Violation]:
    count, expected_start = instance.model.blocks, 0
    for k, stage in enumerate(replica.stages):
        place, a, b = f"{where}.stages[{k}]", stage.start, stage.stop
        if a != expected_start:
            message = f"the run starts at block {a}, expected {expected_start}"
            yield Violation("cover", f"{place}.start", float(abs(a - expected_start)), message)
        if b <= a:
            message = f"[{a}, {b}) is an empty run"
            yield Violation("cover", place, float(a - b + 1), message)
        expected_start = b
    if expected_start != count:
        message = f"the runs stop at block {expected_start}, expected {count}"
        yield Violation("cover", f"{where}.stages", float(abs(expected_start - count)), message)


def _master(instance: Instance, replica: Replica, where: str) -> Iterator[Violation]:
    if replica.master not in instance.device_index():
        message = f"no device is named {replica.master!r}"
        yield Violation("device-known", f"{where}.master", 1.0, message)
    if all(stage.device != replica.master for stage in replica.stages):
        message = f"the master {replica.master!r} is in no stage of this replica"
        yield Violation("master-in-replica", f"{where}.master", 1.0, message)


def _batch(instance: Instance, replica: Replica, where: str) -> Iterator[Violation]:
    q, stages, most = replica.batch, len(replica.stages), instance.workload.max_batch
    if replica.role == "prefill":
        if q != 1:
            message = f"a prefill replica has batch {q}, expected 1"
            yield Violation("batch-range", f"{where}.batch", float(abs(q - 1)), message)
    elif q < 1:
        message = f"batch {q}, expected at least 1"
        yield Violation("batch-range", f"{where}.batch", float(1 - q), message)
    elif q * stages > most:
        message = f"batch {q} in {stages} stages is {q * stages} requests, expected at most {most}"
        yield Violation("batch-range", f"{where}.batch", float(q * stages - most), message)


def _memory(instance: Instance, replica: Replica, where: str) -> Iterator[Violation]:
    index = instance.device_index()
    requests = replica.batch * len(replica.stages)
    for k, stage in enumerate(replica.stages):
        blocks, is_master = stage.stop - stage.start, stage.device == replica.master
        need = need_bytes(instance, replica.role, requests, blocks, is_master)
        have = instance.devices[index[stage.device]].memory_bytes
        if need > have * (1 + TOLERANCE):
            message = f"{stage.device!r} needs {need:.17g} bytes and has {have:.17g}"
            yield Violation("memory", f"{where}.stages[{k}]", need - have, message)


def _token_rate(instance: Instance, replica: Replica, where: str) -> Iterator[Violation]:
    if replica.role == "prefill":
        return
    least, stages = instance.workload.min_tokens_per_s, len(replica.stages)
    slowest = replica_times(instance, replica).slowest_s
    if stages * slowest * least > 1 + TOLERANCE:
        rate = 1.0 / (stages * slowest)
        message = f"a request gets {rate:.9g} tokens/s, expected at least {least:.9g}"
        yield Violation("token-rate", where, least - rate, message)
