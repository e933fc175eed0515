"""`replica-clustering`: what `shardopt explain` asks, relaxes, mends and changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

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
from shardopt.models.replica_clustering.data import Instance, Solution
from shardopt.models.replica_clustering.evaluate import need_bytes, phase_rate, replica_times
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.replica_clustering.altered import (
    doubled,
    faster,
    with_batch,
    with_copies,
    with_device,
    with_memory,
    with_model,
    with_network,
    with_only,
    with_rate,
    without_hops,
)
from shardopt.solvers.budget import Budget
from shardopt.solvers.jit import compiled
from shardopt.solvers.replica_clustering.packing import affordable, pack
from shardopt.solvers.replica_clustering.rates import pair_count, rate_model, rate_states
from shardopt.units import printable, si

FIRST = (("exact", 0.2), ("exact", 2.0))
_NO_WEIGHT = 1e-9
"""What is left of the weights where they are relaxed: a block must weigh something."""
_AT_ONCE = 1e8
"""Pairs of sets that are counted in less than a second."""
_FACT_S = 2.0


def probe(instance: Instance) -> Instance:
    """Return the instance: its best replicas are as easy to find as any."""
    return instance


def facts(instance: Instance) -> Iterator[str]:
    """Yield what needs memory, and how many replicas there can be in each role at most."""
    model, devices = instance.model, instance.devices
    copy = model.blocks * model.block_weight_bytes + model.head_weight_bytes
    room = sum(d.memory_bytes for d in devices)
    yield (
        f"one copy of the model is {si(copy, 'B')}, and two are needed at least;"
        f" all memory together is {si(room, 'B')}"
    )
    tables = make_tables(instance)
    held = int(np.maximum(tables.most_blocks("prefill", 1, 1, False), 0).sum())
    yield f"beside one prompt's cache all devices hold {held} blocks; a copy has {model.blocks}"
    most = _most_replicas(instance)
    if most is not None:
        yield f"replicas at once: {most[0]} if all prefill, {most[1]} if all decode, at the most"


def _most_replicas(instance: Instance) -> tuple[int, int] | None:
    """Return the most disjoint replicas of each role: the DP over sets, every replica worth 1."""
    for kernels in ("rate_kernels", "packing_kernels"):
        compiled(f"replica_clustering.{kernels}")
    model, budget = rate_model(make_tables(instance)), Budget(_FACT_S)
    if not affordable(model, None) or pair_count(model.available) > _AT_ONCE:
        return None
    rated = rate_states(model, budget)
    if rated is None:
        return None
    packed = pack(replace(rated, rate=(rated.rate > 0.0).astype(np.float64)), budget)
    return None if packed is None else (round(packed.best[-1, 0]), round(packed.best[-1, 1]))


def groups(instance: Instance) -> Iterator[Group]:
    """Yield the memory of each device, what fills it, the rate, the batch, one role a device."""
    model, workload, whole = instance.model, instance.workload, _whole_bytes(instance)
    for found in alike(instance.devices, lambda d: d.memory_bytes):
        have = instance.devices[found[0]].memory_bytes
        yield Group(
            f"memory of {named([instance.devices[i].name for i in found])}",
            f"{si(have, 'B')} each" if len(found) > 1 else si(have, "B"),
            partial(with_memory, which=found, memory_bytes=max(whole, have)),
        )
    yield Group(
        "weights of the blocks",
        f"{si(model.block_weight_bytes, 'B')} each",
        partial(with_model, weights=_NO_WEIGHT),
    )
    if model.head_weight_bytes:
        words = f"{si(model.head_weight_bytes, 'B')} on one device of each replica"
        yield Group("head of the model", words, partial(with_model, head=0.0))
    if model.cache_bytes_per_token_per_block:
        words = f"{si(model.cache_bytes_per_token_per_block, 'B')} per token and block"
        yield Group("caches", words, partial(with_model, cache=0.0))
    if workload.min_tokens_per_s:
        words = f"each request gets {workload.min_tokens_per_s:g} tokens/s at least"
        yield Group("token rate", words, partial(with_rate, least=0.0))
        if len(instance.devices) > 1:
            yield Group("network", "hops between the stages take time", without_hops)
    if workload.max_batch < len(instance.devices):
        words = f"{workload.max_batch} requests at once, one for each stage"
        yield Group("batch limit", words, partial(with_batch, most=len(instance.devices)))
    words = "a device is in one replica, and that prefills or decodes"
    yield Group("one replica for each device", words, doubled)  # last: the others count devices


def mends(instance: Instance) -> Iterator[Mend]:
    """Yield more memory, more devices, a lower rate, longer batches, smaller numbers."""
    devices, workload, whole = instance.devices, instance.workload, _whole_bytes(instance)
    room = sum(d.memory_bytes for d in devices)
    for found in alike(devices, lambda d: d.memory_bytes):
        have = devices[found[0]].memory_bytes
        step, steps = grid(whole - have)

        def more(n: int, i: int = found[0], have: float = have, step: float = step) -> Rung:
            words = f"{si(n * step, 'B')} more, {si(have + n * step, 'B')} in all"
            made = with_memory(instance, (i,), have + n * step)
            return Rung(made, n * step, n * step / room, words)

        if whole > have:
            name = one_of([devices[i].name for i in found])
            yield Mend("memory", f"more memory on {name}", "bytes", steps, more)
    for kind in make_tables(instance).types.members:
        if instance.link is not None or len(devices) > 1:

            def another(n: int, i: int = kind[0]) -> Rung:
                have = devices[i].memory_bytes
                made = with_copies(instance, [i] * n)
                return Rung(made, n, n * have / room, f"{n} more of {si(have, 'B')}")

            what = f"more devices like {printable(devices[kind[0]].name)}"
            yield Mend("device", what, "devices", MOST_COPIES, another)

    def larger(n: int) -> Rung:
        made = instance
        for i, device in enumerate(devices):
            made = with_memory(made, (i,), device.memory_bytes * (1 + n / 1000))
        return Rung(made, n / 10, n / 1000, f"each {n / 10:g} % more")

    factor = max(whole / d.memory_bytes for d in devices)
    steps = max(1, int(1000 * (factor - 1)) + 1)
    yield Mend("all-memory", "more memory on every device", "%", steps, larger)
    yield from _numbers(instance)
    if workload.max_batch < len(devices):

        def longer(n: int) -> Rung:
            most = workload.max_batch + n
            words = f"{most} requests at once for {workload.max_batch}"
            return Rung(with_batch(instance, most), n, n / most, words)

        top = len(devices) - workload.max_batch
        yield Mend("batch", "a higher batch limit", "requests", top, longer)


def _numbers(instance: Instance) -> Iterator[Mend]:
    """Yield what asks less of the same devices."""
    rate = instance.workload.min_tokens_per_s

    def slower(n: int) -> Rung:
        least = rate * (1000 - n) / 1000
        words = f"{least:.4g} tokens/s for each request, for {rate:g}"
        return Rung(with_rate(instance, least), rate - least, n / 1000, words)

    if rate:
        yield Mend("token-rate", "a lower token rate", "tokens/s", 1000, slower)

    def lighter(n: int) -> Rung:
        factor = 0.5**n
        words = fewer_bits(n, "weights")
        made = with_model(instance, weights=factor, head=factor)
        return Rung(made, factor, 1 - factor, words)

    yield Mend("weights", "a smaller type for the weights", "factor", 2, lighter, now=1.0)

    def smaller(n: int) -> Rung:
        factor = 0.5**n
        words = fewer_bits(n, "caches")
        return Rung(with_model(instance, cache=factor), factor, 1 - factor, words)

    if instance.model.cache_bytes_per_token_per_block:
        yield Mend("caches", "a smaller type for the caches", "factor", 2, smaller, now=1.0)


def changes(instance: Instance) -> Iterator[Change]:
    """Yield the instance without, with another, and with a better device; then links and rate."""
    devices, every = instance.devices, range(len(instance.devices))
    kinds = make_tables(instance).types.members
    for found in kinds:
        if len(devices) > 1:
            name = one_of([devices[i].name for i in found])
            made = with_only(instance, [i for i in every if i != found[0]])
            yield Change("without", devices[found[0]].name, f"without {name}", made, "harder")
    for found in kinds:
        made, like = with_copies(instance, [found[0]]), devices[found[0]].name
        yield Change("another", like, f"another device like {printable(like)}", made, "easier")
    made = with_network(instance, bandwidth=2.0)
    yield Change("bandwidth", "network", "twice the bandwidth of the network", made, "easier")
    made = with_network(instance, latency=0.5)
    if made != instance:
        yield Change("latency", "network", "half the latency of the network", made, "easier")
    if instance.workload.min_tokens_per_s:
        made = with_rate(instance, 0.0)
        yield Change("token-rate", "workload", "no least token rate", made, "easier")
    for found in kinds:
        device, name = devices[found[0]], one_of([devices[i].name for i in found])
        made = with_memory(instance, found[:1], 2 * device.memory_bytes)
        yield Change("memory", device.name, f"{name}: twice the memory", made, "easier")
        made = with_device(instance, found[0], faster(device))
        yield Change("compute", device.name, f"{name}: twice as fast", made, "easier")


def bindings(instance: Instance, solution: Solution) -> Iterator[Binding]:
    """Yield which phase is the slower one, and in each replica memory, pace, rate and batch."""
    rates = {"prefill": phase_rate(instance, solution, "prefill")}
    rates["decode"] = phase_rate(instance, solution, "decode")
    slower = min(rates.values())
    for role, rate in rates.items():
        words = f"the {role} replicas can serve {rate:.4g} requests/s, {slower:.4g} are needed"
        yield Binding("limit", f"{role} phase", slower / rate, words)
    index, workload = instance.device_index(), instance.workload
    for n, replica in enumerate(solution.replicas, start=1):
        times, stages = replica_times(instance, replica), len(replica.stages)
        for stage, stage_s in zip(replica.stages, times.stage_s, strict=True):
            have = instance.devices[index[stage.device]].memory_bytes
            blocks, name = stage.stop - stage.start, printable(stage.device)
            held = (stages * replica.batch, blocks, stage.device == replica.master)
            need = need_bytes(instance, replica.role, *held)
            words = f"memory of {name}: {si(need, 'B')} of {si(have, 'B')}, {replica.role}"
            yield Binding("limit", f"memory of {stage.device}", need / have, words)
            if stages > 1:
                words = f"{name} works {stage_s:.4g} of {times.slowest_s:.4g} s in {replica.role}"
                yield Binding("limit", f"pace of {stage.device}", stage_s / times.slowest_s, words)
        for hop_s in times.hop_s:
            words = f"a hop in replica {n} takes {hop_s:.4g} of {times.slowest_s:.4g} s"
            yield Binding("limit", f"hops of replica {n}", hop_s / times.slowest_s, words)
        if replica.role == "decode":
            held_requests = stages * replica.batch
            words = f"replica {n} holds {held_requests} of {workload.max_batch} requests"
            share = held_requests / workload.max_batch
            yield Binding("limit", f"batch of replica {n}", share, words)
            share = workload.min_tokens_per_s * stages * times.slowest_s
            words = f"replica {n} gives a request {1 / (stages * times.slowest_s):.4g} tokens/s"
            words += f", {workload.min_tokens_per_s:g} are asked for"
            yield Binding("limit", f"token rate of replica {n}", share, words)


def _whole_bytes(instance: Instance) -> float:
    """Return what a device needs that holds everything, with the longest batch there may be."""
    requests = max(instance.workload.max_batch, len(instance.devices))
    return need_bytes(instance, "decode", requests, instance.model.blocks, True)
