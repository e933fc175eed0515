"""Pictures of a study with matplotlib, one per function, each on an ``ax`` of its own or yours.

A solver has one colour and one line style in all pictures of a study: pass the same `looks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from shardopt.study import metrics
from shardopt.units import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, QUIET, GRID = "#1a1a1a", "#6b6b6b", "#d9d9d9"
COLOURS = (
    "#1f6fb4",
    "#d1541b",
    "#1b8a5a",
    "#a3459b",
    "#a87900",
    "#5b5bd6",
    "#c2284b",
    "#3f7f8c",
)
"""Told apart by colour-blind people and dark enough for thin lines on white."""
LINES = ("-", (0, (5, 2)), (0, (1.2, 1.6)), (0, (6, 2, 1.2, 2)))
SMALL_GAP = 1e-3
"""Gaps below this are drawn on a linear scale, so that 0 has a place beside the large ones."""
_TICKS = {0.0: "0", 1e-3: "0.1 %", 1e-2: "1 %", 1e-1: "10 %", 0.3: "30 %", 1.0: "100 %"}
_MOST_SIZES = 10
_STEPS = 160
_NAME_WIDTH = 26


class Look(NamedTuple):
    """How a solver is drawn: its number among the solvers, its colour and its line."""

    number: int
    colour: str
    line: Any


Looks = Mapping[str, Look]


def looks_of(solvers: Iterable[str]) -> dict[str, Look]:
    """Return how each of these solvers is drawn: when the colours are used up, lines change."""
    looks = {}
    for n, solver in enumerate(solvers):
        line = LINES[n // len(COLOURS) % len(LINES)]
        looks[solver] = Look(n, COLOURS[n % len(COLOURS)], line)
    return looks


def plot_performance_profile(
    costs: pd.DataFrame,
    ax: Axes | None = None,
    *,
    what: str = "cost",
    looks: Looks | None = None,
    legend: bool = True,
) -> Axes:
    """Draw on which share of the instances each solver is within a factor of the best one.

    Parameters
    ----------
    costs
        A row per instance, a column per solver: `metrics.plan_costs` or `metrics.proof_times`.
    what
        What is compared, for the axis.
    """
    ax = _axes() if ax is None else ax
    looks = looks_of(costs.columns) if looks is None else looks
    profile = metrics.performance_profile(costs)
    last = float(profile.index[-1])
    # A wide range of factors needs a logarithm; both ends get room for the first and last step.
    wide = last > 4
    end = last**1.05 if wide else max(1.1, last + 0.05 * (last - 1))
    for solver in costs.columns:
        x, y = [*profile.index, end], [*profile[solver], profile[solver].iloc[-1]]
        _line(ax, x, y, solver, looks, drawstyle="steps-post")
    ax.set_xscale("log" if wide else "linear")
    ax.set_xlim(1.0, end)
    ax.set_ylim(-0.02, 1.02)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25 %", "50 %", "75 %", "100 %"])
    if wide:
        _plain_log_ticks(ax, 1.0, end)
    _finish(ax, f"{what}, as a multiple of the best", "share of instances", legend)
    return ax


def plot_gap_against_size(
    frame: pd.DataFrame,
    size: str,
    ax: Axes | None = None,
    *,
    column: str = "gap_to_bound",
    looks: Looks | None = None,
    legend: bool = True,
) -> Axes:
    """Draw the gap of each instance over its size, and a line through the medians.

    Parameters
    ----------
    size
        A column of the frame, e.g. ``size_devices``. Sizes of many values are put into ten
        classes with equally many instances.
    """
    ax = _axes() if ax is None else ax
    looks = looks_of(frame["solver"].unique()) if looks is None else looks
    sizes = frame.groupby("sha256")[size].first()
    groups = sizes
    if sizes.nunique() > _MOST_SIZES:
        classes = pd.qcut(sizes, _MOST_SIZES, labels=False, duplicates="drop")
        groups = classes.map(sizes.groupby(classes).median())
    gaps = metrics.by_instance(frame, column)
    for solver in gaps.columns:
        values = gaps[solver].dropna()
        medians = values.groupby(groups.reindex(values.index)).median()
        look = looks[solver]
        points = sizes.reindex(values.index)
        (dots,) = ax.plot(points, values, "o", color=look.colour, alpha=0.35, markersize=2.5, mew=0)
        dots.set_gid(_gid(look))
        _line(ax, medians.index, medians, solver, looks)
    _gap_axis(ax, "y", _values(gaps))
    if sizes.nunique() <= _MOST_SIZES:
        ax.set_xticks(sorted(sizes.dropna().unique()))
    _finish(ax, size.removeprefix("size_").replace("_", " "), _words(column), legend)
    return ax


def plot_gap_distribution(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    column: str = "gap_to_bound",
    looks: Looks | None = None,
) -> Axes:
    """Draw a row per solver: a dot per instance, a bar from quartile to quartile, the median."""
    ax = _axes() if ax is None else ax
    looks = looks_of(frame["solver"].unique()) if looks is None else looks
    gaps = metrics.by_instance(frame, column)
    gaps = gaps[[solver for solver in looks if solver in gaps]]
    for row, solver in enumerate(gaps.columns):
        values = np.sort(gaps[solver].dropna().to_numpy(float))
        look = looks[solver]
        # Spread by rank and not by chance: the same study gives the same picture.
        spread = row + 0.3 * ((np.arange(len(values)) * 0.618) % 1 - 0.5)
        style: dict[str, Any] = {"color": look.colour, "gid": _gid(look)}
        ax.plot(values, spread, "o", markersize=2.5, mew=0, alpha=0.5, **style)
        if len(values):
            low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
            ax.plot(
                [low, high], [row, row], linewidth=5, alpha=0.35, solid_capstyle="butt", **style
            )
            ax.plot([middle, middle], [row - 0.36, row + 0.36], linewidth=2, **style)
    names = [printable(solver, _NAME_WIDTH) for solver in gaps.columns]
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.set_ylim(len(names) - 0.4, -0.6)
    _gap_axis(ax, "x", _values(gaps))
    _finish(ax, _words(column), "", legend=False)
    ax.grid(axis="y", visible=False)
    return ax


def plot_anytime(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    looks: Looks | None = None,
    legend: bool = True,
) -> Axes:
    """Draw the mean gap to the best known plan that each solver has after so many seconds.

    Until there is a plan the gap is 1. The area under a run's own curve is its primal integral.
    """
    ax = _axes() if ax is None else ax
    looks = looks_of(frame["solver"].unique()) if looks is None else looks
    known = frame[frame["best_known"].notna()]
    limit = float(known["time_limit_s"].fillna(known["runtime_s"]).max()) if len(known) else 1.0
    times = np.geomspace(min(1e-3, limit / 10), limit, _STEPS)
    for solver, runs in known.groupby("solver", sort=False):
        per_run = pd.DataFrame([_gaps_at(run, times) for run in runs.to_dict("records")])
        curve = per_run.groupby(runs["sha256"].to_numpy()).mean().mean()
        _line(ax, times, curve, solver, looks, drawstyle="steps-post")
    ax.set_xscale("log")
    ax.set_xlim(times[0], times[-1])
    _plain_log_ticks(ax, times[0], times[-1])
    _gap_axis(ax, "y", np.array([1.0]))
    _finish(ax, "seconds", "mean gap to best known", legend)
    return ax


def _gaps_at(run: Mapping[str, Any], times: np.ndarray) -> np.ndarray:
    """Return the gap of one run at each of these times."""
    changed, gaps = metrics.primal_gaps(
        run["trace"], run["objective"], run["runtime_s"], run["best_known"], run["sense"]
    )
    last = np.searchsorted(changed, times, side="right") - 1
    return np.asarray(gaps[last])


def _axes() -> Axes:
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    return ax


def _line(ax: Axes, x: Any, y: Any, solver: Any, looks: Looks, **style: Any) -> None:
    look = looks[solver]
    # parse_math of the legend cannot be turned off: a dollar sign in a name is escaped.
    name = printable(solver, _NAME_WIDTH).replace("$", r"\$")
    ax.plot(
        x,
        y,
        color=look.colour,
        linestyle=look.line,
        linewidth=1.6,
        label=name,
        gid=_gid(look),
        **style,
    )


def _gid(look: Look) -> str:
    """Return the name of a solver's marks in an SVG: a page finds them by it."""
    return f"solver-{look.number}"


