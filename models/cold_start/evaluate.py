"""`cold-start`: the one evaluator, eqs. (17)-(24) of arXiv 2508.11287 and our layerwise variant.

Everything is computed from the instance's data alone, in float64, with exactly rounded sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shardopt.models.cold_start.data import Device, Instance, Solution, Stage


@dataclass(frozen=True)
class StageTimes:
    """When one stage loads, waits, receives and computes; all in seconds from the request.

    Whole-run: loading ends, then the stage waits for its predecessor, then receives from
    ``receive_start_s`` to ``receive_end_s``, then computes. Layerwise: receiving overlaps
    loading, and computing starts with the first block that is there and may be interrupted
    by waiting for the next block; ``compute_s`` lists (start, end) per block.
    """

    device: str
    start: int
    stop: int
    load_end_s: float
    receive_start_s: float
    receive_end_s: float
    compute_s: tuple[tuple[float, float], ...]
    finish_s: float


def transfer_s(instance: Instance, sender: str, receiver: str, start: int) -> float:
    """Return ``X_dk(a)``: the time to hand the activation before block ``start`` over."""
    by_name = instance.device_index()
    d, k = by_name[sender], by_name[receiver]
    if instance.links_bytes_per_s is not None:
        rate = instance.links_bytes_per_s[d][k]
    else:
        up, down = instance.devices[d].uplink_bytes_per_s, instance.devices[k].downlink_bytes_per_s
        assert up is not None and down is not None  # guaranteed by the file's validation
        rate = min(up, down)
    return instance.link_latency_s + instance.blocks[start - 1].activation_bytes / rate


def need_bytes(instance: Instance, start: int, stop: int) -> float:
    """Return ``Need(a,b) = max A_i + sum P_i`` of a run, exactly rounded, eq. (22)."""
    run = instance.blocks[start:stop]
    return math.fsum([max(b.activation_bytes for b in run), *(b.weight_bytes for b in run)])


def timeline(instance: Instance, solution: Solution) -> tuple[StageTimes, ...]:
    """Return the times of every stage of a plan whose structure is valid."""
    devices = {device.name: device for device in instance.devices}
    rows: list[StageTimes] = []
    before: Stage | None = None
    finish = 0.0
    for stage in solution.stages:
        transfer = 0.0
        if before is not None:
            transfer = transfer_s(instance, before.device, stage.device, stage.start)
        stage_times = _whole_run if instance.loading == "whole-run" else _layerwise
        rows.append(stage_times(instance, devices[stage.device], stage, finish, transfer))
        finish = rows[-1].finish_s
        before = stage
    return tuple(rows)


def objective(instance: Instance, solution: Solution) -> float:
    """Return the time to first token ``T = F_N`` in seconds."""
    return timeline(instance, solution)[-1].finish_s


def _whole_run(
    instance: Instance, device: Device, stage: Stage, ready_s: float, transfer: float
) -> StageTimes:
    """F_n = max(Load_n, F_{n-1}) + X_n + Comp_n."""
    run = instance.blocks[stage.start : stage.stop]
    load_end = math.fsum(b.weight_bytes for b in run) / device.load_bytes_per_s
    receive_start = max(load_end, ready_s)
    receive_end = receive_start + transfer
    ends = [receive_end + work / device.flops_per_s for work in _prefix([b.flops for b in run])]
    starts = [receive_end, *ends[:-1]]
    return StageTimes(
        stage.device,
        stage.start,
        stage.stop,
        load_end,
        receive_start,
        receive_end,
        tuple(zip(starts, ends, strict=True)),
        ends[-1],
    )


def _layerwise(
    instance: Instance, device: Device, stage: Stage, ready_s: float, transfer: float
) -> StageTimes:
    """F_n = max(F_{n-1} + X_n + Comp_n, G_n), by its closed form and not by adding up blocks."""
    run = instance.blocks[stage.start : stage.stop]
    loaded = [w / device.load_bytes_per_s for w in _prefix([b.weight_bytes for b in run])]
    worked = [w / device.flops_per_s for w in _prefix([b.flops for b in run])]
    done_before = [0.0, *worked[:-1]]
    received = ready_s + transfer
    # Block i ends at max( received + all work so far, loaded_i' + work from i' on, i' <= i ).
    ends, slack = [], -math.inf
    for i, total in enumerate(worked):
        slack = max(slack, loaded[i] - done_before[i])
        ends.append(total + max(received, slack))
    own = [work - before for work, before in zip(worked, done_before, strict=True)]
    starts = [end - w for end, w in zip(ends, own, strict=True)]
    return StageTimes(
        stage.device,
        stage.start,
        stage.stop,
        loaded[-1],
        ready_s,
        received,
        tuple(zip(starts, ends, strict=True)),
        ends[-1],
    )


def _prefix(values: Sequence[float]) -> list[float]:
    """Return the running sums; the last one is exactly rounded."""
    sums, total = [], 0.0
    for value in values:
        total += value
        sums.append(total)
    sums[-1] = math.fsum(values)
    return sums
