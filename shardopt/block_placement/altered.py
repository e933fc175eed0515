"""`block-placement`: instances with other servers, sessions or round trips than a given one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shardopt.explain.parts import free_names
from shardopt.models.block_placement.data import Client, Instance, Server


def with_servers(instance: Instance, which: Sequence[int], **numbers: float | None) -> Instance:
    """Give some of the servers other numbers."""
    servers: list[Server] = list(instance.servers)
    for j in which:
        servers[j] = replace(servers[j], **numbers)  # type: ignore[arg-type]
    return replace(instance, servers=tuple(servers), petals=None)


def with_sessions(instance: Instance, sessions: dict[str, int]) -> Instance:
    """Give clients, by name, other numbers of sessions."""
    clients = tuple(replace(c, sessions=sessions.get(c.name, c.sessions)) for c in instance.clients)
    return replace(instance, clients=clients)


def with_only(instance: Instance, which: Sequence[int]) -> Instance:
    """Return the instance with these servers, in this order; some may be there several times."""

    def chosen(client: Client) -> Client:
        decode = tuple(client.decode_rtt_s[j] for j in which)
        prefill = tuple(client.prefill_rtt_s[j] for j in which)
        return replace(client, decode_rtt_s=decode, prefill_rtt_s=prefill)

    servers = tuple(instance.servers[j] for j in which)
    clients = tuple(chosen(client) for client in instance.clients)
    return replace(instance, servers=servers, clients=clients, petals=None)


def with_copies(instance: Instance, j: int, count: int) -> Instance:
    """Add servers like the j-th, with its round trips."""
    names = [server.name for server in instance.servers]
    made = with_only(instance, [*range(len(names)), *[j] * count])
    copies = free_names(names, names[j], count)
    servers = (
        *instance.servers,
        *(replace(instance.servers[j], name=name) for name in copies),
    )
    return replace(made, servers=servers)


def with_round_trips(instance: Instance, which: Sequence[int]) -> Instance:
    """Halve the round trips to these servers, for all clients."""

    def halved(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(t / 2 if j in which else t for j, t in enumerate(values))

    clients = tuple(
        replace(c, decode_rtt_s=halved(c.decode_rtt_s), prefill_rtt_s=halved(c.prefill_rtt_s))
        for c in instance.clients
    )
    return replace(instance, clients=clients)
