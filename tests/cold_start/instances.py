"""Random tiny instances, small enough for full enumeration, that cover every corner of the page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from shardopt.models.cold_start.data import Block, Device, Instance, Loading

LOADINGS: tuple[Loading, ...] = ("whole-run", "layerwise")


def tiny_instance(
    seed: int, loading: Loading, *, max_devices: int = 4, max_blocks: int = 5
) -> Instance:
    """Return one random instance.

    Each corner is drawn on its own: one device, one block, more devices than blocks, a link
    matrix, latency, twins (interchangeable devices), unequal blocks, zero work, weights or
    activations, memory from ample to too small for any plan.
    """
    rng = np.random.default_rng(seed)
    devices = int(rng.integers(1, max_devices + 1))
    blocks = int(rng.integers(1, max_blocks + 1))
    made = Instance(
        name=f"tiny-{seed}-{loading}",
        source="tests",
        blocks=_blocks(rng, blocks),
        devices=_devices(rng, devices, blocks),
        loading=loading,
        link_latency_s=float(rng.choice([0.0, 0.0, 0.4, 3.0])),
    )
    if devices > 1 and rng.random() < 0.4:
        made = with_twins(made, 0, devices - 1)
    if rng.random() < 0.4:
        made = with_links(made, rng)
    return made


def _blocks(rng: np.random.Generator, count: int) -> tuple[Block, ...]:
    sizes = rng.integers(1, 9, size=(count, 3)).astype(float)
    if rng.random() < 0.3:  # equal blocks
        sizes[:] = sizes[0]
    for column in range(3):
        zero = rng.random()
        if zero < 0.1:
            sizes[:, column] = 0.0
        elif zero < 0.2:
            sizes[rng.random(count) < 0.5, column] = 0.0
    return tuple(Block(*(float(v) for v in row)) for row in sizes)


def _devices(rng: np.random.Generator, count: int, blocks: int) -> tuple[Device, ...]:
    # About 4.5 bytes of weights per block and 5 of activation: from ample to hopeless.
    ample = 5.0 + 4.5 * blocks
    tightness = rng.choice([2.0, 1.0, 0.6, 0.35])

    def rate() -> float:
        return float(np.round(np.exp(rng.uniform(np.log(0.5), np.log(8.0))), 3))

    return tuple(
        Device(
            f"d{k}",
            rate(),
            rate(),
            float(max(1, round(ample * tightness * rng.uniform(0.6, 1.4)))),
            rate(),
            rate(),
        )
        for k in range(count)
    )


def with_twins(instance: Instance, k: int, like: int) -> Instance:
    """Return the instance with device ``k`` a copy of device ``like``."""
    devices = list(instance.devices)
    devices[k] = replace(devices[like], name=devices[k].name)
    return replace(instance, devices=tuple(devices))


def with_links(instance: Instance, rng: np.random.Generator) -> Instance:
    """Return the instance with a matrix of links, sometimes the same for all (twins stay twins)."""
    count = len(instance.devices)
    links = np.round(rng.uniform(0.3, 6.0, size=(count, count)), 2)
    if rng.random() < 0.5:
        links[:] = links[0, 0]
    np.fill_diagonal(links, 0.0)
    rows = tuple(tuple(float(v) for v in row) for row in links)
    devices = tuple(
        replace(d, uplink_bytes_per_s=None, downlink_bytes_per_s=None) for d in instance.devices
    )
    return replace(instance, devices=devices, links_bytes_per_s=rows)


def scaled(instance: Instance, factor: float) -> Instance:
    """Return the instance with every rate times ``factor``: times shrink by it (latency 0)."""
    assert instance.link_latency_s == 0.0

    def times(rate: float | None) -> float | None:
        return None if rate is None else rate * factor

    links = instance.links_bytes_per_s
    return replace(
        instance,
        devices=tuple(
            replace(
                d,
                flops_per_s=d.flops_per_s * factor,
                load_bytes_per_s=d.load_bytes_per_s * factor,
                uplink_bytes_per_s=times(d.uplink_bytes_per_s),
                downlink_bytes_per_s=times(d.downlink_bytes_per_s),
            )
            for d in instance.devices
        ),
        links_bytes_per_s=None
        if links is None
        else tuple(tuple(v * factor for v in row) for row in links),
    )


def tiny_instances(
    loading: Loading | None = None, *, max_devices: int = 4, max_blocks: int = 5
) -> st.SearchStrategy[Instance]:
    """Return a strategy of the same instances for property tests."""
    return st.builds(
        lambda seed, mode: tiny_instance(
            seed, mode, max_devices=max_devices, max_blocks=max_blocks
        ),
        st.integers(0, 2**32 - 1),
        st.sampled_from(LOADINGS) if loading is None else st.just(loading),
    )
