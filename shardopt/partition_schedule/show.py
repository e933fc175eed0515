"""`partition-schedule`: instances and plans as tables and text."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.partition_schedule.demand import Demand, demand, longest_run
from shardopt.partition_schedule.gantt_text import gantt_text, legend
from shardopt.partition_schedule.spans import Spans, hidden_nodes, make_spans, shown_nodes
from shardopt.units import aligned, printable, si

_MOST_ROWS = 50
"""Nodes, or kinds of blocks, that a table lists before it only counts."""
_STRIP = 40
"""Most characters of the strip of blocks."""


def plan_table(instance: Instance, solution: Solution) -> Table:
    """Return the nodes of a plan: what each holds, whom it serves, and who waits for it."""
    spans = make_spans(instance, solution)
    table = Table(
        title=f"plan, for {instance.objective} (times in seconds)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("tier", overflow="fold")
    table.add_column("node", overflow="fold", min_width=8)
    for heading in ("blocks", "memory", "requests", "busy", "mean\nwait", "max\nwait"):
        table.add_column(heading, justify="right", no_wrap=True)
    shown = shown_nodes(instance, spans, _MOST_ROWS)
    for j, tier in enumerate(instance.tiers):
        first, stop = spans.runs[j]
        for n, k in enumerate(shown[j]):
            node = tier.nodes[k]
            table.add_row(
                "" if n else printable(tier.name),
                printable(node.name),
                f"[{first}, {stop})",
                f"{100 * spans.weights_bytes[j] / node.memory_bytes:.0f} %",
                *_served(spans, j, k),
            )
        more = hidden_nodes(instance, spans, j, shown[j])
        if more:
            table.add_row("", f"and {more}")
        table.add_section()
    return table


def _served(spans: Spans, j: int, k: int) -> tuple[str, ...]:
    here = spans.node[:, j] == k
    if not here.any():
        return ("0",)
    busy = float((spans.end_s - spans.start_s)[here, j].sum())
    wait = spans.wait_s[here, j]
    times = (busy, float(wait.mean()), float(wait.max()))
    return (str(int(here.sum())), *(aligned(t, max(spans.last_s, busy)) for t in times))


def solution_text(instance: Instance, solution: Solution, width: int) -> RenderableType:
    """Return a plan as its cuts and a Gantt chart made of characters."""
    spans = make_spans(instance, solution)
    return Group(
        Text(title(instance), style="bold"),
        Text(headline(instance, solution)),
        Text(),
        _strips(instance, spans),
        gantt_text(instance, spans, width),
        legend(spans),
    )


def title(instance: Instance) -> str:
    """Return the instance's name and what its plans are judged by."""
    return f"{printable(instance.name, 80)} ({instance.objective})"


def headline(instance: Instance, solution: Solution) -> str:
    """Return the objective in words, and the broken rules of a plan that is not feasible."""
    report = check(instance, solution)
    text = f"{instance.objective} {report.objective:.7g} s"
    if not report.feasible:
        broken = Counter(violation.constraint for violation in report.violations)
        rules = ", ".join(f"{name} ({count}x)" for name, count in broken.items())
        text += f"  NOT FEASIBLE: {rules}"
    return text


def _strips(instance: Instance, spans: Spans) -> Table:
    """Return a line per tier: its run in the row of all blocks, and how full its nodes are."""
    table = Table(box=None, show_header=False, pad_edge=False)
    count = len(instance.blocks)
    columns = min(count, _STRIP)
    for j, (tier, (first, stop)) in enumerate(zip(instance.tiers, spans.runs, strict=True)):
        a, b = first * columns // count, max(-(-stop * columns // count), 1)
        strip = Text("·" * a, style="dim")
        strip.append("█" * (b - a), style="blue")
        strip.append("·" * (columns - b), style="dim")
        used = np.unique(spans.node[:, j])
        shares = [100 * spans.weights_bytes[j] / tier.nodes[k].memory_bytes for k in used]
        low, high = f"{min(shares):.0f}", f"{max(shares):.0f}"
        table.add_row(
            printable(tier.name, 24),
            strip,
            f"[{first}, {stop})",
            si(spans.weights_bytes[j], "B"),
            f"{low} %" if low == high else f"{low} to {high} %",
        )
    table.columns[-1].no_wrap = True
    return table


