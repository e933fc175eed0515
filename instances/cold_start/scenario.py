r"""`cold-start`: the instance of a scenario.

One request of ``input_tokens`` tokens t. With the times of ``scenario/roofline.py``:

.. math::

    c_k = \sum_i W_i / \sum_i prefill_{ki}(t), \quad W_i = flops_i(t), \quad A_i = t a

with a bytes of a token's activation.

The first block also holds the embedding and the last one the output matrix, as engines place
them, with its work for one token. Of the memory, keys and values of all sessions take their
share (``scenario/memory.py``). Devices are on a star; where pairs have ways of their own, every
way is a rate at which A_i takes as long as over that way with its own latency.
"""

from __future__ import annotations

from dataclasses import replace

from shardopt.instances.scenario.data import Hop, Scenario
from shardopt.instances.scenario.memory import weights_room
from shardopt.instances.scenario.roofline import Times
from shardopt.models.cold_start.data import Block, Device, Instance


def from_scenario(scenario: Scenario) -> Instance:
    """Return the instance."""
    star = scenario.is_star
    return Instance(
        name=scenario.name,
        source=scenario.source,
        blocks=_blocks(scenario),
        devices=tuple(
            Device(
                name=machine.name,
                flops_per_s=Times(scenario, machine).prefill_flops_per_s(),
                load_bytes_per_s=machine.load_rate(),
                memory_bytes=weights_room(scenario, machine),
                uplink_bytes_per_s=machine.link_bytes_per_s if star else None,
                downlink_bytes_per_s=machine.link_bytes_per_s if star else None,
            )
            for machine in scenario.machines
        ),
        loading="whole-run",
        links_bytes_per_s=None if star else _rates(scenario),
        link_latency_s=_least_latency_s(scenario),
    )


def _blocks(scenario: Scenario) -> tuple[Block, ...]:
    sizes, tokens = scenario.model.sizes, scenario.workload.input_tokens
    blocks = [
        Block(
            flops=block.prefill_flops(tokens),
            weight_bytes=sizes.block_weight_bytes(block),
            activation_bytes=_activation_bytes(scenario),
        )
        for block in sizes.blocks
    ]
    blocks[0] = replace(blocks[0], weight_bytes=blocks[0].weight_bytes + sizes.embedding_bytes)
    last = blocks[-1]
    blocks[-1] = replace(
        last,
        flops=last.flops + sizes.head_flops_per_token,
        weight_bytes=last.weight_bytes + sizes.head_bytes,
    )
    return tuple(blocks)


def _activation_bytes(scenario: Scenario) -> float:
    return scenario.workload.input_tokens * scenario.model.sizes.activation_bytes_per_token


def _least_latency_s(scenario: Scenario) -> float:
    """Return the latency that the instance has for all links."""
    return min((hop.latency_s for row in scenario.hops for hop in row if hop), default=0.0)


def _rates(scenario: Scenario) -> tuple[tuple[float, ...], ...]:
    least_s, activation = _least_latency_s(scenario), _activation_bytes(scenario)

    def rate(hop: Hop | None) -> float:
        if hop is None:
            return 0.0
        return activation / (hop.latency_s - least_s + activation / hop.bytes_per_s)

    return tuple(tuple(map(rate, row)) for row in scenario.hops)
