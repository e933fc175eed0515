"""`block-placement`: pictures with matplotlib, one each, on an ``ax`` of its own or yours.

Routes have colours that colour-blind people can tell apart, and numbers for print.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from shardopt.axes import ALARM, INK, QUIET, entitle, legend_above, name_rows, new_axes
from shardopt.block_placement.layout import Ride, Row, Span, by_server, main_rides, rides, rows
from shardopt.block_placement.map_text import run_label
from shardopt.block_placement.show import (
    headline,
    listed,
    notes,
    path_text,
    server_kinds,
    time_unit,
)
from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.evaluate import step_s
from shardopt.models.block_placement.tables import make_tables
from shardopt.units import aligned, printable, si

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Affine2DBase

Kind = Literal["run", "hosted", "weights", "cache", "free", "round trip", "compute"]

_LOOK: dict[Kind, dict[str, Any]] = {
    "run": {"facecolor": "#c3d7e8", "edgecolor": "#7d9db8", "hatch": ""},
    "hosted": {"facecolor": "#f3f3f3", "edgecolor": "#b5b5b5", "hatch": "////"},
    "weights": {"facecolor": "#1f4e79", "edgecolor": "#1f4e79", "hatch": ""},
    "cache": {"facecolor": "#f6b26b", "edgecolor": "#a85d00", "hatch": "xxx"},
    "free": {"facecolor": "#ffffff", "edgecolor": "#a3a3a3", "hatch": ""},
    "round trip": {"facecolor": "#f6b26b", "edgecolor": "#a85d00", "hatch": "xxx"},
    "compute": {"facecolor": "#1f4e79", "edgecolor": "#1f4e79", "hatch": ""},
}
_MEANING: dict[Kind, str] = {
    "run": "hosted and run",
    "hosted": "hosted, run by no session",
    "cache": "cache in use",
}
_PATHS = (
    "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#8c510a",
    "#56b4e9", "#7b3294", "#e69f00", "#444444", "#66a61e",
)  # fmt: skip
_MOST_LINES = 48
"""Servers that the map shows before it puts several on one line."""
_MOST_KINDS = 60
"""Kinds of servers that the picture of an instance shows."""
_MOST_STEPS = 5
_LINE_LENGTH = 150


def figure_size(instance: Instance, solution: Solution | None) -> tuple[float, float]:
    """Return width and height in inches that suit the number of rows."""
    if solution is None:
        return 9.0, 2.1 + 0.34 * min(len(server_kinds(instance)), _MOST_KINDS)
    lines = len(rows(instance, solution, _MOST_LINES))
    return 11.0, 2.4 + 0.32 * lines + 0.2 * min(len(solution.routes), len(_PATHS))


def plot_map(instance: Instance, solution: Solution, ax: Axes | None = None) -> Axes:
    """Draw a plan as a map, servers over blocks, with the routes on it and the memory beside it.

    A route is a line through the blocks that each server runs for its sessions; the more
    sessions, the thicker. Beneath the map stands what each of them pays.
    """
    ax = new_axes(figure_size(instance, solution)) if ax is None else ax
    lines = rows(instance, solution, _MOST_LINES)
    found = rides(instance, solution)
    shown = main_rides(found, len(_PATHS))
    for n, row in enumerate(lines):
        _draw_runs(ax, n, "hosted", row.hosted)
        _draw_runs(ax, n, "run", row.used)
    places = by_server(lines)
    for number, ride in enumerate(shown):
        _draw_path(ax, ride, places, number, len(shown), instance.block_count)
    ax.set_xlim(-0.01 * instance.block_count, 1.01 * instance.block_count)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    names = [f"{row.name}  {run_label(row.hosted)}" for row in lines]
    name_rows(ax, range(len(lines)), names, fontsize=8)
    below = itertools.chain.from_iterable(
        textwrap.wrap(note, _LINE_LENGTH) for note in notes(instance, solution, found, shown)
    )
    label = "\n".join(["blocks", *below])
    ax.set_xlabel(label, color=INK, fontsize=9, parse_math=False)
    _title(ax, instance, headline(instance, solution))
    _legend(ax, ("run", "hosted", "weights", "cache", "free"))
    _draw_memory(ax, lines)
    _path_legend(ax, instance, shown, label.count("\n"))
    return ax


plot_solution = plot_map
"""The name that every problem's plots have for the picture of a plan."""


