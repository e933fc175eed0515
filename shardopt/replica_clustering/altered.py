"""`replica-clustering`: instances with other devices, numbers or links than a given one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from shardopt.explain.parts import free_names
from shardopt.models.replica_clustering.data import Device, Instance, Link, Links


def with_device(instance: Instance, i: int, device: Device) -> Instance:
    """Put another device in the place of the i-th."""
    devices = instance.devices
    return replace(instance, devices=(*devices[:i], device, *devices[i + 1 :]))


def with_memory(instance: Instance, which: Sequence[int], memory_bytes: float) -> Instance:
    """Give some of the devices another memory."""
    for i in which:
        device = replace(instance.devices[i], memory_bytes=memory_bytes)
        instance = with_device(instance, i, device)
    return instance


def with_model(
    instance: Instance, weights: float = 1.0, head: float = 1.0, cache: float = 1.0
) -> Instance:
    """Scale what the model needs memory for."""
    model = instance.model
    scaled = replace(
        model,
        block_weight_bytes=model.block_weight_bytes * weights,
        head_weight_bytes=model.head_weight_bytes * head,
        cache_bytes_per_token_per_block=model.cache_bytes_per_token_per_block * cache,
    )
    return replace(instance, model=scaled)


def with_rate(instance: Instance, least: float) -> Instance:
    """Ask for another token rate."""
    return replace(instance, workload=replace(instance.workload, min_tokens_per_s=least))


def with_batch(instance: Instance, most: int) -> Instance:
    """Raise the batch limit; beyond what was measured times stay at the last one."""

    def padded(times: tuple[float, ...]) -> tuple[float, ...]:
        return times + times[-1:] * (most - len(times))

    devices = tuple(
        replace(
            d,
            decode_s_per_block=padded(d.decode_s_per_block),
            head_decode_s=padded(d.head_decode_s),
        )
        for d in instance.devices
    )
    workload = replace(instance.workload, max_batch=most)
    return replace(instance, devices=devices, workload=workload)


def without_hops(instance: Instance) -> Instance:
    """Let hops take no time."""
    model = replace(instance.model, activation_bytes_per_token=0.0)
    return replace(with_network(instance, latency=0.0), model=model)


def with_network(instance: Instance, latency: float = 1.0, bandwidth: float = 1.0) -> Instance:
    """Scale latency and bandwidth of all links."""
    link, links = instance.link, instance.links
    if link is not None:
        link = Link(link.bytes_per_s * bandwidth, link.latency_s * latency)
    if links is not None:
        links = Links(
            _each(links.bytes_per_s, lambda rate: rate * bandwidth),
            _each(links.latency_s, lambda seconds: seconds * latency),
        )
    return replace(instance, link=link, links=links)


def _each(
    matrix: tuple[tuple[float, ...], ...], change: Callable[[float], float]
) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(change, row)) for row in matrix)


def faster(device: Device) -> Device:
    """Return a device that does everything in half the time."""
    return replace(
        device,
        prefill_s_per_token_per_block=device.prefill_s_per_token_per_block / 2,
        decode_s_per_block=tuple(t / 2 for t in device.decode_s_per_block),
        head_prefill_s_per_token=device.head_prefill_s_per_token / 2,
        head_decode_s=tuple(t / 2 for t in device.head_decode_s),
    )


def with_only(instance: Instance, which: Sequence[int]) -> Instance:
    """Return the instance with these devices, in this order; some may be there several times.

    A device and its copy are linked as well as the best pair is.
    """
    devices = tuple(instance.devices[i] for i in which)
    if instance.links is None:
        return replace(instance, devices=devices)
    rate, latency = instance.links.bytes_per_s, instance.links.latency_s
    pairs = [(i, j) for i in range(len(rate)) for j in range(len(rate)) if i != j]
    best = max((rate[i][j] for i, j in pairs), default=1.0)
    least = min((latency[i][j] for i, j in pairs), default=0.0)

    def chosen(
        matrix: tuple[tuple[float, ...], ...], of_copies: float
    ) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(of_copies if i == j else matrix[i][j] for j in which) for i in which)

    links = Links(chosen(rate, best), chosen(latency, least))
    return replace(instance, devices=devices, links=links)


def with_copies(instance: Instance, which: Sequence[int]) -> Instance:
    """Add copies of devices, with names of their own."""
    count = len(instance.devices)
    made = with_only(instance, [*range(count), *which])
    devices = list(made.devices)
    for n, i in enumerate(which, start=count):
        names = [device.name for device in devices[:n]]
        name = free_names(names, instance.devices[i].name, 1)[0]
        devices[n] = replace(devices[n], name=name)
    return replace(made, devices=tuple(devices))


def doubled(instance: Instance) -> Instance:
    """Let every device be in two replicas at once, each time with all its memory."""
    return with_copies(instance, range(len(instance.devices)))
