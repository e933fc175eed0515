"""The figures of one problem, as elements of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from shardopt.study import figures, metrics
from shardopt.study.figures import Looks
from shardopt.study.frame import sizes
from shardopt.study.report.svg import inline_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = (5.0, 3.4)
_ROW = 0.21
"""Inches that a solver's row takes in the distribution of gaps."""


@dataclass(frozen=True)
class Picture:
    """A figure of a page: its heading, what to see in it, and the drawing."""

    title: str
    caption: str
    svg: str
    tall: bool


def pictures(frame: pd.DataFrame, looks: Looks, name: str) -> list[Picture]:
    """Return the figures of one problem; those that its runs say nothing about are left out.

    ``name`` tells the problems of a page apart.
    """
    return [
        Picture(
            title,
            caption,
            inline_svg(draw, size, f"{name}-{n}", f"{title}: {caption}"),
            size[1] > _SIZE[1],
        )
        for n, (title, caption, draw, size) in enumerate(_drawn(frame, looks))
    ]


def _drawn(
    frame: pd.DataFrame, looks: Looks
) -> Iterator[tuple[str, str, Callable[[Axes], Any], tuple[float, float]]]:
    gap = "gap_to_bound" if frame["gap_to_bound"].notna().any() else "gap_to_best_known"
    measured = frame[frame[gap].notna()]
    if len(measured):
        rows = measured["solver"].nunique()
        yield (
            "Distribution of the gaps",
            "a dot per instance, a bar from quartile to quartile, a stroke at the median",
            partial(figures.plot_gap_distribution, measured, column=gap, looks=looks),
            (_SIZE[0], max(_SIZE[1], 0.8 + _ROW * rows)),
        )
    costs = metrics.plan_costs(metrics.compared(frame))
    if costs.notna().any(axis=None):
        yield (
            "Performance profile of the plans",
            "on which share of the instances a plan costs at most so many times the best one",
            partial(
                figures.plot_performance_profile, costs, what="objective", looks=looks, legend=False
            ),
            _SIZE,
        )
    exact = frame[frame["kind"] == "exact"]
    times = metrics.proof_times(exact) if len(exact) else pd.DataFrame()
    if times.notna().any().sum() > 1:
        yield (
            "Performance profile of the proofs",
            "on which share of the instances an exact method proves within so many times the "
            "fastest time",
            partial(
                figures.plot_performance_profile, times, what="time", looks=looks, legend=False
            ),
            _SIZE,
        )
    size = next((name for name in sizes(measured) if measured[name].nunique() > 1), None)
    if size is not None:
        yield (
            "Gap against size",
            "a dot per instance, a line through the medians",
            partial(
                figures.plot_gap_against_size, measured, size, column=gap, looks=looks, legend=False
            ),
            _SIZE,
        )
    if frame["best_known"].notna().any():
        yield (
            "Anytime behaviour",
            "the mean gap to the best known plan after so many seconds, 100 % without a plan",
            partial(figures.plot_anytime, frame, looks=looks, legend=False),
            _SIZE,
        )
