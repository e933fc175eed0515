"""`replica-clustering`: pictures with matplotlib, one each, on an ``ax`` of its own or yours.

Every kind of time has a colour that colour-blind people can tell apart and a hatch for print.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from shardopt.axes import ALARM, INK, QUIET, entitle, legend_above, name_rows, new_axes
from shardopt.models.replica_clustering.data import TOLERANCE, Instance, Role, Solution
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
from shardopt.replica_clustering.show import blocks_held, headline, links_text, request_s
from shardopt.units import aligned, printable, si

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind = Literal["prefill", "decode", "head", "hop", "alone"]

_LOOK: dict[Kind, dict[str, Any]] = {
    "prefill": {"facecolor": "#f6b26b", "edgecolor": "#a85d00", "hatch": ""},
    "decode": {"facecolor": "#1f4e79", "edgecolor": "#1f4e79", "hatch": ""},
    "head": {"facecolor": "#ffffff", "edgecolor": "#6b6b6b", "hatch": "////"},
    "hop": {"facecolor": "#d9d9d9", "edgecolor": "#8c8c8c", "hatch": "xxx"},
    "alone": {"facecolor": "#cfe3f3", "edgecolor": "#5b8db8", "hatch": "///"},
}
_NAME_WIDTH = 24
_TITLE_LENGTH = 105
_MOST_STAGES = 60
"""Stages that the picture of a plan shows, and devices that the picture of an instance shows."""


def figure_size(instance: Instance, solution: Solution | None) -> tuple[float, float]:
    """Return width and height in inches that suit the number of rows."""
    if solution is None:
        return 9.5, 2.0 + 0.42 * min(len(instance.devices), _MOST_STAGES)
    shown = first_rows(replica_rows(instance, solution), _MOST_STAGES)
    lines = sum(1 + len(row.stages) for row in shown)
    return 10.0, min(2.2 + 0.34 * lines, 60.0)


def plot_replicas(instance: Instance, solution: Solution, ax: Axes | None = None) -> Axes:
    """Draw a plan: the stages of each replica under its title, in pipeline order.

    Bars are in proportion to the replica's T, the dashed line, which one of them reaches: a
    stage, blocks first and then the head, or the narrow bar of a hop to the next stage.
    """
    ax = new_axes(figure_size(instance, solution)) if ax is None else ax
    rows = replica_rows(instance, solution)
    shown = first_rows(rows, _MOST_STAGES)
    labels: list[tuple[float, str]] = []
    line = 0
    for row in shown:
        _write(ax, 0.0, line + 0.15, replica_title(row), INK, weight="bold", aside=0)
        for k, stage in enumerate(row.stages):
            _draw_stage(ax, line + 1 + k, row, stage)
            master = " *" if stage.is_master else ""
            name = f"{printable(stage.device, _NAME_WIDTH)}{master}  [{stage.start}, {stage.stop})"
            labels.append((line + 1 + k, name))
        ax.plot([1, 1], [line + 0.55, line + len(row.stages) + 0.45], "--", color=QUIET, lw=0.9)
        line += 1 + len(row.stages)
    ax.set_ylim(line - 0.3, -0.6)
    ax.set_xlim(0, 1.3)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "", "T/2", "", "T"])
    name_rows(ax, [at for at, _ in labels], [text for _, text in labels])
    notes = ["* the master, which has the head", hidden_text(rows, shown)]
    notes.append(unused_text(instance, solution))
    below = [part for note in notes if note for part in textwrap.wrap(note, 110)]
    label = "\n".join(["time of each stage in its replica's T", *below])
    ax.set_xlabel(label, color=INK, fontsize=9, parse_math=False)
    _title(ax, instance, f"{headline(instance, solution)}\n{phases_text(rows)}")
    _legend(ax, [(kind, kind) for kind in _kinds(shown)])
    return ax


plot_solution = plot_replicas
"""The name that every problem's plots have for the picture of a plan."""


