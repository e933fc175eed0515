"""Pictures of what policies did with requests over time: a column for each policy.

Made of the ``timeline`` that `shardopt.simulate` returns beside the metrics of each policy, so
they are as large for a million requests as for a thousand.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shardopt.models.requests import FloatArray
from shardopt.show import page, rendered, write_as
from shardopt.units import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _QUIET, _ALARM = "#1a1a1a", "#6b6b6b", "#c00000"
_IN_SYSTEM, _WAITING, _MEDIAN = "#c3d7e8", "#f6b26b", "#1f4e79"
_MOST_NODES = 30
_UNITS = ((1.0, "s"), (60.0, "min"), (3600.0, "h"), (86400.0, "days"))
_STEPS = "▁▂▃▄▅▆▇█"


def write_timelines(path: str | Path, found: dict[str, Any]) -> None:
    """Write a picture of what `shardopt.simulate` returned: ``.txt .svg .png .html``."""

    def drawn(kind: str) -> bytes:
        words = "".join(line + "\n" for line in [heading(found), *timeline_lines(found, 100)])
        if kind == "txt":
            return words.encode()
        picture = rendered(
            figure_size(found),
            lambda figure: plot_timelines(found, figure),
            kind.replace("html", "svg"),
        )
        return picture if kind != "html" else page(found["instance"], picture, words)

    write_as(path, drawn)


def figure_size(found: dict[str, Any]) -> tuple[float, float]:
    """Return width and height in inches that suit the numbers of policies and nodes."""
    policies = found["policies"]
    nodes = len(_nodes(policies)[0])
    return 1.2 + 4.2 * max(2, len(policies)), 6.2 + 0.2 * nodes


def plot_timelines(found: dict[str, Any], figure: Figure | None = None) -> Figure:
    """Draw requests in the system, waits, and how busy the nodes were; a column per policy."""
    if figure is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=figure_size(found), layout="constrained")
    policies = found["policies"]
    shown, note = _nodes(policies)
    heights = (2.2, 2.2, 0.5 + 0.2 * len(shown))
    grid = figure.subplots(
        3, len(policies), sharey="row", squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    first_s, last_s = _span(policies)
    unit_s, unit = next((u for u in reversed(_UNITS) if last_s - first_s >= 5 * u[0]), _UNITS[0])
    for (name, metrics), (top, middle, bottom) in zip(policies.items(), grid.T, strict=True):
        _draw_system(top, metrics["timeline"], unit_s)
        _draw_waits(middle, metrics["timeline"], unit_s)
        for over_time in (top, middle):
            over_time.set_xlim(first_s / unit_s, last_s / unit_s)
        middle.set_xlabel(f"time (waits: time of arrival), {unit}", fontsize=9, color=_INK)
        _draw_nodes(bottom, metrics["utilisation"], shown)
        _title(top, f"{printable(name, 40)}\n{_summary(metrics)}", 10)
    for axes, label in zip(grid[:, 0], ("requests", "wait, s", ""), strict=True):
        axes.set_ylabel(label, color=_INK, fontsize=9)
    for axes in grid[:2, 0]:
        axes.set_ylim(bottom=0)
    grid[2, 0].set_xlabel("\n".join(["utilisation", *note]), color=_INK, fontsize=9)
    _legend(grid[0, 0], grid[1, 0])
    figure.suptitle(
        "\n".join(textwrap.wrap(heading(found), 60 * max(2, len(policies)))),
        x=0.01,
        ha="left",
        fontsize=11,
        color=_INK,
        parse_math=False,
    )
    return figure


def heading(found: dict[str, Any]) -> str:
    """Return what was simulated."""
    arrivals = found["arrivals"]
    form = printable(Path(arrivals["form"]).name, 40)
    name = printable(found["instance"], 60)
    return f"{name}: {arrivals['requests']} requests, {form}, seed {found['seed']}"


def timeline_lines(found: dict[str, Any], width: int) -> list[str]:
    """Return two lines of text per policy: those in the system, and those who wait."""
    policies = found["policies"]
    labels = [printable(name, 24) for name in policies]
    indent = max(map(len, labels))
    columns = np.linspace(*_span(policies), max(10, width - indent - 26) + 1)
    rows = [
        (text, what, _maxima(metrics["timeline"], key, columns))
        for label, metrics in zip(labels, policies.values(), strict=True)
        for text, what, key in ((label, "in system", "in_system"), ("", "waiting", "waiting"))
    ]
    most = max(max(values) for _, _, values in rows)
    return [
        f"{label:{indent}} {what:9} {_sparkline(values, most)} up to {max(values):.3g}"
        for label, what, values in rows
    ]


def _maxima(over_time: dict[str, Any], key: str, columns_s: FloatArray) -> list[float]:
    """Return the largest mean of the spans that each column touches, 0 after the last."""
    edges, values = np.array(over_time["edges_s"]), np.array(over_time[key])
    first = np.searchsorted(edges, columns_s[:-1], side="right") - 1
    last = np.searchsorted(edges, columns_s[1:], side="left")
    return [float(values[a:b].max(initial=0.0)) for a, b in zip(first, last, strict=True)]


def _sparkline(values: Sequence[float], most: float) -> str:
    """Return a character per value; a blank is nothing at all."""
    top = len(_STEPS) - 1
    return "".join(
        " " if value <= 1e-9 else _STEPS[min(top, int(value / most * len(_STEPS)))]
        for value in values
    )


def _summary(metrics: dict[str, Any]) -> str:
    if not metrics["completed"]:
        return f"{metrics['rejected']} rejected"
    wait = f"wait {metrics['wait_mean_s']:.4g} s, p99 {metrics['wait_p99_s']:.4g} s"
    lost = f"; {metrics['rejected']} rejected" if metrics["rejected"] else ""
    return f"{wait}; most at a time {metrics['max_concurrent']}{lost}"


def _nodes(policies: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the nodes that are shown, all or the busiest, and what there is to say of that."""
    used = [metrics["utilisation"] for metrics in policies.values()]
    names = list(used[0])
    if len(names) <= _MOST_NODES:
        return names, []
    busiest = set(sorted(names, key=lambda name: -max(u[name] for u in used))[:_MOST_NODES])
    shown = [name for name in names if name in busiest]
    return shown, [f"the busiest {_MOST_NODES} of {len(names)}"]


