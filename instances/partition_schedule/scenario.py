r"""`partition-schedule`: the instance of a scenario.

The requests are prompts of ``input_tokens`` tokens t, one each ``arrival_period``. With the
times of ``scenario/roofline.py``:

.. math::

    f_i = flops_i(t) / t, \qquad C_{jk} = \sum_i flops_i(t) / \sum_i prefill_{jki}(t)

The first block also holds the embedding and the last one the output matrix, with its work for
one token of each request. Of the memory, keys and values of all sessions take their share on
every node (``scenario/memory.py``). Between two tiers the slowest of all ways counts.

Tiers are those of the file, in the order in which it first speaks of them. Without them the
slowest machines come first, and a machine more than `TIER_SPREAD` times as fast as the slowest
of its tier begins the next one: our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil

from shardopt.instances.scenario.data import Scenario
from shardopt.instances.scenario.memory import weights_room
from shardopt.instances.scenario.roofline import Times
from shardopt.models.partition_schedule.data import Block, Instance, Link, Node, Request, Tier

TIER_SPREAD = 3.0
"""How much faster than the slowest of its tier a machine may be."""


def from_scenario(scenario: Scenario) -> Instance:
    """Return the instance."""
    asked = scenario.workload
    tiers = _tiers(scenario)
    return Instance(
        name=scenario.name,
        source=scenario.source,
        blocks=_blocks(scenario),
        tiers=tuple(
            Tier(name, tuple(_node(scenario, k) for k in members))
            for name, members in tiers.items()
        ),
        links=tuple(_link(scenario, a, b) for a, b in pairwise(tiers.values())),
        requests=tuple(
            Request(n * asked.arrival_period_s, asked.input_tokens) for n in range(asked.requests)
        ),
        objective="mean-latency",
    )


def _blocks(scenario: Scenario) -> tuple[Block, ...]:
    sizes, tokens = scenario.model.sizes, scenario.workload.input_tokens
    blocks = [
        Block(
            flops_per_token=block.prefill_flops(tokens) / tokens,
            weight_bytes=ceil(sizes.block_weight_bytes(block)),
            activation_bytes_per_token=ceil(sizes.activation_bytes_per_token),
        )
        for block in sizes.blocks
    ]
    first = blocks[0]
    blocks[0] = replace(first, weight_bytes=first.weight_bytes + ceil(sizes.embedding_bytes))
    last = blocks[-1]
    blocks[-1] = replace(
        last,
        flops_per_token=last.flops_per_token + sizes.head_flops_per_token / tokens,
        weight_bytes=last.weight_bytes + ceil(sizes.head_bytes),
    )
    return tuple(blocks)


def _node(scenario: Scenario, k: int) -> Node:
    machine = scenario.machines[k]
    return Node(
        name=machine.name,
        flops_per_s=Times(scenario, machine).prefill_flops_per_s(),
        memory_bytes=max(int(weights_room(scenario, machine)), 1),
    )


def _tiers(scenario: Scenario) -> dict[str, list[int]]:
    """Return the machines of each tier, tiers in pipeline order."""
    machines = scenario.machines
    tiers: dict[str, list[int]] = {}
    if machines[0].tier is not None:
        for k, machine in enumerate(machines):
            tiers.setdefault(str(machine.tier), []).append(k)
        return tiers
    speed = [Times(scenario, machine).prefill_flops_per_s() for machine in machines]
    slowest, name = 0.0, ""
    for k in sorted(range(len(machines)), key=lambda k: (speed[k], machines[k].name)):
        if speed[k] > TIER_SPREAD * slowest:
            slowest, name = speed[k], f"tier-{len(tiers) + 1}"
        tiers.setdefault(name, []).append(k)
    return tiers


def _link(scenario: Scenario, before: Sequence[int], after: Sequence[int]) -> Link:
    hops = [scenario.hop(a, b) for a in before for b in after]
    return Link(max(hop.latency_s for hop in hops), min(hop.bytes_per_s for hop in hops))
