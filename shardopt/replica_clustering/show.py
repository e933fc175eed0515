"""`replica-clustering`: instances and plans as tables and text."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.data import (
    OBJECTIVE_NAME,
    Device,
    Instance,
    Links,
    Solution,
)
from shardopt.models.replica_clustering.evaluate import bottleneck
from shardopt.replica_clustering.layout import (
    ReplicaRow,
    StageRow,
    first_rows,
    hidden_text,
    phases_text,
    replica_rows,
    replica_title,
    unused_text,
)
from shardopt.units import aligned, printable, si

_MOST_ROWS = 50
"""Devices, or stages, that are listed before they are only counted."""
_NAME_WIDTH = 20
_LEAST_BAR = 10
_MARK = {"blocks": ("█", "blue"), "head": ("▒", "magenta"), "hop": ("»", "yellow")}


def plan_table(instance: Instance, solution: Solution) -> Table:
    """Return the stages of a plan: who holds what, how full it is, and how long it takes."""
    table = Table(
        title="plan (times in seconds; * the master, which has the head)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("replica", overflow="fold")
    table.add_column("device", overflow="fold", min_width=8)
    for heading in ("blocks", "memory", "stage", "hop", "T", "requests/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = replica_rows(instance, solution)
    shown = first_rows(rows, _MOST_ROWS)
    for row in shown:
        for k, stage in enumerate(row.stages):
            batch = f", q = {row.batch}" if row.role == "decode" else ""
            table.add_row(
                "" if k else f"{row.role}{batch}",
                f"{printable(stage.device)}{' *' * stage.is_master}",
                f"[{stage.start}, {stage.stop})",
                f"{100 * stage.memory_share:.0f} %",
                aligned(stage.blocks_s + stage.head_s, row.slowest_s, 5),
                "" if stage.hop_s is None else aligned(stage.hop_s, row.slowest_s, 5),
                *(("", "") if k else (f"{row.slowest_s:.5g}", f"{row.requests_per_s:.5g}")),
            )
        table.add_section()
    if len(shown) < len(rows):
        table.add_row("", hidden_text(rows, shown))
    return table


def solution_text(instance: Instance, solution: Solution, width: int) -> RenderableType:
    """Return a plan as its replicas, with a bar for every stage and every hop.

    Bars are in proportion to the replica's T, so that a full bar is what the replica waits for.
    """
    rows = replica_rows(instance, solution)
    shown = first_rows(rows, _MOST_ROWS)
    lines: list[RenderableType] = [
        Text(printable(instance.name), style="bold"),
        Text(headline(instance, solution)),
        Text(phases_text(rows)),
        Text(),
        *(_replica_text(row, width) for row in shown),
    ]
    if len(shown) < len(rows):
        lines.append(Text(hidden_text(rows, shown) + "\n"))
    lines.append(_legend())
    unused = unused_text(instance, solution)
    return Group(*lines, Text(unused)) if unused else Group(*lines)


def headline(instance: Instance, solution: Solution) -> str:
    """Return objective and bottleneck in words, and the rules that are broken.

    The bottleneck is the paper's eq. (4), the objective less the arrival period.
    """
    report = check(instance, solution)
    assert report.objective is not None  # otherwise there is no picture
    less = bottleneck(instance, report.objective)
    text = f"{OBJECTIVE_NAME} {report.objective:.7g} s; bottleneck {less:.7g} s"
    if not report.feasible:
        broken = Counter(violation.constraint for violation in report.violations)
        rules = ", ".join(f"{name} ({count}x)" for name, count in broken.items())
        text += f"\nNOT FEASIBLE: {rules}"
    return text


def _replica_text(row: ReplicaRow, width: int) -> Text:
    names = [f"{printable(s.device, _NAME_WIDTH)}{' *' * s.is_master}" for s in row.stages]
    digits = len(str(row.stages[-1].stop))
    runs = [f"[{s.start:>{digits}}, {s.stop:>{digits}})" for s in row.stages]
    margin = max(map(len, names)) + len(runs[0]) + 5
    shares = [f"{100 * s.memory_share:.0f} % memory" for s in row.stages]
    ends = [f"{aligned(s.blocks_s + s.head_s, row.slowest_s)} s" for s in row.stages]
    columns = max(_LEAST_BAR, width - margin - max(map(len, ends)) - max(map(len, shares)) - 4)
    text = Text(no_wrap=True, overflow="crop")
    text.append(replica_title(row) + "\n", style="bold")
    for stage, name, run, end, share in zip(row.stages, names, runs, ends, shares, strict=True):
        text.append(f"  {name:<{margin - len(run) - 3}}{run} ")
        text.append_text(_bar(stage, row.slowest_s, columns))
        text.append(f" {end}  {share}\n")
        if stage.hop_s:
            text.append(" " * margin)
            text.append_text(_cells("hop", stage.hop_s, row.slowest_s, columns))
            text.append(f" {aligned(stage.hop_s, row.slowest_s)} s\n")
    return text


def _bar(stage: StageRow, whole_s: float, columns: int) -> Text:
    """Return blocks and head, each at least one character where it takes any time."""
    bar = _cells("blocks", stage.blocks_s, whole_s, columns - bool(stage.head_s))
    if stage.head_s:
        most = columns - len(bar)
        bar.append_text(_cells("head", stage.head_s, whole_s, columns, most))
    return bar


def _cells(kind: str, time_s: float, whole_s: float, columns: int, most: int | None = None) -> Text:
    mark, style = _MARK[kind]
    count = max(1, round(columns * time_s / whole_s))
    return Text(mark * min(count, columns if most is None else most), style=style)


def _legend() -> Text:
    line = Text()
    for kind, (mark, style) in _MARK.items():
        line.append(mark * 2, style=style)
        line.append(f" {kind}   ")
    line.append("a full bar is T;  * the master")
    return line


def instance_text(instance: Instance, width: int) -> RenderableType:
    """Return an instance as tables: model, devices, links and workload."""
    model, workload = instance.model, instance.workload
    weights = si(model.blocks * model.block_weight_bytes, "B")
    cache = model.blocks * model.cache_bytes_per_token_per_block
    return Group(
        Text(printable(instance.name), style="bold"),
        Text(f"{printable(instance.source)}\n", style="dim"),
        Text(f"{model.blocks} blocks of {si(model.block_weight_bytes, 'B')}, {weights} together"),
        Text(
            f"head {si(model.head_weight_bytes, 'B')}; per token, cache {si(cache, 'B')} and "
            f"activation {si(model.activation_bytes_per_token, 'B')}"
        ),
        Text(
            f"requests of {workload.input_tokens:g} tokens in and {workload.output_tokens:g} out, "
            f"one every {workload.arrival_period_s:g} s"
        ),
        Text(
            f"at least {workload.min_tokens_per_s:g} tokens/s each, "
            f"at most {workload.max_batch} of them in a decode replica"
        ),
        Text(links_text(instance)),
        _devices_table(instance),
    )


def links_text(instance: Instance) -> str:
    """Return the links in words."""
    if instance.links is None:
        assert instance.link is not None  # exactly one of both is there
        rate = si(instance.link.bytes_per_s, "B/s")
        return f"uniform LAN: {rate}, latency {instance.link.latency_s:g} s"
    if len(instance.devices) == 1:
        return "links: none, with one device"
    rates = off_diagonal(instance.links, "bytes_per_s")
    latencies = off_diagonal(instance.links, "latency_s")
    return (
        f"links: {si(min(rates), 'B/s')} to {si(max(rates), 'B/s')}, "
        f"latency {min(latencies):.4g} to {max(latencies):.4g} s"
    )


def off_diagonal(links: Links, field: str) -> list[float]:
    """Return the entries of a matrix between two devices."""
    rows: tuple[tuple[float, ...], ...] = getattr(links, field)
    return [value for i, row in enumerate(rows) for j, value in enumerate(row) if i != j]


def blocks_held(instance: Instance, device: Device) -> int:
    """Return how many blocks the device has the memory for, head and cache left aside."""
    held = device.memory_bytes / instance.model.block_weight_bytes
    return int(min(held, instance.model.blocks))


def _devices_table(instance: Instance) -> Table:
    """Return the devices; times are for a whole request and one block."""
    workload = instance.workload
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("device", overflow="fold", min_width=8)
    most = workload.max_batch
    batched = (f"decode, q = {most}",) if most > 1 else ()
    for heading in ("memory", "weights of", "prefill", "decode, q = 1", *batched):
        table.add_column(heading, justify="right")
    for device in instance.devices[:_MOST_ROWS]:
        times = request_s(instance, device)
        table.add_row(
            printable(device.name),
            si(device.memory_bytes, "B"),
            f"{blocks_held(instance, device)} blocks",
            *(f"{time_s:.4g} s" for time_s in times[: 2 + len(batched)]),
        )
    if len(instance.devices) > _MOST_ROWS:
        table.add_row(f"and {len(instance.devices) - _MOST_ROWS} more")
    table.caption = "seconds of one block per request (of each of q requests in decode)"
    table.caption_justify = "left"
    return table


def request_s(instance: Instance, device: Device) -> tuple[float, float, float]:
    """Return a block's seconds per request: prefill, decode alone, decode as one of a batch B."""
    workload = instance.workload
    most = workload.max_batch
    return (
        workload.input_tokens * device.prefill_s_per_token_per_block,
        workload.output_tokens * device.decode_s_per_block[0],
        workload.output_tokens * device.decode_s_per_block[most - 1] / most,
    )
