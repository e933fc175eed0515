"""`cold-start`: instances and plans as tables and text."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shardopt.cold_start.gantt_text import gantt_text, legend
from shardopt.cold_start.phases import KINDS, phases
from shardopt.models.cold_start.check import check
from shardopt.models.cold_start.data import OBJECTIVE_NAME, Block, Instance, Solution
from shardopt.models.cold_start.evaluate import need_bytes, timeline
from shardopt.units import aligned, printable, si

_MOST_ROWS = 50
"""Devices, or kinds of blocks, that a table lists before it only counts."""
_MOST_NAMES = 6


def plan_table(instance: Instance, solution: Solution) -> Table:
    """Return the stages of a plan: what each device holds, and how its time is spent."""
    memory = {device.name: device.memory_bytes for device in instance.devices}
    table = Table(
        title="plan (times in seconds)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("stage", justify="right")
    table.add_column("device", overflow="fold", min_width=8)
    for heading in ("blocks", "memory", *KINDS, "finish"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = timeline(instance, solution)
    for n, row in enumerate(rows, start=1):
        need = need_bytes(instance, row.start, row.stop)
        spent = dict.fromkeys(KINDS, 0.0)
        for phase in phases(row):
            spent[phase.kind] += phase.length_s
        table.add_row(
            str(n),
            printable(row.device),
            f"[{row.start}, {row.stop})",
            f"{100 * need / memory[row.device]:.0f} %",
            *(aligned(spent[kind], rows[-1].finish_s, 5) for kind in KINDS),
            aligned(row.finish_s, rows[-1].finish_s, 5),
        )
    return table


def solution_text(instance: Instance, solution: Solution, width: int) -> RenderableType:
    """Return a plan as a Gantt chart made of characters."""
    rows = timeline(instance, solution)
    lines: list[RenderableType] = [
        Text(f"{printable(instance.name)} ({instance.loading})", style="bold"),
        Text(headline(instance, solution)),
        Text(),
        gantt_text(rows, instance.loading == "layerwise", width),
        legend(),
    ]
    unused = unused_devices(instance, solution)
    return Group(*lines, Text(unused)) if unused else Group(*lines)


def headline(instance: Instance, solution: Solution) -> str:
    """Return the objective in words, and a warning if the plan needs more memory than there is."""
    report = check(instance, solution)
    text = f"{OBJECTIVE_NAME} {report.objective:.7g} s"
    if not report.feasible:
        text += f"  NOT FEASIBLE: memory exceeded on {len(report.violations)} device(s)"
    return text


def unused_devices(instance: Instance, solution: Solution) -> str:
    """Return one line on the devices without a block, empty if there are none."""
    used = {stage.device for stage in solution.stages}
    names = [printable(d.name, 24) for d in instance.devices if d.name not in used]
    if not names:
        return ""
    if len(names) <= _MOST_NAMES:
        return "not used: " + ", ".join(names)
    listed = ", ".join(names[: _MOST_NAMES - 1])
    return (
        f"not used: {listed} and {len(names) - _MOST_NAMES + 1} more"
        f" ({len(names)} of {len(instance.devices)} devices)"
    )


def instance_text(instance: Instance, width: int) -> RenderableType:
    """Return an instance as tables: its blocks, its devices, its links."""
    parts: list[RenderableType] = [
        Text(f"{printable(instance.name)} ({instance.loading})", style="bold"),
        Text(f"{printable(instance.source)}\n", style="dim"),
        _blocks_table(instance),
        _devices_table(instance),
    ]
    if instance.links_bytes_per_s is not None:
        rates = [r for row in instance.links_bytes_per_s for r in row if r]
        if rates:
            parts.append(Text(f"links: {si(min(rates), 'B/s')} to {si(max(rates), 'B/s')}"))
    if instance.link_latency_s:
        parts.append(Text(f"latency of each transfer: {instance.link_latency_s:g} s"))
    return Group(*parts)


def _blocks_table(instance: Instance) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("blocks", "work", "weights", "activation"):
        table.add_column(heading, justify="right")
    runs = _equal_runs(instance.blocks)
    for start, stop, block in runs[:_MOST_ROWS]:
        table.add_row(
            f"[{start}, {stop})",
            si(block.flops, "FLOP"),
            si(block.weight_bytes, "B"),
            si(block.activation_bytes, "B"),
        )
    if len(runs) > _MOST_ROWS:
        table.add_row(f"and {len(instance.blocks) - runs[_MOST_ROWS][0]} more", "", "", "")
    table.add_section()
    table.add_row(
        f"all {len(instance.blocks)}",
        si(sum(b.flops for b in instance.blocks), "FLOP"),
        si(sum(b.weight_bytes for b in instance.blocks), "B"),
        "",
    )
    return table


def _equal_runs(blocks: tuple[Block, ...]) -> list[tuple[int, int, Block]]:
    runs: list[tuple[int, int, Block]] = []
    for i, block in enumerate(blocks):
        if runs and runs[-1][2] == block:
            runs[-1] = (runs[-1][0], i + 1, block)
        else:
            runs.append((i, i + 1, block))
    return runs


def _devices_table(instance: Instance) -> Table:
    weights = sum(b.weight_bytes for b in instance.blocks)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("device", overflow="fold")
    star = instance.links_bytes_per_s is None
    link_headings = ("uplink", "downlink") if star else ()
    for heading in ("compute", "load", "memory", "of model", *link_headings):
        table.add_column(heading, justify="right")
    for device in instance.devices[:_MOST_ROWS]:
        share = f"{100 * device.memory_bytes / weights:.0f} %" if weights else ""
        links = (device.uplink_bytes_per_s, device.downlink_bytes_per_s) if star else ()
        table.add_row(
            printable(device.name),
            si(device.flops_per_s, "FLOP/s"),
            si(device.load_bytes_per_s, "B/s"),
            si(device.memory_bytes, "B"),
            share,
            *(si(rate, "B/s") for rate in links if rate is not None),
        )
    if len(instance.devices) > _MOST_ROWS:
        table.add_row(f"and {len(instance.devices) - _MOST_ROWS} more")
    return table
