"""Names in a scenario, found where they point, or refused with the nearest ones."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TypeVar

from shardopt.instances.catalogue.load import Shelf, find
from shardopt.instances.catalogue.schema import Entry, Figure
from shardopt.instances.strict import shown
from shardopt.models.errors import InputError

AnyEntry = TypeVar("AnyEntry", bound=Entry)


def find_at(shelf: Shelf[AnyEntry], name: str, what: str, place: str) -> AnyEntry:
    """Return an entry of the catalogue; an error names the place in the scenario."""
    try:
        return find(shelf, name, what)
    except InputError as error:
        raise InputError(error.found, error.expected, place) from None


def reached(figure: Figure, share: float) -> float:
    """Return what a program gets of a figure: all of a measured one, a share of a peak."""
    return figure.value if figure.flag == "measured" else share * figure.value


def position(name: str, names: Sequence[str], place: str) -> int:
    """Return the position of the machine called ``name``."""
    if name in names:
        return names.index(name)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise InputError(shown(name) + hint, "the name of a machine: " + ", ".join(names), place)
