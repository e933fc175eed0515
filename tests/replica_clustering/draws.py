"""Random tiny instances, small enough for full enumeration, that cover every corner of the page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from shardopt.models.replica_clustering.data import (
    Device,
    Instance,
    Link,
    Links,
    Model,
    Replica,
    Solution,
    Stage,
    Workload,
)


def tiny_instance(
    seed: int, links: bool = False, *, max_devices: int = 4, max_blocks: int = 5
) -> Instance:
    """Return one random instance, with links of their own for every pair or without.

    Each corner is drawn on its own: one device, one block, more devices than blocks, twins
    (equal devices, and with links equally linked ones), no cache, head or activation, profiles
    that are not monotone or longer than needed, slow hops, memory from ample to too small for
    any plan, a token rate that no, some or all replicas reach.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, max_devices + 1)) if rng.random() < 0.4 else max_devices
    model = _model(rng, int(rng.integers(1, max_blocks + 1)))
    asked = _workload(rng)
    devices = [_device(rng, k, model, asked) for k in range(count)]
    for k in range(1, count):
        if rng.random() < 0.25:  # a twin, seldom several
            devices[k] = replace(devices[0], name=f"d{k}")
    made = Instance(
        name=f"tiny-{seed}" + ("-links" if links else ""),
        source="tests",
        model=model,
        devices=tuple(devices),
        link=Link(float(rng.choice([20.0, 100.0, 1e4])), float(rng.choice([0.0, 0.0, 0.5, 3.0]))),
        links=None,
        workload=asked,
    )
    return with_random_links(made, rng) if links else made


def _model(rng: np.random.Generator, blocks: int) -> Model:
    def or_nothing(low: float, high: float) -> float:
        return 0.0 if rng.random() < 0.3 else float(np.round(rng.uniform(low, high), 2))

    return Model(
        blocks=blocks,
        block_weight_bytes=float(rng.integers(1, 12)),
        head_weight_bytes=or_nothing(1, 20),
        cache_bytes_per_token_per_block=or_nothing(0.01, 0.4),
        activation_bytes_per_token=or_nothing(0.5, 8),
    )


def _workload(rng: np.random.Generator) -> Workload:
    return Workload(
        input_tokens=float(rng.choice([1.0, 7.0, 10.5, 20.0])),
        output_tokens=float(rng.choice([0.5, 4.0, 10.0, 12.25])),
        arrival_period_s=float(rng.choice([0.1, 1.0])),
        min_tokens_per_s=float(rng.choice([0.0, 0.0, 0.0, 0.01, 0.03, 0.1])),
        max_batch=int(rng.integers(1, 5)),
    )


def _device(rng: np.random.Generator, k: int, model: Model, asked: Workload) -> Device:
    batches = asked.max_batch + int(rng.random() < 0.2)
    decode = np.round(np.exp(rng.uniform(-0.7, 1.4)) * (1 + 0.4 * np.arange(batches)), 2)
    head = np.round(rng.uniform(0, 4) * (1 + 0.3 * np.arange(batches)), 2)
    if rng.random() < 0.3:  # as measured: not monotone
        decode, head = rng.permutation(decode), rng.permutation(head)
    if rng.random() < 0.4:
        head[:] = 0.0
    # What a device needs for all blocks, the head and two requests.
    tokens = 2 * (asked.input_tokens + asked.output_tokens)
    per_block = model.block_weight_bytes + model.cache_bytes_per_token_per_block * tokens
    ample = model.blocks * per_block + model.head_weight_bytes
    memory = ample * rng.choice([0.4, 0.6, 0.8, 1.2, 3.0]) * rng.uniform(0.7, 1.4)
    return Device(
        name=f"d{k}",
        memory_bytes=float(np.round(memory, 1)),
        prefill_s_per_token_per_block=float(np.round(np.exp(rng.uniform(-3.0, 0.0)), 3)),
        decode_s_per_block=tuple(decode.tolist()),
        head_prefill_s_per_token=float(rng.choice([0.0, 0.02, 0.5])),
        head_decode_s=tuple(head.tolist()),
    )


def with_random_links(instance: Instance, rng: np.random.Generator) -> Instance:
    """Return the instance with matrices, sometimes the same for all pairs (twins stay twins)."""
    shape = len(instance.devices), len(instance.devices)
    rates = np.round(np.exp(rng.uniform(1.0, 6.0, shape)), 1)
    latencies = np.round(rng.uniform(0.0, 2.0, shape), 2)
    if rng.random() < 0.3:
        rates[:], latencies[:] = rates[0, 0], latencies[0, 0]
    np.fill_diagonal(rates, 0.0)
    np.fill_diagonal(latencies, 0.0)
    made = Links(
        bytes_per_s=tuple(tuple(row) for row in rates.tolist()),
        latency_s=tuple(tuple(row) for row in latencies.tolist()),
    )
    return replace(instance, link=None, links=made)


def tiny_instances(links: bool | None = None) -> st.SearchStrategy[Instance]:
    """Return a strategy of the same instances for property tests."""
    return st.builds(
        tiny_instance,
        st.integers(0, 2**32 - 1),
        st.booleans() if links is None else st.just(links),
    )


def ample(instance: Instance) -> Instance:
    """Return the instance with memory for everything and no token rate."""
    return replace(
        instance,
        devices=tuple(replace(d, memory_bytes=1e12) for d in instance.devices),
        workload=replace(instance.workload, min_tokens_per_s=0.0),
    )


def random_plan(instance: Instance, seed: int) -> Solution:
    """Return a plan for two or more devices that breaks no rule but `memory` and `token-rate`."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(instance.devices)).tolist()
    replicas: list[Replica] = []
    while order:
        # A device is kept for the second replica.
        most = min(len(order) - (not replicas), instance.model.blocks)
        prefill = bool(rng.random() < 0.5) if len(replicas) > 1 else not replicas
        if not prefill:
            most = min(most, instance.workload.max_batch)
        used, order = _split(order, int(rng.integers(1, most + 1)))
        replicas.append(_random_replica(instance, rng, used, prefill))
        if len(replicas) > 1 and rng.random() < 0.3:
            break
    return Solution(tuple(replicas[n] for n in rng.permutation(len(replicas))))


def _split(order: list[int], count: int) -> tuple[list[int], list[int]]:
    return order[:count], order[count:]


def _random_replica(
    instance: Instance, rng: np.random.Generator, used: list[int], prefill: bool
) -> Replica:
    blocks, stages = instance.model.blocks, len(used)
    inner = rng.choice(np.arange(1, blocks), stages - 1, replace=False) if stages > 1 else []
    cuts = [0, *sorted(int(cut) for cut in inner), blocks]
    names = [instance.devices[i].name for i in used]
    most = 1 if prefill else instance.workload.max_batch // stages
    return Replica(
        role="prefill" if prefill else "decode",
        batch=int(rng.integers(1, most + 1)),
        master=names[int(rng.integers(stages))],
        stages=tuple(Stage(name, *cuts[k : k + 2]) for k, name in enumerate(names)),
    )


@st.composite
def planned(draw: st.DrawFn) -> tuple[Instance, Solution]:
    """Draw an instance with ample memory and no token rate, and a feasible plan for it."""
    made = draw(tiny_instances().filter(lambda instance: len(instance.devices) > 1))
    return ample(made), random_plan(made, draw(st.integers(0, 2**32 - 1)))
