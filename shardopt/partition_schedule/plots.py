"""`partition-schedule`: pictures with matplotlib, each on an ``ax`` of its own or yours.

A few requests are drawn one by one, in colours that colour-blind people can tell apart; more of
them as bars alone; and very many as how busy each node is, and how long its queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shardopt.axes import GRID, INK, QUIET, entitle, legend_above, name_rows, new_axes
from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.partition_schedule.demand import demand, longest_run
from shardopt.partition_schedule.layout import Layout, make_layout
from shardopt.partition_schedule.marks import (
    BUSY,
    MOST_BARS,
    MOST_LABELLED,
    MOST_LINES,
    TRAVELLING,
    WAITING,
    draw_each,
    draw_shares,
    most_waiting,
)
from shardopt.partition_schedule.show import headline, requests_line, title
from shardopt.partition_schedule.spans import Spans, hidden_nodes, make_spans, shown_nodes
from shardopt.units import printable, si

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME_WIDTH = 26
_MOST_NODES = 40
"""Nodes that a picture shows."""
_HELD, _EMPTY, _OVER, _TOO_SMALL = "#a9bdd3", "#eceff3", "#e07a6e", "#f7e3e0"


def figure_size(instance: Instance, solution: Solution | None) -> tuple[float, float]:
    """Return width and height in inches that suit the number of rows."""
    if solution is None:
        layout = make_layout(instance, _first_nodes(instance))
    else:
        layout = make_layout(
            instance, shown_nodes(instance, make_spans(instance, solution), _MOST_NODES)
        )
    return 11.0, 1.7 + 0.46 * layout.height


def plot_gantt(instance: Instance, solution: Solution, ax: Axes | None = None) -> Axes:
    """Draw a plan as a Gantt chart: a line per node, tiers from the top.

    Dotted lines above the bars are requests that wait for the node, thin lines between the
    tiers requests on their way. On the right stand the run of blocks that each tier holds, and
    the share of each node's memory that it takes.
    """
    ax = new_axes(figure_size(instance, solution)) if ax is None else ax
    spans = make_spans(instance, solution)
    layout = make_layout(instance, shown_nodes(instance, spans, _MOST_NODES))
    each = spans.node.size <= MOST_BARS
    if each:
        draw_each(ax, spans, layout)
    else:
        draw_shares(ax, spans, layout)
    for j, tier in enumerate(instance.tiers):
        first, stop = spans.runs[j]
        more = hidden_nodes(instance, spans, j, list(layout.shown[j]))
        held = f"blocks [{first}, {stop}), {si(spans.weights_bytes[j], 'B')}"
        held += f";  and {more}" if more else ""
        _heading(ax, layout.head_y[j], f"{printable(tier.name, _NAME_WIDTH)}:  {held}")
    _draw_memory(ax, instance, spans, layout)
    early = min(0.0, float(spans.start_s.min()))
    _finish_axes(ax, instance, layout, early, 1.02 * spans.last_s or 1.0)
    ax.set_xlabel("seconds since the first arrival" + _colour_note(spans, each), color=INK)
    entitle(ax, f"{title(instance)}\n{headline(instance, solution)}")
    _legend(ax, spans, layout, each)
    return ax


plot_solution = plot_gantt
"""The name that every problem's plots have for the picture of a plan."""


def plot_instance(instance: Instance, ax: Axes | None = None) -> Axes:
    """Draw the nodes: the seconds each takes for a mean request's share under equal cuts.

    Beside each stand its memory and how many blocks in a row fit into it. Nodes that the equal
    share does not fit are marked.
    """
    ax = new_axes(figure_size(instance, None)) if ax is None else ax
    figures = demand(instance)
    layout = make_layout(instance, _first_nodes(instance))
    longest = max((s for row in figures.equal_s for s in row if s is not None), default=1.0)
    for j, tier in enumerate(instance.tiers):
        parts = [printable(tier.name, _NAME_WIDTH)]
        if j < len(instance.links):
            link = instance.links[j]
            parts.append(f"to the next: {link.latency_s:g} s, {si(link.bytes_per_s, 'B/s')}")
        if len(layout.shown[j]) < len(tier.nodes):
            parts.append(f"the first {len(layout.shown[j])} of {len(tier.nodes)} nodes")
        _heading(ax, layout.head_y[j], ";  ".join(parts))
        for k in layout.shown[j]:
            node, y = tier.nodes[k], float(layout.node_y[j][k])
            equal_s = figures.equal_s[j][k] if figures.equal_s else None
            ax.barh(y, equal_s or 0.0, height=0.52, color=BUSY)
            most = longest_run(instance, node.memory_bytes)
            words = f"{si(node.memory_bytes, 'B')}: up to {most} blocks"
            words += "" if equal_s is not None else ", an equal share does not fit"
            colour = QUIET if equal_s is not None else "#a93226"
            ax.annotate(words, (equal_s or 0.0, y), xytext=(5, 0), textcoords="offset points",
                        va="center", fontsize=8, color=colour)  # fmt: skip
    _finish_axes(ax, instance, layout, 0.0, 1.3 * longest)
    ax.set_xlabel("seconds of service for a request of mean length, blocks cut equally", color=INK)
    blocks = f"{len(instance.blocks)} blocks, {si(figures.weights_bytes, 'B')} of weights"
    work = f"{si(figures.flops_per_token, 'FLOP')} per token"
    lines = [title(instance), f"{blocks}, {work}", requests_line(instance, figures)]
    entitle(ax, "\n".join(lines), pad=8)
    return ax


