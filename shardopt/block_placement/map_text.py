"""`block-placement`: a plan as a placement map made of characters."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from shardopt.block_placement.layout import Ride, Row, Span
from shardopt.units import aligned, nice_step, printable

RUN, HOSTED = "█", "░"
WEIGHTS, CACHE, FREE = "▓", "▒", "·"
_STYLE = {RUN: "blue", HOSTED: "cyan", WEIGHTS: "magenta", CACHE: "yellow", FREE: "dim"}
_BAR_OF_MEMORY = 10
_LEAST_COLUMNS = 10
_NAME_WIDTH = 16


def map_text(lines: list[Row], found: list[Ride], block_count: int, width: int) -> Text:
    """Return the map, servers over blocks, and beneath it the routes over the same blocks."""
    labels = _labels(lines, block_count)
    numbers = [f"{ride.sessions} x {printable(ride.client, _NAME_WIDTH)}" for ride in found]
    margin = max(map(len, (*labels, *numbers))) + 2
    most = max(ride.time_s for ride in found)
    memories = [_memory(row) for row in lines]
    columns = max(_LEAST_COLUMNS, width - margin - max(map(len, memories)) - 2)
    picture = Text(no_wrap=True, overflow="crop")
    picture.append(_ruler(block_count, columns, margin))
    for row, label, memory in zip(lines, labels, memories, strict=True):
        picture.append(label.ljust(margin))
        picture.append_text(_styled(_bar(row, block_count, columns)))
        picture.append("  ").append_text(_styled(memory, red=row.exceeded)).append("\n")
    picture.append("\nsessions on each path, and the servers that run the blocks for them\n")
    for ride, label in zip(found, numbers, strict=True):
        picture.append(label.ljust(margin))
        picture.append(_path(ride, block_count, columns))
        picture.append(f"  {aligned(ride.time_s, most)} s\n")
    return picture


def legend() -> Text:
    """Return what the characters mean."""
    words = {
        RUN: "hosted and run",
        HOSTED: "hosted, run by no session",
        WEIGHTS: "weights",
        CACHE: "cache in use",
        FREE: "free",
    }
    line = Text()
    for mark, meaning in words.items():
        line.append_text(_styled(mark * 2)).append(f" {meaning}   ")
    return line


def run_label(spans: Sequence[Span], digits: int = 1) -> str:
    """Return the blocks of a line, or how many runs they are."""
    if len(spans) != 1:
        return f"{len(spans)} runs"
    return f"[{spans[0].start:>{digits}}, {spans[0].stop:>{digits}})"


def _labels(lines: list[Row], block_count: int) -> list[str]:
    name = max(len(row.name) for row in lines)
    digits = len(str(block_count))
    return [f"{row.name:<{name}}  {run_label(row.hosted, digits)}" for row in lines]


def _cells(span: tuple[int, int], block_count: int, columns: int) -> slice:
    """Return the columns of a run. It gets at least one, however short it is."""
    first = min(span[0] * columns // block_count, columns - 1)
    return slice(first, max(first + 1, span[1] * columns // block_count))


def _bar(row: Row, block_count: int, columns: int) -> str:
    cells = [" "] * columns
    for mark, spans in ((HOSTED, row.hosted), (RUN, row.used)):
        for span in spans:
            at = _cells(span, block_count, columns)
            cells[at] = mark * (at.stop - at.start)
    return "".join(cells)


def _memory(row: Row) -> str:
    """Return how full the memory is; an exclamation mark where it is too full."""
    weights = min(round(row.weights * _BAR_OF_MEMORY), _BAR_OF_MEMORY)
    cache = min(round((row.weights + row.cache) * _BAR_OF_MEMORY), _BAR_OF_MEMORY) - weights
    bar = (WEIGHTS * weights + CACHE * cache).ljust(_BAR_OF_MEMORY, FREE)
    mark = "!" if row.exceeded else " "
    return f"{bar} {100 * (row.weights + row.cache):3.0f} %{mark} {row.sessions:>8}"


def _path(ride: Ride, block_count: int, columns: int) -> str:
    """Return the servers' names over their blocks, each run with a mark at its end."""
    cells = [" "] * columns
    for name, start, stop in ride.steps:
        at = _cells((start, stop), block_count, columns)
        room = at.stop - at.start - 1
        text = printable(name)
        text = text if len(text) <= room else text[: max(0, room - 1)] + "…"[: min(1, room)]
        cells[at] = text.ljust(room, "-") + "|"
    return "".join(cells)


def _styled(text: str, red: bool = False) -> Text:
    styled = Text(text, style="red" if red else "")
    if not red:
        for mark, style in _STYLE.items():
            styled.highlight_regex(f"{mark}+", style)
    return styled


def _ruler(block_count: int, columns: int, margin: int) -> str:
    """Return two lines: the numbers of blocks, and a ruler with a mark at each of them."""
    step = max(1, round(nice_step(block_count, max(1, columns // 10))))
    labels, ruler = [" "] * (columns + 10), ["-"] * columns
    for block in range(0, block_count, step):
        at = block * columns // block_count
        ruler[at] = "+"
        labels[at : at + len(str(block))] = str(block)
    head = "blocks from".ljust(margin)[:margin] + "".join(labels[:columns])
    return f"{head}  {'memory':<18}{'sessions':>8}\n{' ' * margin}{''.join(ruler)}\n"