def _values(gaps: pd.DataFrame) -> np.ndarray:
    values = np.asarray(gaps, float)
    finite: np.ndarray = values[np.isfinite(values)]
    return finite


def _gap_axis(ax: Axes, axis: str, values: np.ndarray) -> None:
    """Scale an axis for gaps: linear up to 0.1 %, logarithmic beyond."""
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    high = max(1.15 * high, 1.2e-3)
    low = min(-0.12 * SMALL_GAP, 1.15 * low)
    ticks = {value: text for value, text in _TICKS.items() if low <= value <= high}
    scale = {"linthresh": SMALL_GAP, "linscale": 0.6}
    if axis == "x":
        ax.set_xscale("symlog", **scale)
        ax.set_xlim(low, high)
        ax.set_xticks(list(ticks), list(ticks.values()), minor=False)
        ax.xaxis.minorticks_off()
    else:
        ax.set_yscale("symlog", **scale)
        ax.set_ylim(low, high)
        ax.set_yticks(list(ticks), list(ticks.values()), minor=False)
        ax.yaxis.minorticks_off()


def _plain_log_ticks(ax: Axes, low: float, high: float) -> None:
    """Write 0.01, 1, 100 at the ticks of a logarithmic axis, with more where there is room."""
    decades = np.log10(high / low)
    factors = (1, 1.5, 2, 3, 4, 6) if decades < 0.9 else (1, 2, 5) if decades < 2.2 else (1,)
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [f * 10.0**p for p in powers for f in factors if low <= f * 10.0**p <= high * 1.0001]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    ax.xaxis.minorticks_off()


def _words(column: str) -> str:
    return column.replace("_", " ")


def _finish(ax: Axes, x: str, y: str, legend: bool) -> None:
    ax.set_xlabel(x, color=INK)
    ax.set_ylabel(y, color=INK)
    ax.grid(color=GRID, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, colors=INK, labelsize=9)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(QUIET)
    if legend and ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
