"""`partition-schedule`: instances with other nodes, tiers, blocks or links than a given one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shardopt.models.partition_schedule.data import Block, Instance, Link, Node


def with_nodes(instance: Instance, j: int, nodes: Sequence[Node]) -> Instance:
    """Give the j-th tier other nodes."""
    tiers = list(instance.tiers)
    tiers[j] = replace(tiers[j], nodes=tuple(nodes))
    return replace(instance, tiers=tuple(tiers))


def with_memory(instance: Instance, j: int, which: Sequence[int], memory_bytes: int) -> Instance:
    """Give some nodes of the j-th tier another memory."""
    nodes = list(instance.tiers[j].nodes)
    for k in which:
        nodes[k] = replace(nodes[k], memory_bytes=memory_bytes)
    return with_nodes(instance, j, nodes)


def weightless(instance: Instance, start: int, stop: int) -> Instance:
    """Take the weights from the blocks ``[start, stop)``."""
    blocks = instance.blocks
    light = tuple(replace(block, weight_bytes=0) for block in blocks[start:stop])
    return replace(instance, blocks=(*blocks[:start], *light, *blocks[stop:]))


def with_fillers(instance: Instance) -> Instance:
    """Let tiers stay empty: between all blocks put blocks without weight, one for each tier less 1.

    A tier that passes requests by holds such a block, and as many tiers may do so at one place.
    """
    flops = min(block.flops_per_token for block in instance.blocks)
    fillers = (Block(flops, 0, 0),) * (len(instance.tiers) - 1)
    blocks = list(fillers)
    for block in instance.blocks:
        blocks += [block, *fillers]
    return replace(instance, blocks=tuple(blocks))


def without_tier(instance: Instance, j: int) -> Instance:
    """Leave a tier out; what passed over two links then passes over both at once."""
    links = list(instance.links)
    if 0 < j < len(instance.tiers) - 1:
        a, b = links[j - 1 : j + 1]
        rate = 1 / (1 / a.bytes_per_s + 1 / b.bytes_per_s)
        links[j - 1 : j + 1] = [Link(a.latency_s + b.latency_s, rate)]
    else:
        del links[max(0, j - 1)]
    tiers = instance.tiers[:j] + instance.tiers[j + 1 :]
    return replace(instance, tiers=tiers, links=tuple(links))


def with_links(
    instance: Instance, which: Sequence[int], latency: float = 1.0, bandwidth: float = 1.0
) -> Instance:
    """Scale latency and bandwidth of some of the links."""
    links = list(instance.links)
    for j in which:
        link = links[j]
        links[j] = Link(link.latency_s * latency, link.bytes_per_s * bandwidth)
    return replace(instance, links=tuple(links))
