"""`partition-schedule`: draws service, waiting and transfers into the lines of a Gantt chart.

Within a node's line the upper part is for those who wait and the lower part for the service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shardopt.axes import INK
from shardopt.partition_schedule.layout import GAP, Layout
from shardopt.partition_schedule.spans import Floats, Ints, Spans, busy_share, columns_s, present

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WAITING, TRAVELLING, BUSY = "#b9b9b9", "#e8b04b", "#1f4e79"
_FEW = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")
"""Okabe and Ito's colours, for as many requests."""
MOST_LABELLED = 40
"""Requests that are labelled, and whose waiting is drawn one by one."""
MOST_LINES = 150
"""Requests whose transfers are drawn one by one."""
MOST_BARS = 6000
"""Operations that are drawn one by one."""
_TOP, _BAR_TOP, _BAR_BOTTOM = -0.46, -0.10, 0.42
_COLUMNS = 500
_LABEL = 0.013
"""Share of the width of the picture that a digit takes."""


def request_colours(spans: Spans) -> Any:
    """Return a colour for each request: a few well apart, many from dark to light by arrival."""
    import matplotlib as mpl
    from matplotlib.colors import to_rgba_array

    order = np.argsort(spans.ready_s[:, 0], kind="stable")
    if len(order) <= len(_FEW):
        return to_rgba_array(_FEW)[: len(order)]
    colours = np.empty((len(order), 4))
    colours[order] = mpl.colormaps["viridis"](np.linspace(0.0, 0.96, len(order)))
    return colours


def draw_each(ax: Axes, spans: Spans, layout: Layout) -> None:
    """Draw every operation as a bar, and every transfer as a line."""
    colours = request_colours(spans)
    few = len(spans.node) <= MOST_LABELLED
    enter_y = [_line_y(spans, layout, j) + _BAR_TOP for j in range(len(layout.shown))]
    for j, shown in enumerate(layout.shown):
        for k in shown:
            here = np.flatnonzero(spans.node[:, j] == k)
            y = float(layout.node_y[j][k])
            _draw_bars(ax, spans, j, here, y, colours, few)
            if few:
                enter_y[j][here] = _draw_waiting(ax, spans, j, here, y, colours)
    if not few:
        _draw_queues(ax, spans, layout)
    if len(spans.node) > MOST_LINES:
        _draw_travelling(ax, spans, layout)
        return
    for j in range(len(layout.shown) - 1):
        leave_y = _line_y(spans, layout, j) + _BAR_BOTTOM
        _draw_transfers(ax, spans, j, leave_y, enter_y[j + 1], colours, few)


def draw_shares(ax: Axes, spans: Spans, layout: Layout) -> None:
    """Draw how busy each node is over time, how many wait, and how many are on their way."""
    edges = columns_s(spans.last_s, _COLUMNS)
    for j, shown in enumerate(layout.shown):
        for k in shown:
            here = spans.node[:, j] == k
            share = busy_share(spans.start_s[here, j], spans.end_s[here, j], edges)
            base = float(layout.node_y[j][k]) + _BAR_BOTTOM
            _area(ax, edges, share * (_BAR_BOTTOM - _BAR_TOP), base, BUSY)
    _draw_queues(ax, spans, layout)
    _draw_travelling(ax, spans, layout)


def _line_y(spans: Spans, layout: Layout, j: int) -> Floats:
    """Return the y of each request's node on tier j; NaN where it is not shown."""
    line: Floats = layout.node_y[j][spans.node[:, j]]
    return line


def _draw_bars(
    ax: Axes, spans: Spans, j: int, here: Ints, y: float, colours: Any, few: bool
) -> None:
    start_s, end_s = spans.start_s[here, j], spans.end_s[here, j]
    ax.broken_barh(
        list(zip(start_s.tolist(), (end_s - start_s).tolist(), strict=True)),
        (y + _BAR_TOP, _BAR_BOTTOM - _BAR_TOP),
        facecolors=colours[here],
        edgecolor="#ffffff" if few else "none",
        linewidth=0.5,
        alpha=0.5 if _overlap(start_s, end_s) else 1.0,
    )
    if not few:
        return
    for r, start, end in zip(here.tolist(), start_s, end_s, strict=True):
        if end - start > _LABEL * len(str(r)) * (spans.last_s or 1.0):
            dark = colours[r][:3] @ (0.299, 0.587, 0.114) < 0.55
            where = ((start + end) / 2, y + (_BAR_TOP + _BAR_BOTTOM) / 2)
            ax.text(*where, str(r), ha="center", va="center", fontsize=8,
                    color="#ffffff" if dark else INK)  # fmt: skip


