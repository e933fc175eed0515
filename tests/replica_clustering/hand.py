"""Instances of `replica-clustering` small enough to be worked out by hand (spec section 8)."""

from __future__ import annotations

from dataclasses import replace

from shardopt.models.replica_clustering.data import (
    Device,
    Instance,
    Link,
    Links,
    Model,
    Replica,
    Role,
    Solution,
    Stage,
    Workload,
)

KINDS = {"a": (0.001, (0.01, 0.015)), "b": (0.002, (0.02, 0.03))}
"""Prefill per token and block; decode per block for q = 1 and 2."""


def make(
    kinds: str,
    *,
    memory: float = 100.0,
    head_decode: tuple[float, ...] = (0.0, 0.0),
    cache: float = 0.0,
    activation: float = 0.0,
    link: tuple[float, float] = (1000.0, 0.0),
    batch: int = 2,
    least_rate: float = 0.0,
) -> Instance:
    """Return an instance of the family: 4 blocks on devices of two kinds.

    Devices are named a1, a2, ... and b1, ... in the order of ``kinds``.
    """
    devices = []
    for n, kind in enumerate(kinds):
        prefill, decode = KINDS[kind]
        name = f"{kind}{kinds[: n + 1].count(kind)}"
        devices.append(Device(name, memory, prefill, decode, 0.0, head_decode))
    return Instance(
        name=f"hand-{kinds}",
        source="spec section 8",
        model=Model(4, 10.0, 0.0, cache, activation),
        devices=tuple(devices),
        link=Link(*link),
        links=None,
        workload=Workload(100.0, 50.0, 1.0, least_rate, batch),
    )


def replica(role: Role, batch: int, *stages: tuple[str, int, int], master: str = "") -> Replica:
    """Return a replica of (device, start, stop); its first device is master by default."""
    runs = tuple(Stage(*stage) for stage in stages)
    return Replica(role, batch, master or runs[0].device, runs)


def plan(*replicas: Replica) -> Solution:
    """Return a plan."""
    return Solution(replicas)


def with_links(
    instance: Instance,
    bytes_per_s: tuple[tuple[float, ...], ...],
    latency_s: tuple[tuple[float, ...], ...],
) -> Instance:
    """Return the instance with a link of its own for every pair."""
    return replace(instance, link=None, links=Links(bytes_per_s, latency_s))


def uniform_links(instance: Instance) -> Instance:
    """Return the same instance with its LAN written as matrices."""
    link, count = instance.link, range(len(instance.devices))
    assert link is not None

    def matrix(value: float) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(0.0 if i == j else value for j in count) for i in count)

    return with_links(instance, matrix(link.bytes_per_s), matrix(link.latency_s))


AB_BEST = plan(replica("prefill", 1, ("b1", 0, 4)), replica("decode", 2, ("a1", 0, 4)))
"""The best plan for "a, b": 0.8 s per prompt, 33.3 tokens/s."""

HAND: dict[str, tuple[Instance, float | None]] = {
    "a-b": (make("ab"), 1.5),
    "a-b-b": (make("abb"), 1.0),
    "a-b-b-one-request-at-once": (make("abb", batch=1), 4 / 3),
    "a-b-rate-25": (make("ab", least_rate=25.0), 2.0),
    "a-b-rate-30": (make("ab", least_rate=30.0), None),
    "pairs": (make("aabb", memory=25.0), 1.0),
    "pairs-slow-link": (make("aabb", memory=25.0, activation=1.0, link=(80.0, 0.0)), 1.25),
    "pairs-latency": (make("aabb", memory=25.0, activation=1.0, link=(1000.0, 0.05)), 2.55),
    "a-b-cache": (make("ab", memory=70.0, cache=0.05), 2.0),
    "a-a-a-head": (make("aaa", memory=45.0, head_decode=(0.03, 0.05)), 1.375),
}
"""Instances with their optimum, ``None`` where there is no plan."""
