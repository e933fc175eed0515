"""`cold-start`: a plan as a Gantt chart made of characters."""

from __future__ import annotations

from rich.text import Text

from shardopt.cold_start.phases import KINDS, Phase, PhaseKind, phases
from shardopt.models.cold_start.evaluate import StageTimes
from shardopt.ruler import time_axis
from shardopt.units import aligned, printable

MARK: dict[PhaseKind, str] = {"load": "░", "wait": "·", "receive": "»", "compute": "█"}
STYLE: dict[PhaseKind, str] = {
    "load": "cyan",
    "wait": "dim",
    "receive": "yellow",
    "compute": "blue",
}
_NAME_WIDTH = 20
_LEAST_BAR = 10


def gantt_text(rows: tuple[StageTimes, ...], layerwise: bool, width: int) -> Text:
    """Return the chart: a line per stage, or two where loading goes on beside the computing."""
    names = [printable(row.device, _NAME_WIDTH) for row in rows]
    digits = len(str(rows[-1].stop))
    runs = [f"[{row.start:>{digits}}, {row.stop:>{digits}})" for row in rows]
    finishes = [f"{aligned(row.finish_s, rows[-1].finish_s)} s" for row in rows]
    margin = max(map(len, names)) + len(runs[0]) + 4
    columns = max(_LEAST_BAR, width - margin - max(map(len, finishes)) - 2)
    span = rows[-1].finish_s
    chart = Text(no_wrap=True, overflow="crop")
    chart.append(time_axis(span, columns, margin))
    for row, name, run, finish in zip(rows, names, runs, finishes, strict=True):
        chart.append(f"{name:<{margin - len(run) - 2}}{run}  ")
        lanes = _lanes(phases(row), layerwise)
        for number, lane in enumerate(lanes):
            chart.append(" " * margin if number else "")
            chart.append_text(_bar(lane, span, columns))
            chart.append(f" {finish}\n" if number == len(lanes) - 1 else "\n")
    return chart


def legend() -> Text:
    """Return what the characters mean."""
    line = Text()
    for kind in KINDS:
        line.append(MARK[kind] * 2, style=STYLE[kind])
        line.append(f" {kind}   ")
    return line


def _lanes(found: list[Phase], layerwise: bool) -> list[list[Phase]]:
    if not layerwise:
        return [found]
    loading = [phase for phase in found if phase.kind == "load"]
    return [loading, [phase for phase in found if phase.kind != "load"]]


def _bar(lane: list[Phase], span: float, columns: int) -> Text:
    """Return the lane's characters. Every phase gets at least one, however short it is."""
    cells: list[PhaseKind | None] = [None] * columns
    scale = columns / span if span > 0 else 0.0
    by_length = sorted(lane, key=lambda p: -p.length_s)  # the shortest are drawn last, on top
    for phase in by_length:
        first = min(round(phase.start_s * scale), columns - 1)
        last = max(round(phase.end_s * scale), first + 1)
        cells[first:last] = [phase.kind] * (last - first)
    bar = Text()
    used = max((i + 1 for i, kind in enumerate(cells) if kind), default=0)
    for kind in cells[:used]:
        bar.append(MARK[kind] if kind else " ", style=STYLE[kind] if kind else "")
    return bar
