"""`partition-schedule`: what `shardopt explain` asks, relaxes, mends and changes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from shardopt.explain.parts import (
    Binding,
    Change,
    Group,
    Mend,
    Rung,
    alike,
    fewer_bits,
    free_names,
    grid,
    one_of,
    weight_groups,
)
from shardopt.models.partition_schedule.data import Instance, Solution, Tier
from shardopt.models.partition_schedule.evaluate import objective_of, timeline
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.partition_schedule.altered import (
    weightless,
    with_fillers,
    with_links,
    with_memory,
    with_nodes,
    without_tier,
)
from shardopt.units import printable, si

FIRST = (("exact", 2.0),)
_MOST_FILLERS = 20_000
"""More blocks without weight than this are not put in to let tiers stay empty."""


def probe(instance: Instance) -> Instance:
    """Return the instance with one request, by its bottleneck: requests never lack memory.

    Cuts that one request can pass, all can: one after the other.
    """
    return replace(instance, requests=instance.requests[:1], objective="bottleneck")


def facts(instance: Instance) -> Iterator[str]:
    """Yield where the blocks get stuck on their way through the tiers, and for how many bytes."""
    tables, tiers = make_tables(instance), instance.tiers
    weight = tables.weight(0, tables.block_count)
    room = sum(max(node.memory_bytes for node in tier.nodes) for tier in tiers)
    yield (
        f"{tables.block_count} blocks weigh {si(weight, 'B')}; the largest nodes of the"
        f" {len(tiers)} tiers have {si(room, 'B')} together"
    )
    if tables.block_count < len(tiers):
        yield f"there are {tables.block_count} blocks for {len(tiers)} tiers, at least one each"
        return
    reached = np.zeros(1, dtype=np.int64)
    for tier in tiers:
        ends = tables.reach(max(node.memory_bytes for node in tier.nodes))[reached]
        fits = ends > reached
        if not fits.any():
            yield _stuck(instance, tier, int(reached.max()))
            return
        # Every b in (a, ends[a]] is reached: count how many of these intervals are open.
        opened = np.zeros(tables.block_count + 2, dtype=np.int64)
        np.add.at(opened, reached[fits] + 1, 1)
        np.add.at(opened, ends[fits] + 1, -1)
        reached = np.flatnonzero(opened.cumsum() > 0)
    farthest = int(reached.max())
    if farthest < tables.block_count:
        rest = tables.weight(farthest, tables.block_count)
        yield (
            f"the tiers in their order hold the first {farthest} blocks at most;"
            f" {si(rest, 'B')} are left over"
        )


def _stuck(instance: Instance, tier: Tier, at: int) -> str:
    name = printable(tier.name)
    if at == len(instance.blocks):
        return f"no block is left for {name}: tiers before it cannot hold fewer"
    largest = max(node.memory_bytes for node in tier.nodes)
    need = instance.blocks[at].weight_bytes
    return (
        f"{name} cannot hold block {at}: {si(need, 'B')}, its largest node has {si(largest, 'B')}"
    )


def groups(instance: Instance) -> Iterator[Group]:
    """Yield the memory of each tier, the weights of each kind of block, the rule of no gaps."""
    whole = sum(block.weight_bytes for block in instance.blocks)
    for j, tier in enumerate(instance.tiers):
        largest, every = max(node.memory_bytes for node in tier.nodes), range(len(tier.nodes))
        yield Group(
            f"memory of {printable(tier.name)}",
            f"{si(largest, 'B')} on its largest node",
            partial(with_memory, j=j, which=every, memory_bytes=max(whole, largest)),
        )
    yield from weight_groups([block.weight_bytes for block in instance.blocks], weightless)
    fillers = (len(instance.blocks) + 1) * (len(instance.tiers) - 1)
    if 0 < fillers <= _MOST_FILLERS:  # the last one: it changes the numbers of the blocks
        yield Group("a block for every tier", "no tier may be passed by", with_fillers)


def mends(instance: Instance) -> Iterator[Mend]:
    """Yield more memory, tiers less, smaller weights."""
    whole = sum(block.weight_bytes for block in instance.blocks)
    room = sum(max(node.memory_bytes for node in tier.nodes) for tier in instance.tiers)
    for j, tier in enumerate(instance.tiers):
        k = max(range(len(tier.nodes)), key=lambda k: tier.nodes[k].memory_bytes)
        have = tier.nodes[k].memory_bytes
        step, steps = grid(whole - have)

        def more(n: int, j: int = j, k: int = k, step: int = int(step)) -> Rung:
            have = instance.tiers[j].nodes[k].memory_bytes
            words = f"{si(n * step, 'B')} more, {si(have + n * step, 'B')} in all"
            made = with_memory(instance, j, [k], have + n * step)
            return Rung(made, n * step, n * step / room, words)

        if whole > have:
            what = f"more memory on {printable(tier.nodes[k].name)} of {printable(tier.name)}"
            yield Mend("memory", what, "bytes", steps, more)
        if len(instance.tiers) > 1:

            def fewer(n: int, j: int = j) -> Rung:
                share = n / len(instance.tiers)
                return Rung(without_tier(instance, j), n, share, "one tier less")

            yield Mend("tier", f"no tier {printable(tier.name)}", "tiers", 1, fewer)
    factor = max(whole / node.memory_bytes for tier in instance.tiers for node in tier.nodes)
    steps = max(1, math.ceil(1000 * (factor - 1)) + 1)

    def larger(n: int) -> Rung:
        made = instance
        for j, tier in enumerate(instance.tiers):
            for k, node in enumerate(tier.nodes):
                made = with_memory(made, j, [k], node.memory_bytes * (1000 + n) // 1000)
        return Rung(made, n / 10, n / 1000, f"each {n / 10:g} % more")

    yield Mend("all-memory", "more memory on every node", "%", steps, larger)

    def lighter(n: int) -> Rung:
        factor = 0.5**n
        blocks = tuple(replace(b, weight_bytes=-(-b.weight_bytes // 2**n)) for b in instance.blocks)
        words = fewer_bits(n, "weights")
        return Rung(replace(instance, blocks=blocks), factor, 1 - factor, words)

    yield Mend("weights", "a smaller type for the weights", "factor", 2, lighter, now=1.0)


def changes(instance: Instance) -> Iterator[Change]:
    """Yield the instance without and with more nodes and tiers, better nodes and links."""
    kinds = [
        (j, found)
        for j, tier in enumerate(instance.tiers)
        for found in alike(tier.nodes, lambda node: (node.flops_per_s, node.memory_bytes))
    ]
    for j, found in kinds:
        nodes = instance.tiers[j].nodes
        if len(nodes) > 1:
            name, k = one_of([nodes[k].name for k in found]), found[0]
            made = with_nodes(instance, j, nodes[:k] + nodes[k + 1 :])
            yield Change("without", nodes[k].name, f"without {name}", made, "harder")
    for j, tier in enumerate(instance.tiers):
        if len(instance.tiers) > 1:
            made, name = without_tier(instance, j), printable(tier.name)
            yield Change("without", tier.name, f"without the tier {name}", made, None)
    taken = [node.name for tier in instance.tiers for node in tier.nodes]
    for j, found in kinds:
        node = instance.tiers[j].nodes[found[0]]
        copy = replace(node, name=free_names(taken, node.name, 1)[0])
        made = with_nodes(instance, j, (*instance.tiers[j].nodes, copy))
        words = f"another node like {printable(node.name)}"
        yield Change("another", node.name, words, made, "easier")
    yield from _network(instance)
    for j, found in kinds:
        nodes = instance.tiers[j].nodes
        name, k = one_of([nodes[k].name for k in found]), found[0]
        made = with_memory(instance, j, [k], 2 * nodes[k].memory_bytes)
        yield Change("memory", nodes[k].name, f"{name}: twice the memory", made, "easier")
        faster = replace(nodes[k], flops_per_s=2 * nodes[k].flops_per_s)
        made = with_nodes(instance, j, (*nodes[:k], faster, *nodes[k + 1 :]))
        yield Change("compute", nodes[k].name, f"{name}: twice as fast", made, "easier")


def _network(instance: Instance) -> Iterator[Change]:
    every = range(len(instance.links))
    choices = [([j], _link_name(instance, j)) for j in every]
    if len(choices) > 1:
        choices.insert(0, (list(every), "all links"))
    for which, name in choices:
        made = with_links(instance, which, bandwidth=2.0)
        yield Change("bandwidth", name, f"twice the bandwidth of {name}", made, "easier")
        if any(instance.links[j].latency_s for j in which):
            made = with_links(instance, which, latency=0.5)
            yield Change("latency", name, f"half the latency of {name}", made, "easier")


def _link_name(instance: Instance, j: int) -> str:
    before, after = instance.tiers[j].name, instance.tiers[j + 1].name
    return f"the link {printable(before)} - {printable(after)}"


def bindings(instance: Instance, solution: Solution) -> Iterator[Binding]:
    """Yield how full and how busy the nodes are, and what the requests' time is spent on."""
    times = timeline(instance, solution)
    nodes = [node for tier in instance.tiers for node in tier.nodes]
    length_s = float(times.end_s.max())
    for j, (a, b) in enumerate(times.runs):
        need = sum(block.weight_bytes for block in instance.blocks[a:b])
        for k in np.unique(times.node[:, j]).tolist():
            node, name = nodes[k], printable(nodes[k].name)
            words = f"memory of {name}: {si(need, 'B')} of {si(node.memory_bytes, 'B')}"
            words += f", blocks [{a}, {b})"
            yield Binding("limit", f"memory of {node.name}", need / node.memory_bytes, words)
            if len(instance.requests) > 1:
                busy_s = float(times.service_s[times.node[:, j] == k, j].sum())
                words = f"{name} is busy for {busy_s:.4g} of {length_s:.4g} s"
                yield Binding("limit", f"time of {node.name}", busy_s / length_s, words)
    if instance.objective == "bottleneck":
        total_s = objective_of(instance, times)
        slowest = int(times.service_s[0].argmax())
        tier = printable(instance.tiers[slowest].name)
        spent = {f"the slowest stage, {tier}": float(times.service_s.max())}
        spent["transfers"] = float(times.transfer_s.sum())
    else:
        total_s = float((times.end_s[:, -1] - times.arrival_s).sum())
        service_s, transfer_s = float(times.service_s.sum()), float(times.transfer_s.sum())
        spent = {"service": service_s, "transfers": transfer_s}
        spent["waiting"] = max(0.0, total_s - service_s - transfer_s)
    for what, seconds in spent.items():
        if seconds > 1e-9 * total_s:  # not just rounding
            words = f"{what}: {seconds:.4g} of {total_s:.4g} s of all requests"
            yield Binding("time", what, seconds / total_s, words)
