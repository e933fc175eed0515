"""`replica-clustering`: the one evaluator, spec section 1, from the instance's data alone."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from shardopt.models.replica_clustering.data import Device, Instance, Replica, Role, Solution


@dataclass(frozen=True)
class ReplicaTimes:
    """The times of a replica's stages, and of the hops between them."""

    stage_s: tuple[float, ...]
    hop_s: tuple[float, ...]

    @property
    def slowest_s(self) -> float:
        """T: a hop is a pipeline stage of its own."""
        return max(self.stage_s + self.hop_s)


def stage_s(
    instance: Instance, device: Device, role: Role, batch: int, blocks: int, is_master: bool
) -> float:
    """Return t: one whole prompt in prefill, one token for each of ``batch`` requests in decode."""
    if role == "prefill":
        prompt = instance.workload.input_tokens
        block_s = prompt * device.prefill_s_per_token_per_block
        head_s = prompt * device.head_prefill_s_per_token
    else:
        block_s, head_s = device.decode_s_per_block[batch - 1], device.head_decode_s[batch - 1]
    return blocks * block_s + (head_s if is_master else 0.0)


def hop_s(instance: Instance, role: Role, batch: int, sender: int, receiver: int) -> float:
    """Return x, the time to hand the activations over."""
    tokens = instance.workload.input_tokens if role == "prefill" else batch
    size = instance.model.activation_bytes_per_token * tokens
    if instance.link is not None:
        return instance.link.latency_s + size / instance.link.bytes_per_s
    assert instance.links is not None  # exactly one of both is there
    latency_s = instance.links.latency_s[sender][receiver]
    return latency_s + size / instance.links.bytes_per_s[sender][receiver]


def need_bytes(
    instance: Instance, role: Role, requests: int, blocks: int, is_master: bool
) -> float:
    """Return the memory that a device needs in a replica that holds so many requests."""
    model, workload = instance.model, instance.workload
    tokens = workload.input_tokens
    if role == "decode":
        tokens += workload.output_tokens
    cache = model.cache_bytes_per_token_per_block * (requests * tokens)
    head = model.head_weight_bytes if is_master else 0.0
    return blocks * (model.block_weight_bytes + cache) + head


def replica_times(instance: Instance, replica: Replica) -> ReplicaTimes:
    """Return the times of a replica whose structure is valid."""
    index = instance.device_index()
    at = [index[stage.device] for stage in replica.stages]
    role, batch = replica.role, replica.batch
    stages = tuple(
        stage_s(
            instance,
            instance.devices[i],
            role,
            batch,
            stage.stop - stage.start,
            stage.device == replica.master,
        )
        for i, stage in zip(at, replica.stages, strict=True)
    )
    hops = tuple(hop_s(instance, role, batch, i, j) for i, j in itertools.pairwise(at))
    return ReplicaTimes(stages, hops)


def requests_per_s(instance: Instance, replica: Replica) -> float:
    """Return rho: 1/T in prefill, q/(T U) in decode."""
    slowest = replica_times(instance, replica).slowest_s
    if replica.role == "prefill":
        return 1.0 / slowest
    return replica.batch / (slowest * instance.workload.output_tokens)


def phase_rate(instance: Instance, solution: Solution, role: Role) -> float:
    """Return the requests/s of all replicas in a role."""
    mine = (replica for replica in solution.replicas if replica.role == role)
    return math.fsum(requests_per_s(instance, replica) for replica in mine)


def objective(instance: Instance, solution: Solution) -> float:
    """Return the seconds per request of the slower phase, eq. (3) with summed rates."""
    return 1.0 / min(phase_rate(instance, solution, role) for role in ("prefill", "decode"))


def bottleneck(instance: Instance, objective_s: float) -> float:
    """Return eq. (4), what the paper minimises: the same less a constant."""
    return objective_s - instance.workload.arrival_period_s


def derived(instance: Instance, objective_s: float) -> dict[str, float]:
    """Return what a result reports beside the objective."""
    return {"bottleneck": bottleneck(instance, objective_s)}
