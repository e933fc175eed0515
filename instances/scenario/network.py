"""The network of a scenario: the way between every two machines, and from the client to them."""

from __future__ import annotations

from collections.abc import Sequence

from shardopt.instances.scenario.data import Hop, Machine
from shardopt.instances.scenario.machines import link_rate
from shardopt.instances.scenario.names import position
from shardopt.instances.scenario.schema import ScenarioFile
from shardopt.instances.strict import shown
from shardopt.models.errors import InputError

Hops = tuple[tuple[Hop | None, ...], ...]


def hops_of(file: ScenarioFile, machines: Sequence[Machine]) -> Hops:
    """Return the way between every two machines: the slower of their links, or their own."""
    names, latency = [m.name for m in machines], file.network.latency
    hops: list[list[Hop | None]] = [
        [None if a is b else _through_both(a, b, latency) for b in machines] for a in machines
    ]
    seen: dict[frozenset[int], str] = {}
    for n, pair in enumerate(file.network.pairs):
        place = f"network.pairs[{n}]"
        i, j = (
            position(name, names, f"{place}.between[{k}]") for k, name in enumerate(pair.between)
        )
        if i == j:
            raise InputError(shown(pair.between), "two different machines", f"{place}.between")
        if frozenset((i, j)) in seen:
            expected = f"another pair than {seen[frozenset((i, j))]}"
            raise InputError(shown(pair.between), expected, f"{place}.between")
        seen[frozenset((i, j))] = place
        if pair.link is None and pair.latency is None:
            raise InputError("nothing", "a link, a latency or both", place)
        usual = _through_both(machines[i], machines[j], latency)
        rate = usual.bytes_per_s
        if pair.link is not None:
            rate = link_rate(pair.link, file.assumptions, f"{place}.link")
        way = Hop(rate, usual.latency_s if pair.latency is None else pair.latency)
        hops[i][j] = hops[j][i] = way
    return tuple(map(tuple, hops))


def _through_both(a: Machine, b: Machine, latency_s: float) -> Hop:
    return Hop(min(a.link_bytes_per_s, b.link_bytes_per_s), latency_s)


def client_of(file: ScenarioFile, machines: Sequence[Machine]) -> int | None:
    """Return the machine at which requests come in, if it is one of them."""
    name = file.network.client
    if name is None:
        return None
    return position(name, [m.name for m in machines], "network.client")


def client_hop_of(file: ScenarioFile) -> Hop:
    """Return how another machine beside these is connected."""
    rate = link_rate(file.network.link, file.assumptions, "network.link")
    return Hop(rate, file.network.latency)