def plot_instance(instance: Instance, ax: Axes | None = None) -> Axes:
    """Draw the servers: what a session waits for that runs as many blocks there as help.

    Servers that are equal in all but name and distance share a row; round trips are means.
    """
    ax = new_axes(figure_size(instance, None)) if ax is None else ax
    most = make_tables(instance).U
    kinds = server_kinds(instance)
    shown = kinds[:_MOST_KINDS]
    longest = 0.0
    for n, kind in enumerate(shown):
        server, blocks = instance.servers[kind[0]], int(most[kind[0]])
        trip = _mean_step_s(instance, kind, 0)
        compute = _mean_step_s(instance, kind, blocks) - trip
        ax.broken_barh([(0, trip)], (n - 0.36, 0.72), **_LOOK["round trip"], linewidth=0.6)
        ax.broken_barh([(trip, compute)], (n - 0.36, 0.72), **_LOOK["compute"], linewidth=0.6)
        ax.annotate(
            f"{si(server.memory_bytes, 'B')}: {blocks} of {instance.block_count} blocks",
            (trip + compute, n),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=QUIET,
        )
        longest = max(longest, trip + compute)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, 1.4 * longest or 1.0)
    names = [[printable(instance.servers[j].name, 16) for j in kind] for kind in shown]
    labels = [n[0] if len(n) == 1 else f"{n[0]} +{len(n) - 1}" for n in names]
    name_rows(ax, range(len(labels)), labels, fontsize=8)
    ax.set_xlabel(
        f"seconds per {time_unit(instance)} for a session that runs as many blocks there as fit"
        " with its cache",
        color=INK,
    )
    hidden = len(kinds) - len(shown)
    more = f", the first {len(shown)} kinds shown" if hidden else ""
    clients = listed([printable(client.name, 16) for client in instance.clients])
    text = f"{len(instance.servers)} servers{more}; {instance.session_count} sessions of {clients}"
    _title(ax, instance, text)
    _legend(ax, ("round trip", "compute"))
    return ax


def _mean_step_s(instance: Instance, kind: Sequence[int], blocks: int) -> float:
    """Return h_c(j, k), the mean over the sessions of all clients and the servers of a kind."""
    total = sum(
        client.sessions * step_s(instance, c, j, blocks)
        for c, client in enumerate(instance.clients)
        for j in kind
    )
    return total / len(kind) / instance.session_count


def _draw_runs(ax: Axes, n: int, kind: Kind, spans: Sequence[Span]) -> None:
    bars = [(span.start, span.stop - span.start) for span in spans]
    ax.broken_barh(bars, (n - 0.4, 0.8), **_LOOK[kind], linewidth=0.5)


def _draw_path(
    ax: Axes, ride: Ride, places: Mapping[str, int], number: int, count: int, block_count: int
) -> None:
    """Draw a line through the rows; routes are a little apart, so that none hides another."""
    aside = (number + 0.5) / count - 0.5
    across = 0.012 * block_count * aside
    x: list[float] = []
    y: list[float] = []
    for server, start, stop in ride.steps:
        x += [start + across, stop + across]
        y += [places[server] + 0.6 * aside] * 2
    x[0], x[-1] = 0.0, float(block_count)
    color = _PATHS[number]
    ax.plot(x, y, color=color, linewidth=_thickness(ride), solid_joinstyle="round", zorder=3)
    ax.annotate(
        str(number + 1),
        (0.0, y[0]),
        ha="center",
        va="center",
        fontsize=7,
        color="#ffffff",
        zorder=4,
        bbox={"boxstyle": "circle,pad=0.2", "facecolor": color, "edgecolor": "#ffffff"},
    )


