"""Where reality departs from belief: servers that leave, are slow, or are misjudged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shardopt.models.errors import InputError
from shardopt.models.requests import FloatArray


@dataclass(frozen=True)
class Disturbances:
    """What befalls the nodes of a run, by their number.

    Attributes
    ----------
    failures
        (from, to, node): it is down in between.
    slow
        (from, to, node, factor): what starts in between takes ``factor`` times as long there.
    misjudged
        (node, factor): times there are believed to be ``factor`` times the true ones.
    """

    failures: tuple[tuple[float, float, int], ...] = ()
    slow: tuple[tuple[float, float, int, float], ...] = ()
    misjudged: tuple[tuple[int, float], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.failures or self.slow or self.misjudged)

    def slowness(self, now_s: float, nodes: int) -> FloatArray | None:
        """Return by what times at each node are longer now; ``None`` if they are not."""
        now = [(node, factor) for a, b, node, factor in self.slow if a <= now_s < b]
        return multiplied(now, nodes) if now else None

    def believed(self, nodes: int) -> FloatArray:
        """Return by what times at each node are misjudged."""
        return multiplied(self.misjudged, nodes)


def multiplied(factors: Sequence[tuple[int, float]], nodes: int) -> FloatArray:
    """Return the product of the factors of each node."""
    product = np.ones(nodes)
    for node, factor in factors:
        product[node] *= factor
    return product


def parse_disturbances(
    names: Mapping[str, int], fail: str | None, slow: str | None, misjudge: str | None
) -> Disturbances:
    """Read ``s8@100-200``, ``s1:3@50-90`` and ``s1:0.5``, each one or several with commas.

    Raises
    ------
    InputError
        Another form, an unknown node, times that do not rise, factors that are not positive.
    """

    def node(text: str, option: str) -> int:
        if text not in names:
            raise InputError(repr(text), f"one of {', '.join(names)}", option)
        return names[text]

    def number(text: str, option: str, form: str, least: float) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not least <= value <= 1e9:
            raise InputError(repr(text), f"{form}, numbers up to 1e9", option)
        return value

    def span(text: str, option: str, form: str) -> tuple[float, float]:
        first, dash, last = text.partition("-")
        start = number(first, option, form, 0.0)
        stop = number(last if dash else "", option, form, 0.0)
        if not start < stop:
            raise InputError(repr(text), "a time that comes after the first", option)
        return start, stop

    def parts(text: str | None) -> list[str]:
        return [] if text is None else text.split(",")

    failures, slower, misjudged = [], [], []
    for part in parts(fail):
        name, _, times = part.rpartition("@")
        failures.append((*span(times, "fail", "NODE@FROM-TO"), node(name, "fail")))
    for part in parts(slow):
        who, _, times = part.rpartition("@")
        name, _, factor = who.rpartition(":")
        form = "NODE:FACTOR@FROM-TO"
        value = number(factor, "slow", form, 1e-9)
        slower.append((*span(times, "slow", form), node(name, "slow"), value))
    for part in parts(misjudge):
        name, _, factor = part.rpartition(":")
        value = number(factor, "misjudge", "NODE:FACTOR", 1e-9)
        misjudged.append((node(name, "misjudge"), value))
    return Disturbances(tuple(failures), tuple(slower), tuple(misjudged))
