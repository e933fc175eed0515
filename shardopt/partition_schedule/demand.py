"""`partition-schedule`: what an instance asks of its nodes, before anybody has planned."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from shardopt.models.partition_schedule.data import Instance
from shardopt.models.partition_schedule.tables import even_cuts


@dataclass(frozen=True)
class Demand:
    """An instance in a few numbers.

    ``equal_runs`` are the runs of equal cuts (empty with fewer blocks than tiers) and
    ``equal_s[j][k]`` the seconds that node k takes for its run and a request of mean length,
    ``None`` where the run does not fit; ``transfer_s[j]`` is what handing it on then takes.
    ``load`` is the work that arrives per second over what all nodes do in a second, ``None``
    when all requests arrive at once.
    """

    weights_bytes: int
    flops_per_token: float
    mean_tokens: float
    first_s: float
    last_s: float
    load: float | None
    equal_runs: tuple[tuple[int, int], ...]
    equal_s: tuple[tuple[float | None, ...], ...]
    transfer_s: tuple[float, ...]


def demand(instance: Instance) -> Demand:
    """Return the figures of an instance."""
    flops = math.fsum(block.flops_per_token for block in instance.blocks)
    arrivals = [request.arrival_s for request in instance.requests]
    mean_tokens = sum(r.tokens for r in instance.requests) / len(instance.requests)
    first_s, last_s = min(arrivals), max(arrivals)
    speed = math.fsum(node.flops_per_s for tier in instance.tiers for node in tier.nodes)
    rate = (len(arrivals) - 1) / (last_s - first_s) if last_s > first_s else None
    cuts = even_cuts(len(instance.blocks), len(instance.tiers))
    runs = () if cuts is None else tuple(itertools.pairwise([0, *cuts, len(instance.blocks)]))
    return Demand(
        weights_bytes=sum(block.weight_bytes for block in instance.blocks),
        flops_per_token=flops,
        mean_tokens=mean_tokens,
        first_s=first_s,
        last_s=last_s,
        load=None if rate is None else rate * mean_tokens * flops / speed,
        equal_runs=runs,
        equal_s=_service_s(instance, runs, mean_tokens),
        transfer_s=tuple(
            link.latency_s
            + mean_tokens * instance.blocks[b - 1].activation_bytes_per_token / link.bytes_per_s
            for link, (_, b) in zip(instance.links, runs, strict=False)
        ),
    )


def _service_s(
    instance: Instance, runs: tuple[tuple[int, int], ...], tokens: float
) -> tuple[tuple[float | None, ...], ...]:
    times = []
    for tier, (first, stop) in zip(instance.tiers, runs, strict=False):
        run = instance.blocks[first:stop]
        work = tokens * math.fsum(block.flops_per_token for block in run)
        need = sum(block.weight_bytes for block in run)
        times.append(
            tuple(work / k.flops_per_s if need <= k.memory_bytes else None for k in tier.nodes)
        )
    return tuple(times)


def longest_run(instance: Instance, memory_bytes: int) -> int:
    """Return the most blocks in a row that fit into a memory."""
    longest = start = held = 0
    for stop, block in enumerate(instance.blocks, start=1):
        held += block.weight_bytes
        while held > memory_bytes:
            held -= instance.blocks[start].weight_bytes
            start += 1
        longest = max(longest, stop - start)
    return longest
