"""`cold-start`: pictures with matplotlib, one per function, each on an ``ax`` of its own or yours.

Every phase has a colour that colour-blind people can tell apart and a hatch for print.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shardopt.axes import INK, QUIET, entitle, legend_above, name_rows, new_axes
from shardopt.cold_start.phases import KINDS, PhaseKind, phases
from shardopt.cold_start.show import headline, unused_devices
from shardopt.models.cold_start.data import Instance, Solution
from shardopt.models.cold_start.evaluate import StageTimes, timeline
from shardopt.units import aligned, printable, si

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOOK: dict[PhaseKind, dict[str, Any]] = {
    "load": {"facecolor": "#cfe3f3", "edgecolor": "#5b8db8", "hatch": "///"},
    "wait": {"facecolor": "#ffffff", "edgecolor": "#a3a3a3", "hatch": "..."},
    "receive": {"facecolor": "#f6b26b", "edgecolor": "#a85d00", "hatch": "xxx"},
    "compute": {"facecolor": "#1f4e79", "edgecolor": "#1f4e79", "hatch": ""},
}
_NAME_WIDTH = 24
_MOST_DEVICES = 60
"""Devices that the picture of an instance shows."""
_LEAST_BLOCK = 0.004
"""Blocks that take less than this share of the plan's time get no line between them."""


def figure_size(instance: Instance, solution: Solution | None) -> tuple[float, float]:
    """Return width and height in inches that suit the number of rows."""
    if solution is None:
        return 9.0, 1.9 + 0.34 * min(len(instance.devices), _MOST_DEVICES)
    row = 0.52 if instance.loading == "layerwise" else 0.40
    return 10.0, min(2.0 + row * len(solution.stages), 60.0)


def plot_gantt(instance: Instance, solution: Solution, ax: Axes | None = None) -> Axes:
    """Draw a plan as a Gantt chart: a row per stage, in pipeline order from the top.

    A thin line leads from the finish of each stage to the next one. In a layerwise plan the
    upper half of a row is loading, which goes on beside receiving and computing.
    """
    ax = new_axes(figure_size(instance, solution)) if ax is None else ax
    rows = timeline(instance, solution)
    layerwise = instance.loading == "layerwise"
    end = rows[-1].finish_s or 1.0
    for n, row in enumerate(rows):
        _draw_stage(ax, n, row, layerwise, end)
        _label_stage(ax, n, row, layerwise, end)
        if n:
            before = rows[n - 1].finish_s
            ax.plot([before, before], [n - 1 + 0.38, n - 0.38], color=QUIET, linewidth=0.8)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, 1.12 * end)
    labels = [f"{printable(row.device, _NAME_WIDTH)}  [{row.start}, {row.stop})" for row in rows]
    name_rows(ax, range(len(labels)), labels)
    unused = unused_devices(instance, solution)
    below = "\n".join(["seconds since the request", *textwrap.wrap(unused, 110)])
    ax.set_xlabel(below, color=INK, parse_math=False)
    _title(ax, instance, headline(instance, solution))
    present = {phase.kind for row in rows for phase in phases(row)}
    _legend(ax, [kind for kind in KINDS if kind in present])
    return ax


plot_solution = plot_gantt
"""The name that every problem's plots have for the picture of a plan."""


def plot_instance(instance: Instance, ax: Axes | None = None) -> Axes:
    """Draw the devices: the seconds that each takes to load and to compute the mean block.

    Beside each stands the share of the model that its memory holds.
    """
    ax = new_axes(figure_size(instance, None)) if ax is None else ax
    shown = instance.devices[:_MOST_DEVICES]
    count = len(instance.blocks)
    weights = sum(b.weight_bytes for b in instance.blocks)
    work = sum(b.flops for b in instance.blocks)
    longest = 0.0
    for n, device in enumerate(shown):
        load, compute = weights / count / device.load_bytes_per_s, work / count / device.flops_per_s
        ax.broken_barh([(0, load)], (n - 0.36, 0.36), **_LOOK["load"], linewidth=0.6)
        ax.broken_barh([(0, compute)], (n, 0.36), **_LOOK["compute"], linewidth=0.6)
        share = f" ({100 * device.memory_bytes / weights:.0f} % of the model)" if weights else ""
        ax.annotate(
            f"{si(device.memory_bytes, 'B')}{share}",
            (max(load, compute), n),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=QUIET,
        )
        longest = max(longest, load, compute)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, 1.35 * longest or 1.0)
    names = [printable(device.name, _NAME_WIDTH) for device in shown]
    name_rows(ax, range(len(shown)), names)
    ax.set_xlabel("seconds for a block of mean size; beside it, the device's memory", color=INK)
    hidden = len(instance.devices) - len(shown)
    more = f", the first {len(shown)} shown" if hidden else ""
    total = f"{si(weights, 'B')} of weights, {si(work, 'FLOP')}"
    _title(ax, instance, f"{count} blocks, {total}, {len(instance.devices)} devices{more}")
    _legend(ax, ("load", "compute"))
    return ax


def _draw_stage(ax: Axes, n: int, row: StageTimes, layerwise: bool, end: float) -> None:
    for kind in KINDS:
        spans = [(p.start_s, p.length_s) for p in phases(row) if p.kind == kind]
        if not spans:
            continue
        top, height = (n - 0.36, 0.72)
        if layerwise:
            top, height = (n - 0.36, 0.26) if kind == "load" else (n - 0.10, 0.46)
        ax.broken_barh(spans, (top, height), **_LOOK[kind], linewidth=0.6)
        if kind == "compute":
            lines = _block_ends(row, _LEAST_BLOCK * end)
            ax.vlines(lines, top + 0.06, top + height - 0.06, color="#ffffff", linewidth=0.5)


def _block_ends(row: StageTimes, least_s: float) -> list[float]:
    """Return where one block follows another at once, and both are wide enough to see."""
    pairs = itertools.pairwise(row.compute_s)
    return [
        a_end
        for (a_start, a_end), (b_start, b_end) in pairs
        if min(a_end - a_start, b_end - b_start) > least_s > b_start - a_end
    ]


def _label_stage(ax: Axes, n: int, row: StageTimes, layerwise: bool, end: float) -> None:
    ax.annotate(
        f"F{n + 1} = {aligned(row.finish_s, end)} s",
        (row.finish_s, n + (0.13 if layerwise else 0.0)),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=INK,
    )


def _title(ax: Axes, instance: Instance, text: str) -> None:
    name = printable(instance.name, 80)
    title = f"{name} ({instance.loading})\n{text}"
    entitle(ax, title)


def _legend(ax: Axes, kinds: Sequence[PhaseKind]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(**_LOOK[kind], linewidth=0.6, label=kind) for kind in kinds]
    legend_above(ax, handles)
