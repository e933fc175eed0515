"""The look that all pictures share: inks, bare axes with a row per name, title, and legend above.

Names come from files: none is read as mathematics, though it may contain dollar signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

INK, QUIET, ALARM, GRID = "#1a1a1a", "#6b6b6b", "#c00000", "#d9d9d9"


def new_axes(size: tuple[float, float]) -> Axes:
    """Return the axes of a new figure of so many inches."""
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def name_rows(ax: Axes, at: Sequence[float], names: Sequence[str], fontsize: float = 9) -> None:
    """Write the names of rows on the left, and leave of the frame only the lower side."""
    ax.set_yticks(at, names, parse_math=False, fontsize=fontsize, color=INK)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=GRID, linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def entitle(ax: Axes, text: str, *, pad: float = 28) -> None:
    """Write a title, by default so far above that a legend has room beneath."""
    ax.set_title(text, loc="left", parse_math=False, fontsize=11, color=INK, pad=pad)


def legend_above(ax: Axes, handles: Sequence[Artist]) -> Legend:
    """Write a legend in one line between the axes and their title."""
    return ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
        borderaxespad=0.3,
        handlelength=2.4,
    )
