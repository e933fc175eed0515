r"""`replica-clustering`: the instance of a scenario.

With the times of ``scenario/roofline.py`` and I input tokens:

.. math::

    prefill per token and block = prefill(I) / I, \qquad decode[q] = decode(q)

    head prefill per token = head(1) / I, \qquad head decode[q] = head(q)

The head is the output matrix. Engines put the embedding on a replica's first device, which any
machine may become: each keeps room for it. At most all ``sessions`` are held at once
(``max_batch``). Blocks are equal in this problem: weights, cache and times are those of the
largest.
"""

from __future__ import annotations

from shardopt.instances.scenario.data import Hop, Machine, Scenario
from shardopt.instances.scenario.roofline import Times
from shardopt.models.replica_clustering.data import (
    Device,
    Instance,
    Link,
    Links,
    Model,
    Workload,
)


def from_scenario(scenario: Scenario) -> Instance:
    """Return the instance."""
    asked = scenario.workload
    uniform = _uniform_hop(scenario)
    return Instance(
        name=scenario.name,
        source=scenario.source,
        model=_model(scenario),
        devices=tuple(_device(scenario, machine) for machine in scenario.machines),
        link=None if uniform is None else Link(uniform.bytes_per_s, uniform.latency_s),
        links=_links(scenario) if uniform is None else None,
        workload=Workload(
            input_tokens=float(asked.input_tokens),
            output_tokens=float(asked.output_tokens),
            arrival_period_s=asked.arrival_period_s,
            min_tokens_per_s=asked.min_tokens_per_s,
            max_batch=asked.sessions,
        ),
    )


def _model(scenario: Scenario) -> Model:
    model = scenario.model
    blocks = model.sizes.blocks
    return Model(
        blocks=len(blocks),
        block_weight_bytes=max(map(model.sizes.block_weight_bytes, blocks)),
        head_weight_bytes=model.sizes.head_bytes,
        cache_bytes_per_token_per_block=max(map(model.cache_bytes_per_token, blocks)),
        activation_bytes_per_token=model.sizes.activation_bytes_per_token,
    )


def _device(scenario: Scenario, machine: Machine) -> Device:
    times, tokens = Times(scenario, machine), scenario.workload.input_tokens
    blocks = set(scenario.model.sizes.blocks)
    batches = range(1, scenario.workload.sessions + 1)
    return Device(
        name=machine.name,
        # What is left of too little memory is too little for a block.
        memory_bytes=max(machine.memory_bytes - scenario.model.sizes.embedding_bytes, 1.0),
        prefill_s_per_token_per_block=max(map(times.prefill_s, blocks)) / tokens,
        decode_s_per_block=tuple(max(times.decode_s(b, q) for b in blocks) for q in batches),
        head_prefill_s_per_token=times.head_s(1) / tokens,
        head_decode_s=tuple(times.head_s(q) for q in batches),
    )


def _uniform_hop(scenario: Scenario) -> Hop | None:
    """Return the way that is the same between all machines, if it is."""
    hops = {hop for row in scenario.hops for hop in row if hop}
    if not hops:  # one machine: there is nothing to connect, but a file names a link
        return scenario.client_hop
    return hops.pop() if len(hops) == 1 else None


def _links(scenario: Scenario) -> Links:
    return Links(
        bytes_per_s=tuple(
            tuple(hop.bytes_per_s if hop else 0.0 for hop in row) for row in scenario.hops
        ),
        latency_s=tuple(
            tuple(hop.latency_s if hop else 0.0 for hop in row) for row in scenario.hops
        ),
    )