def _first_nodes(instance: Instance) -> list[range]:
    share = max(1, _MOST_NODES // len(instance.tiers))
    return [range(min(share, len(tier.nodes))) for tier in instance.tiers]


def _heading(ax: Axes, y: float, text: str) -> None:
    ax.annotate(text, (0, y), xycoords=("axes fraction", "data"), xytext=(4, -2), zorder=5,
                textcoords="offset points", va="center", fontsize=9, color=INK,
                fontweight="bold", parse_math=False)  # fmt: skip


def _draw_memory(ax: Axes, instance: Instance, spans: Spans, layout: Layout) -> None:
    """Draw beside the chart each tier's run in the row of all blocks, and its nodes' memory."""
    side = ax.inset_axes((1.01, 0, 0.16, 1), sharey=ax)
    count = len(instance.blocks)
    for j, (tier, (first, stop)) in enumerate(zip(instance.tiers, spans.runs, strict=True)):
        y = layout.head_y[j]
        side.barh(y, 1, height=0.4, color=_EMPTY)
        side.barh(y, (stop - first) / count, left=first / count, height=0.4, color=BUSY)
        for k in layout.shown[j]:
            line, memory = float(layout.node_y[j][k]), tier.nodes[k].memory_bytes
            share = spans.weights_bytes[j] / memory
            side.barh(line + 0.16, 1, height=0.36, color=_EMPTY)
            used = bool((spans.node[:, j] == k).any())
            colour = _HELD if share <= 1 else _OVER if used else _TOO_SMALL
            side.barh(line + 0.16, min(share, 1.0), height=0.36, color=colour)
            words = f"{100 * share:.0f} % of {si(memory, 'B')}"
            side.text(0.98, line + 0.16, words, ha="right", va="center", fontsize=7, color=INK)
    side.set_xlim(0, 1)
    side.set_title("blocks, and memory in use", fontsize=8, color=QUIET, pad=3)
    side.set_axis_off()


def _finish_axes(
    ax: Axes, instance: Instance, layout: Layout, first_s: float, last_s: float
) -> None:
    lines, names = layout.labelled(instance)
    name_rows(ax, lines, [printable(name, _NAME_WIDTH) for name in names])
    ax.set_ylim(layout.height, 0)
    ax.set_xlim(first_s, last_s)
    for y in layout.head_y[1:]:
        ax.axhline(y - 0.42, color=GRID, linewidth=0.8, zorder=0.5)


def _colour_note(spans: Spans, each: bool) -> str:
    return "" if not each or len(spans.node) <= 8 else "; colour: order of arrival, dark first"


def _legend(ax: Axes, spans: Spans, layout: Layout, each: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any]
    if each and len(spans.node) <= MOST_LABELLED:
        handles = [
            Patch(facecolor=QUIET, label="service"),
            Line2D([], [], color=QUIET, linewidth=1.6, linestyle=(0, (1, 0.7)), label="waiting"),
            Line2D([], [], color=QUIET, linewidth=1.1, label="on the way"),
        ]
    else:
        queue = f"waiting (highest: {most_waiting(spans, layout)})"
        handles = [
            Patch(facecolor=QUIET if each else BUSY, label="service" if each else "busy"),
            Patch(facecolor=WAITING, label=queue),
            Line2D([], [], color=QUIET, linewidth=0.5, label="on the way")
            if len(spans.node) <= MOST_LINES
            else Patch(facecolor=TRAVELLING, label="on the way to the next tier"),
        ]
    legend_above(ax, handles)
