"""`block-placement`: what `shardopt explain` asks, relaxes, mends and changes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from shardopt.block_placement.altered import (
    with_copies,
    with_only,
    with_round_trips,
    with_servers,
    with_sessions,
)
from shardopt.explain.parts import (
    MOST_COPIES,
    Binding,
    Change,
    Group,
    Mend,
    Rung,
    alike,
    fewer_bits,
    grid,
    named,
    one_of,
)
from shardopt.models.block_placement.data import Client, Instance, Solution
from shardopt.models.block_placement.evaluate import blocks_run, objective, step_s, stops_of
from shardopt.models.block_placement.tables import make_tables
from shardopt.units import si

FIRST = (("exact", 0.05), ("boundary/highs", 2.0), ("exact", 2.0))
"""`exact` begins with heuristics; where these fail, `boundary` soon sees that there is no plan."""
_NO_WEIGHT = 1e-9
"""What is left of the weights where they are relaxed: a block must weigh something."""


def probe(instance: Instance) -> Instance:
    """Return the instance with all times 0: every plan is optimal then."""
    free = (0.0,) * len(instance.servers)
    servers = tuple(
        replace(s, decode_s_per_block=0.0, prefill_s_per_block=0.0) for s in instance.servers
    )
    clients = tuple(replace(c, decode_rtt_s=free, prefill_rtt_s=free) for c in instance.clients)
    return replace(instance, servers=servers, clients=clients, cost="decode", petals=None)


def facts(instance: Instance) -> Iterator[str]:
    """Yield what needs memory, and what the servers have room for at all."""
    w, c = instance.weight_bytes, instance.cache_bytes_per_session
    count, sessions = instance.block_count, instance.session_count
    need, room = count * (w + c * sessions), sum(s.memory_bytes for s in instance.servers)
    yield (
        f"{count} blocks of {si(w, 'B')}, and on each the caches of {sessions} sessions of"
        f" {si(c, 'B')}, take at least {si(need, 'B')}; all memory together is {si(room, 'B')}"
    )
    if need > room:
        most = max(0, math.floor((room / count - w) / c))
        yield f"with every block hosted once there is room for {most} sessions at the very most"
    hosted = int(make_tables(instance).U.sum())
    if hosted < count:
        yield f"the servers can host {hosted} blocks for a single session"


def groups(instance: Instance) -> Iterator[Group]:
    """Yield memory and limits of each server, the sessions of each client, the weights."""
    servers, whole = instance.servers, _whole_bytes(instance)
    for found in alike(servers, lambda s: (s.memory_bytes, s.max_blocks)):
        names, server = named([servers[j].name for j in found]), servers[found[0]]
        each = " each" if len(found) > 1 else ""
        yield Group(
            f"memory of {names}",
            si(server.memory_bytes, "B") + each,
            partial(with_servers, which=found, memory_bytes=max(whole, server.memory_bytes)),
        )
        if server.max_blocks is not None and server.max_blocks < instance.block_count:
            yield Group(
                f"limit of blocks of {names}",
                f"{server.max_blocks} blocks{each}",
                partial(with_servers, which=found, max_blocks=None),
            )
    for client in instance.clients:
        if client.sessions > 1:
            yield Group(
                f"sessions of {named([client.name])}",
                f"{client.sessions} at once and not just one",
                partial(with_sessions, sessions={client.name: 1}),
            )
    yield Group(
        "weights of the blocks",
        f"{si(instance.weight_bytes, 'B')} each",
        lambda made: replace(made, weight_bytes=made.weight_bytes * _NO_WEIGHT),
    )


def mends(instance: Instance) -> Iterator[Mend]:
    """Yield more memory, more servers, fewer sessions, higher limits, smaller numbers."""
    servers = instance.servers
    for found in alike(servers, lambda s: (s.memory_bytes, s.max_blocks)):
        yield from _mends_of_server(instance, found)
    factor = max(_whole_bytes(instance) / s.memory_bytes for s in servers)

    def larger(n: int) -> Rung:
        more = 1 + n / 1000
        made = replace(
            instance,
            servers=tuple(replace(s, memory_bytes=s.memory_bytes * more) for s in servers),
        )
        return Rung(made, n / 10, n / 1000, f"each {n / 10:g} % more")

    steps = max(1, math.ceil(1000 * (factor - 1)))
    yield Mend("all-memory", "more memory on every server", "%", steps, larger)
    yield from _fewer_sessions(instance)
    for kind, what in (("weights", "a smaller type for the weights"),
                       ("caches", "a smaller type for the caches")):  # fmt: skip

        def lighter(n: int, kind: str = kind) -> Rung:
            share = 0.5**n
            if kind == "weights":
                made = replace(instance, weight_bytes=instance.weight_bytes * share)
            else:
                cache = instance.cache_bytes_per_session * share
                made = replace(instance, cache_bytes_per_session=cache)
            words = fewer_bits(n, kind)
            return Rung(made, share, 1 - share, words)

        yield Mend(kind, what, "factor", 2, lighter, now=1.0)


def _mends_of_server(instance: Instance, found: tuple[int, ...]) -> Iterator[Mend]:
    """Yield what would mend on one server of several that are alike, or on all of them."""
    server, whole = instance.servers[found[0]], _whole_bytes(instance)
    names = [instance.servers[j].name for j in found]
    room, have = sum(s.memory_bytes for s in instance.servers), server.memory_bytes
    step, steps = grid(whole - have)

    def more(n: int) -> Rung:
        made = with_servers(instance, found[:1], memory_bytes=have + n * step)
        words = f"{si(n * step, 'B')} more, {si(have + n * step, 'B')} in all"
        return Rung(made, n * step, n * step / room, words)

    def another(n: int) -> Rung:
        made = with_copies(instance, found[0], n)
        return Rung(made, n, n * have / room, f"{n} more of {si(have, 'B')}")

    def higher(n: int) -> Rung:
        limit = (server.max_blocks or 0) + n
        made = with_servers(instance, found, max_blocks=limit)
        share = n * len(found) / (instance.block_count * len(instance.servers))
        return Rung(made, n, share, f"{limit} blocks each for {server.max_blocks}")

    if whole > have:
        yield Mend("memory", f"more memory on {one_of(names)}", "bytes", steps, more)
    yield Mend("device", f"more servers like {server.name}", "servers", MOST_COPIES, another)
    if server.max_blocks is not None and server.max_blocks < instance.block_count:
        what, top = f"a higher limit of blocks on {named(names)}", instance.block_count
        yield Mend("max-blocks", what, "blocks", top - server.max_blocks, higher)


def _fewer_sessions(instance: Instance) -> Iterator[Mend]:
    total = instance.session_count
    for client in instance.clients:

        def fewer(n: int, client: Client = client) -> Rung:
            made = with_sessions(instance, {client.name: client.sessions - n})
            return Rung(made, n, n / total, f"{client.sessions - n} for {client.sessions}")

        if client.sessions > 1:
            what = f"fewer sessions of {named([client.name])}"
            yield Mend("sessions", what, "sessions", client.sessions - 1, fewer)

    def thinned(n: int) -> Rung:
        kept = {c.name: max(1, c.sessions * (1000 - n) // 1000) for c in instance.clients}
        left = sum(kept.values())
        words = f"{left} in all for {total}"
        return Rung(with_sessions(instance, kept), total - left, 1 - left / total, words)

    if len(instance.clients) > 1 and total > len(instance.clients):
        yield Mend("all-sessions", "fewer sessions of every client", "sessions", 1000, thinned)


def changes(instance: Instance) -> Iterator[Change]:
    """Yield the instance without, with another, and with a better server; then round trips."""
    servers = instance.servers
    types = make_tables(instance).types.members
    for found in types:
        if len(servers) > 1:
            name = one_of([servers[j].name for j in found])
            made = with_only(instance, [j for j in range(len(servers)) if j != found[0]])
            yield Change("without", servers[found[0]].name, f"without {name}", made, "harder")
    for found in types:
        made, like = with_copies(instance, found[0], 1), servers[found[0]].name
        yield Change("another", like, f"another server like {like}", made, "easier")
    if len(servers) > 1:
        made = with_round_trips(instance, range(len(servers)))
        yield Change("latency", "all links", "half of all round trips", made, "easier")
    for found in types:
        yield from _better(instance, found[0], one_of([servers[j].name for j in found]))


def _better(instance: Instance, j: int, name: str) -> Iterator[Change]:
    server = instance.servers[j]
    made = with_servers(instance, [j], memory_bytes=2 * server.memory_bytes)
    yield Change("memory", server.name, f"{name}: twice the memory", made, "easier")
    made = with_servers(
        instance,
        [j],
        decode_s_per_block=server.decode_s_per_block / 2,
        prefill_s_per_block=server.prefill_s_per_block / 2,
    )
    yield Change("compute", server.name, f"{name}: twice as fast", made, "easier")
    made = with_round_trips(instance, [j])
    yield Change("latency", server.name, f"{name}: half the round trip", made, "easier")
    if server.max_blocks is not None and server.max_blocks < instance.block_count:
        made = with_servers(instance, [j], max_blocks=None)
        yield Change("max-blocks", server.name, f"{name}: no limit of blocks", made, "easier")


def bindings(instance: Instance, solution: Solution) -> Iterator[Binding]:
    """Yield how full each server is, and what part of the time each takes."""
    tables = make_tables(instance)
    index, clients = instance.server_index(), instance.client_index()
    blocks = dict.fromkeys(index, 0)
    spent_s = dict.fromkeys(index, 0.0)
    stops = stops_of(solution)
    for route in solution.routes:
        for name, k in zip(route.path, blocks_run(stops, route.path), strict=True):
            once_s = step_s(instance, clients[route.client], index[name], k)
            blocks[name] += k * route.sessions
            spent_s[name] += once_s * route.sessions / instance.session_count
    for hosting in solution.placement:
        name, count = hosting.server, hosting.stop - hosting.start
        slots = int(tables.slots[index[name], count])
        limit = instance.servers[index[name]].max_blocks
        if slots:
            words = f"slots of {name}: {blocks[name]} of {slots} beside {count} hosted blocks"
            yield Binding("limit", f"slots of {name}", blocks[name] / slots, words)
        if limit is not None and limit < instance.block_count:
            words = f"blocks on {name}: {count} of {limit}"
            yield Binding("limit", f"limit of blocks of {name}", count / limit, words)
    mean_s = objective(instance, solution)
    for name, seconds in spent_s.items():
        if seconds > 0.0:
            words = f"time on {name}, round trips and blocks: {seconds:.4g} s"
            yield Binding("time", f"time on {name}", seconds / mean_s, words)


def _whole_bytes(instance: Instance) -> float:
    """Return what a server needs that hosts everything for everybody."""
    caches = instance.cache_bytes_per_session * instance.session_count
    return instance.block_count * (instance.weight_bytes + caches)
