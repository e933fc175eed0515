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
    latency = file.network.latency
    hops = [[None if a is b else _through_both(a, b, latency) for b in machines] for a in machines]
    for n, (i, j) in enumerate(_pairs(file, [m.name for m in machines])):
        usual = _through_both(machines[i], machines[j], latency)
        hops[i][j] = hops[j][i] = _own_way(file, n, usual)
    return tuple(map(tuple, hops))


def _pairs(file: ScenarioFile, names: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions of the machines of each pair; no pair stands there twice."""
    found: dict[tuple[int, int], int] = {}
    for n, pair in enumerate(file.network.pairs):
        place = f"network.pairs[{n}].between"
        first, second = (position(m, names, f"{place}[{k}]") for k, m in enumerate(pair.between))
        if first == second:
            raise InputError(shown(pair.between), "two different machines", place)
        ends = min(first, second), max(first, second)
        if ends in found:
            expected = f"another pair than network.pairs[{found[ends]}]"
            raise InputError(shown(pair.between), expected, place)
        found[ends] = n
    return list(found)


def _own_way(file: ScenarioFile, n: int, usual: Hop) -> Hop:
    pair, place = file.network.pairs[n], f"network.pairs[{n}]"
    rate, latency = usual.bytes_per_s, usual.latency_s
    if pair.link is None and pair.latency is None:
        raise InputError("nothing", "a link, a latency or both", place)
    if pair.link is not None:
        rate = link_rate(pair.link, file.assumptions, f"{place}.link")
    if pair.latency is not None:
        latency = pair.latency
    return Hop(rate, latency)


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
