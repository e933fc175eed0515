"""What hypothesis draws for `cold-start`: small instances, and plans that break no rule."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from shardopt.models.cold_start.data import Block, Device, Instance, Solution, plan

AMPLE = 1e12
"""More memory than all blocks of a drawn instance need."""

_sizes = st.one_of(st.integers(0, 20).map(float), st.floats(0, 1e9))
_rates = st.one_of(st.integers(1, 10).map(float), st.floats(1e-3, 1e9))
_memories = st.one_of(st.integers(1, 60).map(float), st.floats(1e-3, 1e10))


@st.composite
def instances(draw, *, memory=_memories, max_blocks=8, max_devices=5, latency=None):
    """Draw an instance with a star or with links, in either loading mode."""
    blocks = draw(
        st.lists(st.builds(Block, _sizes, _sizes, _sizes), min_size=1, max_size=max_blocks)
    )
    count = draw(st.integers(1, max_devices))
    devices = tuple(
        Device(f"d{k}", draw(_rates), draw(_rates), draw(memory), draw(_rates), draw(_rates))
        for k in range(count)
    )
    links = None
    if draw(st.booleans()):
        links = tuple(
            tuple(0.0 if d == e else draw(_rates) for e in range(count)) for d in range(count)
        )
    return Instance(
        name="drawn",
        source="hypothesis",
        blocks=tuple(blocks),
        devices=devices,
        loading=draw(st.sampled_from(["whole-run", "layerwise"])),
        links_bytes_per_s=links,
        link_latency_s=draw(st.sampled_from([0.0, 0.5]) if latency is None else latency),
    )


@st.composite
def plans(draw, instance, *, min_stages=1) -> Solution:
    """Draw a plan that breaks no rule but, perhaps, `memory`."""
    blocks, devices = len(instance.blocks), len(instance.devices)
    order = draw(st.permutations(range(devices)))
    count = draw(st.integers(min_stages, min(blocks, devices)))
    inner = st.sets(st.integers(1, blocks - 1), min_size=count - 1, max_size=count - 1)
    cuts = [0, *(sorted(draw(inner)) if count > 1 else []), blocks]
    return plan(instance, [(order[n], cuts[n], cuts[n + 1]) for n in range(count)])


@st.composite
def planned(draw, *, min_stages=1, latency=None) -> tuple[Instance, Solution]:
    """Draw an instance with ample memory and a feasible plan for it."""
    instance = draw(instances(memory=st.just(AMPLE), latency=latency))
    blocks = instance.blocks * (min_stages if len(instance.blocks) < min_stages else 1)
    devices = instance.devices
    if len(devices) < min_stages:
        extra = min_stages - len(devices)
        devices += tuple(replace(devices[0], name=f"twin{n}") for n in range(extra))
        instance = replace(instance, links_bytes_per_s=None)
    instance = replace(instance, blocks=blocks, devices=devices)
    return instance, draw(plans(instance, min_stages=min_stages))
