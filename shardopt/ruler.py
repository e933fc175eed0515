"""A time axis made of characters, for Gantt charts in the terminal."""

from __future__ import annotations

import math


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


def nice_step(span: float, most: int) -> float:
    """Return 1, 2 or 5 times a power of ten, so that ``span`` has at most ``most`` steps."""
    if span <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    return next((m * power for m in (1, 2, 5) if span / (m * power) <= most), 10 * power)
