"""Pictures inside a page: SVG that takes the page's font and its light or dark colours."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from shardopt.study.figures import COLOURS, GRID, INK, QUIET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_THEMED = {INK: "var(--ink)", QUIET: "var(--quiet)", GRID: "var(--grid)"} | {
    colour: f"var(--c{n})" for n, colour in enumerate(COLOURS)
}
_FIXED_COLOURS = re.compile("|".join(map(re.escape, _THEMED)))


def inline_svg(
    draw: Callable[[Axes], object], size: tuple[float, float], name: str, label: str
) -> str:
    """Return what a function draws as an ``svg`` element.

    Parameters
    ----------
    size
        Width and height in inches.
    name
        Stands before all ids: an id may occur only once in a page.
    label
        What the picture shows, for those who do not see it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "shardopt", "font.size": 9}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    # The series of a solver are marked, so that the page can bring them forward.
    svg = re.sub(r'id="(solver-\d+)"', r'class="series \1"', svg)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = _FIXED_COLOURS.sub(lambda match: _THEMED[match.group()], svg)
    svg = _shorter(svg)
    viewbox = re.search(r'viewBox="[^"]+"', svg)
    assert viewbox is not None
    head = f'<svg {viewbox.group()} role="img" aria-label="{html.escape(label)}"'
    return re.sub(
        r"<svg[^>]*>", f'{head} xmlns:xlink="http://www.w3.org/1999/xlink">', svg, count=1
    )


def _shorter(svg: str) -> str:
    """Return the same drawing in a third of the elements: a page with many opens at once."""
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)  # the page has its own
    svg = _PLACES.sub(lambda place: re.sub(r"(\.\d\d)\d+", r"\1", place.group()), svg)
    svg = re.sub(r"<g id=\"[^\"]*\"/>\s*", "", svg)
    return _MARKERS.sub(_as_one_path, svg)


_PLACES = re.compile(r' (?:d|x|y|transform)="[^"]+"')
_MARKERS = re.compile(
    r'(?:<use [^>]*?x="[^"]+" y="[^"]+" style="fill: [^"]+; fill-opacity: [^"]+"/>\s*)+'
)


def _as_one_path(markers: re.Match[str]) -> str:
    """Return dots as one line of length 0 at each place, whose round caps are the dots."""
    places = re.findall(r'x="([^"]+)" y="([^"]+)"', markers.group())
    look = re.search(r"fill: ([^;]+); fill-opacity: ([^\"]+)", markers.group())
    assert look is not None
    style = (
        f"stroke: {look[1]}; stroke-opacity: {look[2]}; stroke-width: 2.5; stroke-linecap: round"
    )
    return f'<path d="{"".join(f"M{x} {y}h0" for x, y in places)}" style="{style}; fill: none"/>'
