"""`block-placement`: the testbeds of arXiv 2512.21884, clustered and scattered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shardopt.instances.block_placement import bloom
from shardopt.instances.block_placement.bloom import A100, MIG, Kind, Overheads
from shardopt.instances.block_placement.options import (
    Request,
    Tag,
    make_request,
    named,
    require_common,
    shares,
)
from shardopt.instances.block_placement.topologies import (
    Topology,
    generated,
    read_topology,
    round_trip_s,
)
from shardopt.instances.presets import require_range
from shardopt.models.block_placement.data import Cost, Instance, Server


def bloom_clustered(
    *,
    sessions: int = 8,
    input_tokens: int = 20,
    output_tokens: int = 128,
    cost: Cost = "decode",
    overheads: Overheads = "scattered",
    a100_gb: float = 79.13,
    mig_gb: float = 8.2,
    seed: int = 0,
) -> Instance:
    """The published testbed: 7 MIG slices near the client, 2 A100s far off; nothing is random.

    ``overheads="clustered"`` takes the shorter round trips of the authors' clustered scripts.
    """
    request = make_request(input_tokens, output_tokens, cost)
    require_common(seed, sessions, 1)
    far = np.arange(9) >= 7
    kinds = [A100 if distant else MIG for distant in far]
    client_ping = np.where(far, 0.100, 0.005)
    server_ping = np.where(far[:, None] == far, 0.005, 0.100)
    np.fill_diagonal(server_ping, 0.0)
    name = named(
        f"bloom-clustered-9-r{sessions}",
        request,
        (f"-{overheads}", overheads, "scattered"),
        *_memory_tags(a100_gb, mig_gb, 79.13, 8.2),
    )
    return bloom.bloom_instance(
        name,
        f"constants of {bloom.PAPER}'s simulator: 7 MIG slices at 5 ms, 2 A100 at 100 ms",
        kinds,
        _servers(kinds, a100_gb, mig_gb, request),
        [bloom.client("c1", sessions, client_ping, request, overheads)],
        client_ping[None],
        server_ping,
        request,
    )


def scattered(network: str, servers: int, a100_gb: float, mig_gb: float) -> Callable[..., Instance]:
    """Return a preset that draws clients and servers on a topology; the numbers are defaults."""
    usual_servers, usual_gb = servers, (a100_gb, mig_gb)

    def preset(
        *,
        seed: int = 0,
        sessions: int = 50,
        clients: int = 1,
        servers: int = usual_servers,
        eta: float = 0.2,
        input_tokens: int = 20,
        output_tokens: int = 128,
        cost: Cost = "decode",
        a100_gb: float = usual_gb[0],
        mig_gb: float = usual_gb[1],
        topology: str | None = None,
    ) -> Instance:
        request = make_request(input_tokens, output_tokens, cost)
        require_common(seed, sessions, clients)
        require_range("eta", eta, 0, 1)
        net = generated(network) if topology is None else read_topology(topology)
        require_range("servers", servers, 1, net.nodes - clients)
        name = named(
            f"bloom-{network}-{usual_servers}-r{sessions}-s{seed}",
            request,
            (f"-c{clients}", clients, 1),
            (f"-j{servers}", servers, usual_servers),
            (f"-eta{eta:g}", eta, 0.2),
            *_memory_tags(a100_gb, mig_gb, *usual_gb),
            (f"-on-{net.name}", topology, None),
        )
        kinds = [MIG] * (servers - round(eta * servers)) + [A100] * round(eta * servers)
        machines = _servers(kinds, a100_gb, mig_gb, request)
        return _draw(name, net, seed, kinds, machines, shares(sessions, clients), request)

    preset.__doc__ = f"""Clients and servers drawn on a topology like {network}'s.

    round(eta C) of C servers are A100s. ``topology`` names a file with the original (REPETITA's
    .graph, or JSON); what is generated has its size and range of delays.
    """
    return preset


def _draw(
    name: str,
    net: Topology,
    seed: int,
    kinds: list[Kind],
    servers: list[Server],
    sessions: list[int],
    request: Request,
) -> Instance:
    """Draw the nodes of all clients and servers, no two at one node."""
    rng = np.random.default_rng(seed)
    # The nodes come in random order, so it does not matter which servers are A100s.
    nodes = rng.choice(net.nodes, len(sessions) + len(servers), replace=False)
    ping = round_trip_s(net)[np.ix_(nodes, nodes[len(sessions) :])]
    clients = [
        bloom.client(f"c{c}", share, ping[c - 1], request)
        for c, share in enumerate(sessions, start=1)
    ]
    return bloom.bloom_instance(
        name,
        f"constants of {bloom.PAPER}'s simulator, drawn on {net.described}",
        kinds,
        servers,
        clients,
        ping[: len(clients)],
        ping[len(clients) :],
        request,
    )


def _servers(kinds: list[Kind], a100_gb: float, mig_gb: float, request: Request) -> list[Server]:
    return [
        bloom.server(f"s{j}", kind, a100_gb if kind is A100 else mig_gb, request)
        for j, kind in enumerate(kinds, start=1)
    ]


def _memory_tags(a100_gb: float, mig_gb: float, *defaults: float) -> tuple[Tag, Tag]:
    require_range("a100_gb", a100_gb, 1e-3, 1e6)
    require_range("mig_gb", mig_gb, 1e-3, 1e6)
    return (f"-a100-{a100_gb:g}", a100_gb, defaults[0]), (f"-mig-{mig_gb:g}", mig_gb, defaults[1])
