"""A time axis made of characters, for Gantt charts in the terminal."""

from __future__ import annotations

from shardopt.units import nice_step


def time_axis(span: float, columns: int, margin: int) -> str:
    """Return two lines: the seconds, and a ruler with a mark at each of them."""
    step = nice_step(span, max(1, columns // 10))
    labels, ruler = [" "] * (columns + 10), ["-"] * columns
    for n in range(int(span / step * (1 + 1e-9)) + 1 if span > 0 else 1):
        at = min(round(n * step / span * columns) if span > 0 else 0, columns - 1)
        ruler[at] = "+"
        label = f"{n * step:.6g}"
        labels[at : at + len(label)] = label
    head = "seconds".ljust(margin)[:margin]
    return head + "".join(labels).rstrip() + "\n" + " " * margin + "".join(ruler) + "\n"
