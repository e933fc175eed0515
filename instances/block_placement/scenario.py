r"""`block-placement`: the instance of a scenario.

One client with all sessions. With the times of ``scenario/roofline.py``, I input and U output
tokens, latency \ell_j and rate r_j of the way to server j, a bytes of a token's activation:

.. math::

    \tau_j = decode_j(1), \quad \tau'_j = prefill_j(I), \quad
    t_j = 2 (\ell_j + a / r_j) + o, \quad t'_j = 2 (\ell_j + I a / r_j) + o'

o and o' are what a program adds to a round trip: without ``round_trip_overhead`` what was
measured for PETALS on near servers (arXiv 2512.21884). A client on one of the machines is at no
distance from its server, and keeps embedding and output matrix there. Blocks are equal in this
problem: weights, cache and times are those of the largest. Cost is that of whole sessions.
"""

from __future__ import annotations

from shardopt.instances.block_placement.bloom import ROUND_TRIP_OVERHEADS_S
from shardopt.instances.scenario.data import Hop, Scenario
from shardopt.instances.scenario.roofline import Times
from shardopt.models.block_placement.data import Client, Instance, Petals, Server


def from_scenario(scenario: Scenario) -> Instance:
    """Return the instance."""
    model, asked = scenario.model, scenario.workload
    blocks = model.sizes.blocks
    ways = [_way_to(scenario, j) for j in range(len(scenario.machines))]
    tokens = asked.input_tokens + asked.output_tokens
    return Instance(
        name=scenario.name,
        source=scenario.source,
        block_count=len(blocks),
        weight_bytes=max(map(model.sizes.block_weight_bytes, blocks)),
        cache_bytes_per_session=tokens * max(map(model.cache_bytes_per_token, blocks)),
        servers=tuple(_server(scenario, j) for j in range(len(scenario.machines))),
        clients=(_client(scenario, ways),),
        input_tokens=asked.input_tokens,
        output_tokens=asked.output_tokens,
        cost="session",
        petals=_petals(scenario, ways),
    )


def _server(scenario: Scenario, j: int) -> Server:
    machine, model = scenario.machines[j], scenario.model
    times = Times(scenario, machine)
    room = machine.memory_bytes
    if j == scenario.client:  # what is left of too little memory is too little for a block
        room = max(room - model.ends_bytes, 1.0)
    return Server(
        name=machine.name,
        memory_bytes=room,
        decode_s_per_block=max(times.decode_s(block, 1) for block in model.sizes.blocks),
        prefill_s_per_block=max(times.prefill_s(block) for block in model.sizes.blocks),
    )


def _way_to(scenario: Scenario, j: int) -> Hop | None:
    """Return the way from the client to a server, ``None`` if both are one machine."""
    if scenario.client is not None:
        return scenario.hops[scenario.client][j]
    way = scenario.client_hop
    return Hop(min(way.bytes_per_s, scenario.machines[j].link_bytes_per_s), way.latency_s)


def _client(scenario: Scenario, ways: list[Hop | None]) -> Client:
    decode_o, prefill_o = ROUND_TRIP_OVERHEADS_S["clustered"]
    if scenario.round_trip_overhead_s is not None:
        decode_o = prefill_o = scenario.round_trip_overhead_s
    activation = scenario.model.sizes.activation_bytes_per_token
    prompt = scenario.workload.input_tokens * activation

    def round_trip_s(way: Hop | None, message: float) -> float:
        return 0.0 if way is None else 2 * (way.latency_s + message / way.bytes_per_s)

    return Client(
        name="client",
        sessions=scenario.workload.sessions,
        decode_rtt_s=tuple(round_trip_s(way, activation) + decode_o for way in ways),
        prefill_rtt_s=tuple(round_trip_s(way, prompt) + prefill_o for way in ways),
    )


def _petals(scenario: Scenario, ways: list[Hop | None]) -> Petals:
    """Return what the PETALS baselines read: pings, and the tokens that a link carries."""
    activation = scenario.model.sizes.activation_bytes_per_token
    return Petals(
        network_tokens_per_s=tuple(m.link_bytes_per_s / activation for m in scenario.machines),
        client_ping_s=(tuple(2 * way.latency_s if way else 0.0 for way in ways),),
        server_ping_s=tuple(
            tuple(2 * hop.latency_s if hop else 0.0 for hop in row) for row in scenario.hops
        ),
    )
