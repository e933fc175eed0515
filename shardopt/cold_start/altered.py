"""`cold-start`: instances with other devices, blocks or links than a given one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shardopt.explain.parts import free_names
from shardopt.models.cold_start.data import Device, Instance


def with_device(instance: Instance, k: int, device: Device) -> Instance:
    """Put another device in the place of the k-th."""
    devices = instance.devices
    return replace(instance, devices=(*devices[:k], device, *devices[k + 1 :]))


def with_memory(instance: Instance, which: Sequence[int], memory_bytes: float) -> Instance:
    """Give some of the devices another memory."""
    for k in which:
        device = replace(instance.devices[k], memory_bytes=memory_bytes)
        instance = with_device(instance, k, device)
    return instance


def weightless(instance: Instance, start: int, stop: int) -> Instance:
    """Take the weights from the blocks ``[start, stop)``."""
    blocks = instance.blocks
    light = tuple(replace(b, weight_bytes=0.0) for b in blocks[start:stop])
    return replace(instance, blocks=(*blocks[:start], *light, *blocks[stop:]))


def with_activations(instance: Instance, factor: float) -> Instance:
    """Scale all activations."""
    blocks = tuple(
        replace(b, activation_bytes=b.activation_bytes * factor) for b in instance.blocks
    )
    return replace(instance, blocks=blocks)


def without_device(instance: Instance, k: int) -> Instance:
    """Leave the k-th device out."""
    devices = instance.devices[:k] + instance.devices[k + 1 :]
    links = instance.links_bytes_per_s
    if links is not None:
        links = tuple(row[:k] + row[k + 1 :] for d, row in enumerate(links) if d != k)
    return replace(instance, devices=devices, links_bytes_per_s=links)


def with_copies(instance: Instance, k: int, count: int) -> Instance:
    """Add devices like the k-th; with a matrix, linked to it as fast as its fastest link."""
    device, links = instance.devices[k], instance.links_bytes_per_s
    names = free_names((d.name for d in instance.devices), device.name, count)
    devices = instance.devices + tuple(replace(device, name=name) for name in names)
    if links is not None:
        place = [*range(len(links)), *[k] * count]
        fastest = max(rate for d, rate in enumerate(links[k]) if d != k)
        links = tuple(
            tuple(
                0.0 if i == j else fastest if place[i] == place[j] else links[place[i]][place[j]]
                for j in range(len(place))
            )
            for i in range(len(place))
        )
    return replace(instance, devices=devices, links_bytes_per_s=links)


def faster_links(instance: Instance, which: set[int]) -> Instance:
    """Double what the devices send and receive."""
    links = instance.links_bytes_per_s
    if links is not None:
        links = tuple(
            tuple(2 * rate if i in which or j in which else rate for j, rate in enumerate(row))
            for i, row in enumerate(links)
        )
        return replace(instance, links_bytes_per_s=links)
    devices = []
    for k, d in enumerate(instance.devices):
        up, down = d.uplink_bytes_per_s, d.downlink_bytes_per_s
        assert up is not None and down is not None  # there is no matrix
        faster = replace(d, uplink_bytes_per_s=2 * up, downlink_bytes_per_s=2 * down)
        devices.append(faster if k in which else d)
    return replace(instance, devices=tuple(devices))