def _span(policies: dict[str, Any]) -> tuple[float, float]:
    """Return when the first request arrives, and when the last one has left, by any policy."""
    edges = [metrics["timeline"]["edges_s"] for metrics in policies.values()]
    last_s = max(e[-1] for e in edges)
    return edges[0][0], max(last_s, edges[0][0] + 1e-6)


def _draw_system(ax: Axes, over_time: dict[str, Any], unit_s: float) -> None:
    edges = np.array(over_time["edges_s"]) / unit_s
    ax.stairs(over_time["in_system"], edges, fill=True, color=_IN_SYSTEM)
    ax.stairs(over_time["in_system"], edges, color=_MEDIAN, linewidth=0.8)
    ax.stairs(over_time["waiting"], edges, fill=True, facecolor=_WAITING, edgecolor="#a85d00")
    lost = ((edges[1:] + edges[:-1]) / 2)[np.array(over_time["rejected"]) > 0]
    if lost.size:  # nothing that is not clipped would upset the layout
        ax.plot(lost, np.zeros(lost.size), "x", color=_ALARM, markersize=5, clip_on=False)
    _finish(ax, "y")


def _draw_waits(ax: Axes, over_time: dict[str, Any], unit_s: float) -> None:
    points, running = over_time["points"], over_time["running"]
    arrival = np.array(points["arrival_s"]) / unit_s
    ax.plot(arrival, points["wait_s"], ".", color=_QUIET, markersize=3, alpha=0.5)
    middle = np.array(running["arrival_s"]) / unit_s
    ax.plot(middle, running["p95_s"], color="#a85d00", linewidth=1.4)
    ax.plot(middle, running["p50_s"], color=_MEDIAN, linewidth=1.4)
    if not any(points["wait_s"]):
        ax.set_ylim(0, max(1.0, ax.get_ylim()[1]))
    _finish(ax, "y")


def _draw_nodes(ax: Axes, utilisation: dict[str, float], shown: Sequence[str]) -> None:
    percent = [100 * utilisation[name] for name in shown]
    ax.barh(range(len(shown)), [100] * len(shown), 0.7, color="#f3f3f3")
    ax.barh(range(len(shown)), percent, 0.7, color=_MEDIAN)
    for n, value in enumerate(percent):
        ax.annotate(
            f"{value:.0f} %",
            (min(value, 100.0), n),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=_INK,
        )
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, 115)
    ax.set_xticks([0, 50, 100], ["0", "50", "100 %"])
    # parse_math: a name may contain dollar signs.
    names = [printable(name, 20) for name in shown]
    ax.set_yticks(range(len(shown)), names, parse_math=False, fontsize=8, color=_INK)
    ax.tick_params(axis="y", length=0)
    _finish(ax, "x")


def _finish(ax: Axes, grid: str) -> None:
    ax.grid(axis="y" if grid == "y" else "x", color="#d9d9d9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _title(ax: Axes, text: str, size: int) -> None:
    ax.set_title(text, loc="left", parse_math=False, fontsize=size, color=_INK)


def _legend(system: Axes, waits: Axes) -> None:
    """Say on the first column what the colours are."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    areas = [
        Patch(facecolor=_IN_SYSTEM, edgecolor=_MEDIAN, label="in the system"),
        Patch(facecolor=_WAITING, edgecolor="#a85d00", label="of them waiting"),
    ]
    lines = [
        Line2D([], [], color=_QUIET, marker=".", linestyle="", label="a request"),
        Line2D([], [], color=_MEDIAN, label="running median"),
        Line2D([], [], color="#a85d00", label="95th percentile"),
    ]
    for ax, handles in ((system, areas), (waits, lines)):
        ax.legend(handles=handles, loc="upper right", fontsize=7, framealpha=0.85)