def _overlap(start_s: Floats, end_s: Floats) -> bool:
    """Return whether a broken plan serves two at a time, rounding errors aside."""
    order = np.argsort(start_s, kind="stable")
    latest = np.maximum.accumulate(end_s[order])
    return bool(np.any(start_s[order][1:] < latest[:-1] - 1e-8 * np.abs(latest).max(initial=0.0)))


def _draw_waiting(ax: Axes, spans: Spans, j: int, here: Ints, y: float, colours: Any) -> Floats:
    """Draw a line for each who waits, in lanes above the bars; return where each one enters."""
    ready_s, start_s = spans.ready_s[here, j], spans.start_s[here, j]
    enter_y = np.full(len(here), y + _BAR_TOP)
    waits = [n for n in np.argsort(ready_s, kind="stable") if start_s[n] > ready_s[n]]
    lanes = _lanes(ready_s[waits], start_s[waits])
    step = (_BAR_TOP - _TOP) / (max(lanes, default=0) + 1)
    for n, lane in zip(waits, lanes, strict=True):
        enter_y[n] = y + _BAR_TOP - min(0.07 + 0.09 * lane, step * (lane + 0.6))
        colour = colours[here[n]]
        ax.plot([ready_s[n], start_s[n]], [enter_y[n]] * 2, color=colour, linewidth=1.6,
                linestyle=(0, (1, 0.7)))  # fmt: skip
        if j == 0:
            ax.plot(ready_s[n], enter_y[n], "o", color=colour, markersize=3)
    return enter_y


def _lanes(begin: Floats, end: Floats) -> list[int]:
    """Give each interval, in order of their beginnings, the first lane that is free."""
    free: list[float] = []
    lanes = []
    for start, stop in zip(begin, end, strict=True):
        lane = next((n for n, at in enumerate(free) if at <= start), len(free))
        free[lane : lane + 1] = [stop]
        lanes.append(lane)
    return lanes


def _draw_transfers(
    ax: Axes, spans: Spans, j: int, leave_y: Floats, enter_y: Floats, colours: Any, few: bool
) -> None:
    from matplotlib.collections import LineCollection

    seen = np.isfinite(leave_y) & np.isfinite(enter_y)
    leave = np.column_stack([spans.end_s[:, j], leave_y])
    enter = np.column_stack([spans.ready_s[:, j + 1], enter_y])
    lines = LineCollection(
        list(np.stack([leave, enter], axis=1)[seen]),
        colors=colours[seen],
        linewidths=1.1 if few else 0.5,
        alpha=0.9 if few else 0.35,
        zorder=0.9,  # behind the bars of other nodes
    )
    ax.add_collection(lines)


def _draw_travelling(ax: Axes, spans: Spans, layout: Layout) -> None:
    """Draw beneath each tier how many are on their way to the next one, all on one scale."""
    edges = columns_s(spans.last_s, _COLUMNS)
    travelling = [
        present(spans.end_s[:, j], spans.ready_s[:, j + 1], edges)
        for j in range(len(layout.shown) - 1)
    ]
    most = max((int(counts.max()) for counts in travelling), default=0)
    for j, counts in enumerate(travelling):
        base = layout.head_y[j + 1] - 0.42
        _area(ax, edges, counts * (GAP / max(most, 1)), base, TRAVELLING)


def _draw_queues(ax: Axes, spans: Spans, layout: Layout) -> None:
    """Draw above each node's bars how many wait for it, all nodes on one scale."""
    edges = columns_s(spans.last_s, _COLUMNS)
    scale = (_BAR_TOP - _TOP - 0.03) / max(most_waiting(spans, layout), 1)
    for (j, k), waiting in _queues(spans, layout).items():
        _area(ax, edges, waiting * scale, float(layout.node_y[j][k]) + _BAR_TOP - 0.02, WAITING)


def most_waiting(spans: Spans, layout: Layout) -> int:
    """Return the length of the longest queue at a node that is shown."""
    return max(int(waiting.max()) for waiting in _queues(spans, layout).values())


def _queues(spans: Spans, layout: Layout) -> dict[tuple[int, int], Ints]:
    """Return how many wait for each node (tier, node) that is shown, in each column of time."""
    edges = columns_s(spans.last_s, _COLUMNS)
    return {
        (j, k): present(spans.ready_s[here, j], spans.start_s[here, j], edges)
        for j, shown in enumerate(layout.shown)
        for k in shown
        for here in [spans.node[:, j] == k]
    }


def _area(ax: Axes, edges: Floats, heights: Any, base: float, colour: str) -> None:
    """Fill a staircase that stands on ``base``; y grows downwards."""
    if np.any(heights):
        tops = base - np.asarray(heights, dtype=float)
        ax.stairs(tops, edges, baseline=base, fill=True, color=colour, linewidth=0)
