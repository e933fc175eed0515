"""Pictures of any problem's instances and plans; each problem draws its own.

A problem's package in ``shardopt`` has the same two modules everywhere: ``show`` with
``plan_table``, ``instance_text`` and ``solution_text``, and ``plots`` with ``plot_instance``,
``plot_solution`` and ``figure_size``.
"""

from __future__ import annotations

import html
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shardopt.models.discover import part
from shardopt.models.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import RenderableType
    from rich.table import Table

FORMATS = (".txt", ".svg", ".png", ".html")
TEXT_WIDTH = 100
"""Columns of a picture that is written to a text file."""
PNG_DPI = 150


def plan_table(instance: Any, solution: Any) -> Table:
    """Return a plan as a table for the terminal."""
    table: Table = part(instance.problem, "", "show").plan_table(instance, solution)
    return table


def text(instance: Any, solution: Any = None, width: int = TEXT_WIDTH) -> RenderableType:
    """Return a picture made of characters, at most ``width`` wide, for a rich console."""
    pictures = part(instance.problem, "", "show")
    picture: RenderableType
    if solution is None:
        picture = pictures.instance_text(instance, width)
    else:
        require_drawable(instance, solution)
        picture = pictures.solution_text(instance, solution, width)
    return picture


def plot(instance: Any, solution: Any = None, ax: Axes | None = None) -> Axes:
    """Draw an instance or a plan with matplotlib, on ``ax`` or on a figure of its own size."""
    plots = part(instance.problem, "", "plots")
    drawn: Axes
    if solution is None:
        drawn = plots.plot_instance(instance, ax)
    else:
        require_drawable(instance, solution)
        drawn = plots.plot_solution(instance, solution, ax)
    return drawn


def write_picture(path: str | Path, instance: Any, solution: Any = None) -> None:
    """Write a picture; the end of the name says what kind: ``.txt .svg .png .html``."""

    def drawn(kind: str) -> bytes:
        if kind in ("svg", "png"):
            return image(instance, solution, kind)
        words = _as_text(instance, solution)
        if kind == "txt":
            return words.encode()
        return page(instance.name, image(instance, solution, "svg"), words)

    write_as(path, drawn)


def write_as(path: str | Path, drawn: Callable[[str], bytes]) -> None:
    """Write what ``drawn`` returns for the kind of picture that the end of the name says."""
    raw = drawn(picture_kind(path))
    try:
        Path(path).write_bytes(raw)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(reason, "a place that can be written", file=str(path)) from None


def picture_kind(path: str | Path) -> str:
    """Return the kind of picture that the end of a name says; raises `InputError` for others."""
    kind = Path(path).suffix.lower()
    if kind not in FORMATS:
        expected = "a name that ends in " + " or ".join(FORMATS)
        raise InputError(
            f"{Path(path).suffix!r}" if kind else "no ending", expected, file=str(path)
        )
    return kind[1:]


def require_drawable(instance: Any, solution: Any) -> None:
    """Raise `InputError` for a plan so broken that its checker has no objective for it."""
    report = part(instance.problem, "models", "check").check(instance, solution)
    if report.objective is None:
        first = report.violations[0]
        found = f"a plan that breaks {first.constraint} ({first.message})"
        raise InputError(found, "a plan that can be drawn", f"solution.{first.where}")


def _as_text(instance: Any, solution: Any) -> str:
    from rich.console import Console

    console = Console(
        file=io.StringIO(), width=TEXT_WIDTH, markup=False, emoji=False, highlight=False
    )
    with console.capture() as capture:
        console.print(text(instance, solution, TEXT_WIDTH))
        if solution is not None:
            console.print(plan_table(instance, solution))
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def image(instance: Any, solution: Any, kind: str) -> bytes:
    """Return a picture as the bytes of an ``svg`` or ``png`` file."""
    size = part(instance.problem, "", "plots").figure_size(instance, solution)
    return rendered(size, lambda figure: plot(instance, solution, figure.subplots()), kind)


def rendered(size: tuple[float, float], draw: Callable[[Figure], object], kind: str) -> bytes:
    """Return a figure that ``draw`` fills as the bytes of an ``svg`` or ``png`` file.

    It is drawn without pyplot: no display is needed, and the same picture gives the same bytes.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "shardopt"}), warnings.catch_warnings():
        # A name may hold characters that no font here has; they are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(buffer, format=kind, dpi=PNG_DPI, metadata=metadata)
    return buffer.getvalue()


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.4 system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem;
  padding: 0 1rem; color: #1a1a1a; background: #fff; }}
figure {{ margin: 0; overflow-x: auto; }}
svg {{ width: 100%; height: auto; min-width: 36rem; }}
pre {{ overflow-x: auto; font-size: 0.8rem; line-height: 1.3; }}
</style>
</head>
<body>
<h1>{title}</h1>
<figure role="img" aria-label="{title}">
{svg}</figure>
<pre>
{text}</pre>
</body>
</html>
"""


def page(title: str, svg: bytes, words: str) -> bytes:
    """Return a page that needs no other file: the picture, and beneath it the same as text."""
    drawn = svg.decode()
    filled = _PAGE.format(
        title=html.escape(title), svg=drawn[drawn.index("<svg") :], text=html.escape(words)
    )
    return filled.encode()