def instance_text(instance: Instance, width: int) -> RenderableType:
    """Return an instance as tables: its blocks, its nodes with what fits, links and requests."""
    figures = demand(instance)
    return Group(
        Text(title(instance), style="bold"),
        Text(f"{printable(instance.source)}\n", style="dim"),
        _blocks_table(instance, figures),
        _nodes_table(instance, figures),
        _links_table(instance, figures) if instance.links else Text(),
        Text(requests_line(instance, figures)),
    )


def requests_line(instance: Instance, figures: Demand) -> str:
    """Return the requests in words: how many, how long, when, and how much work they are."""
    count = len(instance.requests)
    tokens = [request.tokens for request in instance.requests]
    span = "" if min(tokens) == max(tokens) else f" ({min(tokens)} to {max(tokens)})"
    text = f"{count} request{'s' * (count > 1)} of {figures.mean_tokens:.4g} tokens{span}"
    if figures.load is None:
        return text + (", all at once" if count > 1 else "")
    over = figures.last_s - figures.first_s
    return f"{text} over {over:.4g} s, a load of {figures.load:.3g} on all nodes together"


def _blocks_table(instance: Instance, figures: Demand) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("blocks", "work per token", "weights", "activation per token"):
        table.add_column(heading, justify="right")
    first = 0
    for row, (block, group) in enumerate(groupby(instance.blocks)):
        stop = first + sum(1 for _ in group)
        if row == _MOST_ROWS:
            table.add_row(f"and {len(instance.blocks) - first} more", "", "", "")
            break
        table.add_row(
            f"[{first}, {stop})",
            si(block.flops_per_token, "FLOP"),
            si(block.weight_bytes, "B"),
            si(block.activation_bytes_per_token, "B"),
        )
        first = stop
    table.add_section()
    total = (si(figures.flops_per_token, "FLOP"), si(figures.weights_bytes, "B"))
    table.add_row(f"all {len(instance.blocks)}", *total, "")
    return table


def _nodes_table(instance: Instance, figures: Demand) -> Table:
    """Return the nodes; the last column is the time of a mean request under equal cuts."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("tier", overflow="fold")
    table.add_column("node", overflow="fold", min_width=8)
    for heading in ("speed", "memory", "of model", "holds", "equal cuts"):
        table.add_column(heading, justify="right")
    share = max(1, _MOST_ROWS // len(instance.tiers))
    for j, tier in enumerate(instance.tiers):
        for k, node in enumerate(tier.nodes[:share]):
            equal_s = figures.equal_s[j][k] if figures.equal_s else None
            of_model = 100 * node.memory_bytes / (figures.weights_bytes or node.memory_bytes)
            table.add_row(
                "" if k else printable(tier.name),
                printable(node.name),
                si(node.flops_per_s, "FLOP/s"),
                si(node.memory_bytes, "B"),
                f"{of_model:.0f} %" if figures.weights_bytes else "",
                f"{longest_run(instance, node.memory_bytes)} blocks",
                "does not fit" if equal_s is None else f"{equal_s:.4g} s",
            )
        if len(tier.nodes) > share:
            table.add_row("", f"and {len(tier.nodes) - share} more")
        table.add_section()
    return table


def _links_table(instance: Instance, figures: Demand) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("link", overflow="fold")
    for heading in ("latency", "bandwidth", "mean request"):
        table.add_column(heading, justify="right")
    for j, link in enumerate(instance.links):
        ends = (printable(instance.tiers[i].name, 24) for i in (j, j + 1))
        transfer = f"{figures.transfer_s[j]:.4g} s" if figures.transfer_s else ""
        table.add_row(
            " to ".join(ends), f"{link.latency_s:g} s", si(link.bytes_per_s, "B/s"), transfer
        )
    return table