def plot_instance(instance: Instance, ax: Axes | None = None) -> Axes:
    """Draw the devices: a block's seconds per request, in prefill, decoding alone and in a batch.

    Beside each stands its memory, and how many blocks' weights that holds.
    """
    ax = new_axes(figure_size(instance, None)) if ax is None else ax
    shown = instance.devices[:_MOST_STAGES]
    most = instance.workload.max_batch
    kinds: list[tuple[Kind, str]] = [("prefill", "prefill"), ("alone", "decode, q = 1")]
    if most > 1:
        kinds.append(("decode", f"decode, one of q = {most}"))
    height, longest = 0.78 / len(kinds), 0.0
    for n, device in enumerate(shown):
        times = request_s(instance, device)[: len(kinds)]
        for k, (time_s, (kind, _)) in enumerate(zip(times, kinds, strict=True)):
            top = n - 0.39 + k * height
            ax.broken_barh([(0, time_s)], (top, height), **_LOOK[kind], linewidth=0.6)
        held = f"{blocks_held(instance, device)} of {instance.model.blocks} blocks"
        _write(ax, max(times), n, f"{si(device.memory_bytes, 'B')}: {held}", QUIET)
        longest = max(longest, *times)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, 1.35 * longest)
    name_rows(ax, range(len(shown)), [printable(d.name, _NAME_WIDTH) for d in shown])
    ax.set_xlabel("seconds per request and block; beside it, the device's memory", color=INK)
    hidden = len(instance.devices) - len(shown)
    more = f", the first {len(shown)} shown" if hidden else ""
    asked = instance.workload
    tokens = f"{asked.input_tokens:g} tokens in, {asked.output_tokens:g} out"
    text = f"{len(instance.devices)} devices{more}; {tokens}; {links_text(instance)}"
    _title(ax, instance, text)
    _legend(ax, kinds)
    return ax


def _draw_stage(ax: Axes, line: int, row: ReplicaRow, stage: StageRow) -> None:
    blocks, head = stage.blocks_s / row.slowest_s, stage.head_s / row.slowest_s
    role: Role = row.role
    ax.broken_barh([(0, blocks)], (line - 0.36, 0.56), **_LOOK[role], linewidth=0.6)
    if head:
        ax.broken_barh([(blocks, head)], (line - 0.36, 0.56), **_LOOK["head"], linewidth=0.6)
    if stage.hop_s:
        hop = stage.hop_s / row.slowest_s
        ax.broken_barh([(0, hop)], (line + 0.26, 0.2), **_LOOK["hop"], linewidth=0.6)
    total_s = stage.blocks_s + stage.head_s
    over = stage.memory_share > 1 + TOLERANCE
    text = f"{aligned(total_s, row.slowest_s)} s, {100 * stage.memory_share:.0f} % memory"
    _write(ax, max(1.0, blocks + head), line - 0.08, text, ALARM if over else INK)


def _write(
    ax: Axes, x: float, y: float, text: str, color: str, weight: str = "normal", aside: int = 5
) -> None:
    ax.annotate(
        text,
        (x, y),
        xytext=(aside, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=color,
        fontweight=weight,
    )


def _kinds(shown: Sequence[ReplicaRow]) -> list[Kind]:
    """Return what the picture has bars of."""
    stages = [stage for row in shown for stage in row.stages]
    kinds: list[Kind] = [*dict.fromkeys(row.role for row in shown)]
    kinds += ["head"] if any(stage.head_s for stage in stages) else []
    return kinds + (["hop"] if any(stage.hop_s for stage in stages) else [])


def _title(ax: Axes, instance: Instance, text: str) -> None:
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, _TITLE_LENGTH)]
    entitle(ax, "\n".join([printable(instance.name, 80), *lines]))


def _legend(ax: Axes, kinds: Sequence[tuple[Kind, str]]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(**_LOOK[kind], linewidth=0.6, label=label) for kind, label in kinds]
    legend_above(ax, handles)
