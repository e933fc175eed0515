"""How often more of something worsens the plans of `partition-schedule`'s online heuristics.

It never worsens an optimum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rich.table import Table

from shardopt import generate, solve
from shardopt.models.partition_schedule.data import Instance, Node
from shardopt.models.result import OPTIMALITY_TOLERANCE

Change = Callable[[Instance], Instance]


def _each_node(change: Callable[[Node], Node]) -> Change:
    return lambda instance: replace(
        instance,
        tiers=tuple(replace(tier, nodes=tuple(map(change, tier.nodes))) for tier in instance.tiers),
    )


def _faster_node(instance: Instance) -> Instance:
    *others, last = instance.tiers
    first, *rest = last.nodes
    node = replace(first, flops_per_s=1.5 * first.flops_per_s)
    return replace(instance, tiers=(*others, replace(last, nodes=(node, *rest))))


def _one_more_node(instance: Instance) -> Instance:
    *others, last = instance.tiers
    twin = replace(last.nodes[0], name="twin")
    return replace(instance, tiers=(*others, replace(last, nodes=(*last.nodes, twin))))


def _wider_links(instance: Instance) -> Instance:
    links = tuple(replace(link, bytes_per_s=2 * link.bytes_per_s) for link in instance.links)
    return replace(instance, links=links)


CHANGES: dict[str, Change] = {
    "a twin of the last tier's first node": _one_more_node,
    "that node 1.5 times as fast": _faster_node,
    "all nodes 1.5 times as fast": _each_node(
        lambda n: replace(n, flops_per_s=1.5 * n.flops_per_s)
    ),
    "twice the memory": _each_node(lambda n: replace(n, memory_bytes=2 * n.memory_bytes)),
    "twice the bandwidth": _wider_links,
}


def anomaly_table(instances: int) -> Table:
    """Return how many plans get worse by each change, and by how much."""
    table = Table(title_justify="left", caption_justify="left")
    for heading in ("change", "objective"):
        table.add_column(heading, no_wrap=True)
    for solver in ("bsdp+arts", "arts"):
        for heading in (f"{solver}:\nworse", "\nby up to", "\nseed"):
            table.add_column(heading, justify="right", no_wrap=True)
    for label, change in CHANGES.items():
        for objective in ("mean-latency", "makespan"):
            cells = [_worsened(change, objective, s, instances) for s in ("bsdp+arts", "arts")]
            table.add_row(label, objective, *cells[0], *cells[1])
    table.caption = (
        "preset random, 10 blocks, 3 tiers of up to 2 nodes, 6 requests; where both have a plan"
    )
    return table


def _worsened(change: Change, objective: str, solver: str, instances: int) -> tuple[str, str, str]:
    """Return how many plans are worse after the change, the largest factor, and on which seed."""
    size = {"blocks": 10, "tiers": 3, "nodes": 2, "requests": 6, "objective": objective}
    poor = [generate("partition-schedule", "random", seed=n, **size) for n in range(instances)]
    ratios = {}
    for seed, instance in enumerate(poor):
        before = solve(instance, solver).objective
        after = solve(change(instance), solver).objective
        if before is not None and after is not None:
            ratios[seed] = after / before
    worse = [seed for seed, ratio in ratios.items() if ratio > 1 + OPTIMALITY_TOLERANCE]
    if not worse:
        return f"0/{len(ratios)}", "-", "-"
    worst = max(worse, key=lambda seed: ratios[seed])
    return f"{len(worse)}/{len(ratios)}", f"{ratios[worst] - 1:.0%}", str(worst)