def _thickness(ride: Ride) -> float:
    return 1.0 + 0.6 * min(len(str(ride.sessions)), 4)


def _draw_memory(ax: Axes, lines: Sequence[Row]) -> None:
    """Draw beside the map how full each row's memory is, on axes of their own."""
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    # Inches from the right edge: a layout engine that makes room cannot chase its own tail.
    edge = ScaledTranslation(1, 0, cast("Affine2DBase", ax.transAxes))
    place = blended_transform_factory(ax.figure.dpi_scale_trans + edge, ax.transAxes)
    side = ax.inset_axes((0.15, 0, 1.4, 1), transform=place)
    labels = []
    for n, row in enumerate(lines):
        weights, full = min(row.weights, 1.0), min(row.weights + row.cache, 1.0)
        side.barh(n, weights, 0.72, **_LOOK["weights"], linewidth=0.5)
        side.barh(n, full - weights, 0.72, weights, **_LOOK["cache"], linewidth=0.5)
        side.barh(n, 1 - full, 0.72, full, **_LOOK["free"], linewidth=0.5)
        used = f"{100 * (row.weights + row.cache):.0f} % of {si(row.memory_bytes, 'B')}"
        labels.append(f"{used}, {row.sessions} session{'' if row.sessions == 1 else 's'}")
    side.set_ylim(ax.get_ylim())
    side.yaxis.tick_right()
    side.set_yticks(range(len(lines)), labels, fontsize=8)
    for label, row in zip(side.get_yticklabels(), lines, strict=True):
        label.set_color(ALARM if row.exceeded else INK if row.sessions else QUIET)
    side.set_xlim(0, 1)
    side.set_xticks([0, 0.5, 1], ["0", "50", "100 %"], fontsize=8)
    side.set_xlabel("memory", color=INK, fontsize=9)
    side.tick_params(axis="y", length=0)
    for name in ("top", "right", "left"):
        side.spines[name].set_visible(False)


def _path_legend(ax: Axes, instance: Instance, shown: Sequence[Ride], notes_above: int) -> None:
    """Write beneath the map what the sessions on each route pay, and where they pass."""
    from matplotlib.lines import Line2D
    from matplotlib.transforms import ScaledTranslation

    most = max(ride.time_s for ride in shown)
    handles = []
    for number, ride in enumerate(shown):
        total, trips, compute = (
            aligned(t, most) for t in (ride.time_s, ride.round_trips_s, ride.compute_s)
        )
        text = (
            f"{number + 1}  {ride.sessions} x {printable(ride.client, 16)}: "
            f"{total} s per {time_unit(instance)} = {trips} round trips + {compute} compute;  "
            f"{path_text(ride, _MOST_STEPS)}"
        )
        line = Line2D([], [], color=_PATHS[number], linewidth=_thickness(ride))
        line.set_label(printable(text, _LINE_LENGTH))
        handles.append(line)
    inches = 0.5 + 0.15 * notes_above  # beneath the ticks and their label
    legend = ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=ax.transAxes + ScaledTranslation(0, -inches, ax.figure.dpi_scale_trans),
        borderaxespad=0,
        frameon=False,
        fontsize=8,
        labelspacing=0.3,
    )
    for words in legend.get_texts():
        words.set_parse_math(False)


def _title(ax: Axes, instance: Instance, text: str) -> None:
    name = printable(instance.name, 80)
    entitle(ax, f"{name} ({instance.cost})\n{text}")


def _legend(ax: Axes, kinds: Sequence[Kind]) -> None:
    """Add the legend above the axes, as one of several."""
    from matplotlib.patches import Patch

    handles = [Patch(**_LOOK[k], linewidth=0.6, label=_MEANING.get(k, k)) for k in kinds]
    ax.add_artist(legend_above(ax, handles))
