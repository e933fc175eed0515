"""`partition-schedule`: a plan as a Gantt chart made of characters."""

from __future__ import annotations

import string

import numpy as np
from rich.text import Text

from shardopt.models.partition_schedule.data import Instance
from shardopt.partition_schedule.spans import (
    Floats,
    Ints,
    Spans,
    busy_share,
    columns_s,
    hidden_nodes,
    present,
    shown_nodes,
)
from shardopt.ruler import time_axis
from shardopt.units import printable

SYMBOLS = string.digits + string.ascii_letters
"""One for each request, as long as there are enough."""
_COLOURS = ("orange3", "sky_blue2", "green4", "gold1", "deep_sky_blue4", "red3", "pink3", "grey62")
_SHADES = " ░▒▓█"
_NAME_WIDTH = 28
_LEAST_BAR = 10
_MOST_ROWS = 40
_MOST_COUNTED = 9
"""What a digit can show."""


def gantt_text(instance: Instance, spans: Spans, width: int) -> Text:
    """Return the chart: tiers from the top, a line per node, and who waits and travels.

    A node's line shows the request that it serves in each column, or, with many requests, how
    busy it is. Beneath it stands how many requests wait for the node, and between tiers how many
    are on their way.
    """
    shown = shown_nodes(instance, spans, _MOST_ROWS)
    names = [[printable(instance.tiers[j].nodes[k].name, _NAME_WIDTH) for k in row]
             for j, row in enumerate(shown)]  # fmt: skip
    widest = _counted("  on their way", len(spans.node))
    margin = max(len(widest) + 1, *(len(name) + 4 for row in names for name in row))
    columns = max(_LEAST_BAR, width - margin - len(" 100 %"))
    edges = columns_s(spans.last_s, columns)
    chart = Text(no_wrap=True, overflow="crop")
    chart.append(time_axis(spans.last_s, columns, margin))
    for j, tier in enumerate(instance.tiers):
        chart.append(f"{printable(tier.name, width)}\n", style="bold")
        for k, name in zip(shown[j], names[j], strict=True):
            _append_node(chart, spans, j, k, name.ljust(margin - 2), edges)
        more = hidden_nodes(instance, spans, j, shown[j])
        if more:
            chart.append(f"  and {more}\n", style="dim")
        if j + 1 < len(instance.tiers):
            travelling = present(spans.end_s[:, j], spans.ready_s[:, j + 1], edges)
            _append_counts(chart, "  on their way", margin, travelling, "yellow")
    return chart


def legend(spans: Spans) -> Text:
    """Return what the characters mean."""
    if len(spans.node) <= len(SYMBOLS):
        served = "0, 1, 2, ..: the request that is served (a is 10, A is 36)"
    else:
        served = "░▒▓█: share of the time in which a node serves"
    line = Text(served + ".  ")
    line.append("waiting", style="dim")
    line.append(", ")
    line.append("on their way", style="yellow")
    scaled = " (9=27: in ninths of 27)" if len(spans.node) > _MOST_COUNTED else ""
    line.append(f": number of requests{scaled}.  At the right: how busy a node is")
    return line


def _append_node(chart: Text, spans: Spans, j: int, k: int, label: str, edges: Floats) -> None:
    here = spans.node[:, j] == k
    start_s, end_s = spans.start_s[here, j], spans.end_s[here, j]
    chart.append(f"  {label}")
    share = busy_share(start_s, end_s, edges)
    if len(spans.node) <= len(SYMBOLS):
        _append_requests(chart, np.flatnonzero(here), start_s, end_s, edges)
    else:
        levels = np.ceil(share * (len(_SHADES) - 1)).astype(int)
        chart.append("".join(_SHADES[level] for level in levels), style="blue")
    chart.append(f" {100 * share.mean():3.0f} %\n")
    waiting = present(spans.ready_s[here, j], start_s, edges)
    _append_counts(chart, "    waiting", len(label) + 2, waiting, "dim")


def _append_requests(
    chart: Text, requests: Ints, start_s: Floats, end_s: Floats, edges: Floats
) -> None:
    """Append the request that is served in each column; each gets one at least."""
    cells: list[int | None] = [None] * (len(edges) - 1)
    width_s = edges[1]
    by_length = np.argsort(start_s - end_s, kind="stable")  # the shortest are drawn last, on top
    for n in by_length:
        first = min(max(round(float(start_s[n] / width_s)), 0), len(cells) - 1)
        last = max(round(float(end_s[n] / width_s)), first + 1)
        cells[first:last] = [int(requests[n])] * (min(last, len(cells)) - first)
    for request in cells:
        if request is None:
            chart.append(" ")
        else:
            colour = _COLOURS[request % len(_COLOURS)]
            chart.append(SYMBOLS[request], style=f"black on {colour}")


def _append_counts(chart: Text, label: str, margin: int, counts: Ints, style: str) -> None:
    """Append a line of digits, unless all are 0; beyond 9 they are scaled to the largest."""
    most = int(counts.max())
    if most <= 0:
        return
    label = _counted(label, most)
    if most > _MOST_COUNTED:
        counts = np.ceil(counts * (_MOST_COUNTED / most)).astype(np.int64)
    digits = "".join(str(n) if n > 0 else " " for n in counts)
    chart.append(f"{label:<{margin}}{digits.rstrip()}\n", style=style)


def _counted(label: str, most: int) -> str:
    """Return a label that says what a 9 stands for, where that is more than nine."""
    return f"{label} (9={most})" if most > _MOST_COUNTED else label
