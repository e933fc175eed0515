"""`cold-start`: what `shardopt explain` asks, relaxes, mends and changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from shardopt.cold_start.altered import (
    faster_links,
    weightless,
    with_activations,
    with_copies,
    with_device,
    with_memory,
    without_device,
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
    weight_groups,
)
from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.evaluate import StageTimes, need_bytes, timeline
from shardopt.models.cold_start.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.cold_start.feasibility import farthest_plan
from shardopt.solvers.cold_start.labels import memory_allowance, type_model
from shardopt.units import si

FIRST = (("dssr", 0.2), ("dssr", 2.0))
_FACT_S = 2.0


def probe(instance: Instance) -> Instance:
    """Return the instance: its optimum is as easy as any other question."""
    return instance


def facts(instance: Instance) -> Iterator[str]:
    """Yield what needs memory, what fits nowhere, and how far the blocks can be placed."""
    blocks, devices = instance.blocks, instance.devices
    weight = sum(b.weight_bytes for b in blocks)
    room = sum(d.memory_bytes for d in devices)
    yield f"{len(blocks)} blocks weigh {si(weight, 'B')}; all memory together is {si(room, 'B')}"
    largest = max(d.memory_bytes for d in devices)
    needs = [(need_bytes(instance, i, i + 1), i) for i in range(len(blocks))]
    need, i = max(needs)
    if need > largest:
        yield (
            f"block {i} alone needs {si(need, 'B')} with its activation;"
            f" the largest memory is {si(largest, 'B')}"
        )
    model = type_model(make_tables(instance))
    found = farthest_plan(model, Budget(_FACT_S), memory_allowance(None))
    if found is not None and found.plan is None:
        left = len(blocks) - found.farthest
        yield (
            f"in the best order the devices hold the first {found.farthest} of {len(blocks)}"
            f" blocks; {left} are left over"
        )


def groups(instance: Instance) -> Iterator[Group]:
    """Yield the memory of each device, the weights of each kind of block, the activations."""
    whole = _whole_bytes(instance)
    for found in alike(instance.devices, lambda d: d.memory_bytes):
        names = [instance.devices[k].name for k in found]
        have = instance.devices[found[0]].memory_bytes
        yield Group(
            f"memory of {named(names)}",
            f"{si(have, 'B')} each" if len(found) > 1 else si(have, "B"),
            partial(with_memory, which=found, memory_bytes=max(whole, have)),
        )
    yield from weight_groups([b.weight_bytes for b in instance.blocks], weightless)
    most = max(b.activation_bytes for b in instance.blocks)
    if most > 0.0:
        yield Group("activations", f"up to {si(most, 'B')}", partial(with_activations, factor=0.0))


def mends(instance: Instance) -> Iterator[Mend]:
    """Yield more memory, more devices, smaller weights, shorter prompts."""
    devices, whole = instance.devices, _whole_bytes(instance)
    room = sum(d.memory_bytes for d in devices)
    for found in alike(devices, lambda d: d.memory_bytes):
        device = devices[found[0]]
        step, steps = grid(whole - device.memory_bytes)

        def more(n: int, k: int = found[0], step: float = step) -> Rung:
            have = instance.devices[k].memory_bytes
            words = f"{si(n * step, 'B')} more, {si(have + n * step, 'B')} in all"
            made = with_memory(instance, (k,), have + n * step)
            return Rung(made, n * step, n * step / room, words)

        if whole > device.memory_bytes:
            name = one_of([devices[k].name for k in found])
            yield Mend("memory", f"more memory on {name}", "bytes", steps, more)
        if instance.links_bytes_per_s is None or len(devices) > 1:

            def another(n: int, k: int = found[0]) -> Rung:
                more_room = n * instance.devices[k].memory_bytes
                made = with_copies(instance, k, n)
                return Rung(made, n, more_room / room, f"{n} more of {si(more_room / n, 'B')}")

            what = f"more devices like {device.name}"
            yield Mend("device", what, "devices", MOST_COPIES, another)

    def larger(n: int) -> Rung:
        factor = 1 + n / 1000
        made = instance
        for k, device in enumerate(devices):
            made = with_memory(made, (k,), device.memory_bytes * factor)
        return Rung(made, n / 10, n / 1000, f"each {n / 10:g} % more")

    most = max(whole / d.memory_bytes for d in devices)
    yield Mend("all-memory", "more memory on every device", "%", _milli(most), larger)

    def lighter(n: int) -> Rung:
        factor = 0.5**n
        blocks = tuple(replace(b, weight_bytes=b.weight_bytes * factor) for b in instance.blocks)
        words = fewer_bits(n, "weights")
        return Rung(replace(instance, blocks=blocks), factor, 1 - factor, words)

    yield Mend("weights", "a smaller type for the weights", "factor", 2, lighter, now=1.0)

    def shorter(n: int) -> Rung:
        made = with_activations(instance, 1 - n / 100)
        return Rung(made, 1 - n / 100, n / 100, f"a prompt of {100 - n} % of the tokens")

    if any(b.activation_bytes for b in instance.blocks):
        yield Mend("activations", "a shorter prompt", "factor", 100, shorter, now=1.0)


def changes(instance: Instance) -> Iterator[Change]:
    """Yield the instance without, with another, and with a better device; then its links."""
    devices = instance.devices
    types = make_tables(instance).types.members
    star = instance.links_bytes_per_s is None
    for found in types:
        name = one_of([devices[k].name for k in found])
        if len(devices) > 1:
            made = without_device(instance, found[0])
            yield Change("without", devices[found[0]].name, f"without {name}", made, "harder")
    for found in types:
        if star or len(devices) > 1:
            made, like = with_copies(instance, found[0], 1), devices[found[0]].name
            yield Change("another", like, f"another device like {like}", made, "easier")
    yield from _network(instance)
    for found in types:
        yield from _better(instance, found[0], one_of([devices[k].name for k in found]))


def _better(instance: Instance, k: int, name: str) -> Iterator[Change]:
    device = instance.devices[k]
    memory, compute, load = device.memory_bytes, device.flops_per_s, device.load_bytes_per_s
    twice = [
        ("memory", "twice the memory", replace(device, memory_bytes=2 * memory)),
        ("compute", "twice the compute", replace(device, flops_per_s=2 * compute)),
        ("loading", "loading twice as fast", replace(device, load_bytes_per_s=2 * load)),
    ]
    for kind, words, better in twice:
        made = with_device(instance, k, better)
        yield Change(kind, device.name, f"{name}: {words}", made, "easier")
    if len(instance.devices) > 1:
        made = faster_links(instance, {k})
        yield Change("bandwidth", device.name, f"{name}: twice the bandwidth", made, "easier")


def _network(instance: Instance) -> Iterator[Change]:
    if len(instance.devices) == 1:
        return
    made = faster_links(instance, set(range(len(instance.devices))))
    yield Change("bandwidth", "all links", "twice the bandwidth of all links", made, "easier")
    if instance.link_latency_s:
        made = replace(instance, link_latency_s=instance.link_latency_s / 2)
        yield Change("latency", "all links", "half the latency of all links", made, "easier")


def bindings(instance: Instance, solution: Solution) -> Iterator[Binding]:
    """Yield how full each memory is, and what decides the time to the first token."""
    memory = {d.name: d.memory_bytes for d in instance.devices}
    for stage in solution.stages:
        need, have = need_bytes(instance, stage.start, stage.stop), memory[stage.device]
        run = f"blocks [{stage.start}, {stage.stop})"
        words = f"memory of {stage.device}: {si(need, 'B')} of {si(have, 'B')}, {run}"
        yield Binding("limit", f"memory of {stage.device}", need / have, words)
    yield from _time(instance, solution)


def _time(instance: Instance, solution: Solution) -> Iterator[Binding]:
    """Split the time to the first token along its critical path.

    That begins at the last stage that waits for its own loading and not for the stage before:
    until that stage has finished everything earlier is hidden.
    """
    rows = timeline(instance, solution)
    first, before_s = 0, 0.0
    for n, row in enumerate(rows):
        if _waits_for_loading(row, before_s, instance.loading == "whole-run"):
            first = n
        before_s = row.finish_s
    name, after = rows[first].device, rows[first:]
    if instance.loading == "whole-run":
        spent = [(f"loading on {name}", rows[first].load_end_s)]
    else:
        spent = [(f"loading and computing, layer by layer, on {name}", rows[first].finish_s)]
        after = rows[first + 1 :]
    spent += [("transfers after that", sum(r.receive_end_s - r.receive_start_s for r in after))]
    spent += [("computing after that", sum(_compute_s(r) for r in after))]
    for what, seconds in spent:
        if seconds > 0.0:
            yield Binding("time", what, seconds / rows[-1].finish_s, f"{what}: {seconds:.4g} s")


def _waits_for_loading(row: StageTimes, before_s: float, whole_run: bool) -> bool:
    if whole_run:
        return row.load_end_s >= before_s
    received_s = before_s + row.receive_end_s - row.receive_start_s
    return row.finish_s > (received_s + _compute_s(row)) * (1 + 1e-12)


def _compute_s(row: StageTimes) -> float:
    return sum(end - start for start, end in row.compute_s)


def _whole_bytes(instance: Instance) -> float:
    """Return what a device needs that holds everything."""
    return need_bytes(instance, 0, len(instance.blocks))


def _milli(factor: float) -> int:
    return max(1, int(1000 * (factor - 1)) + 1)
