"""What a formulation hands to a backend, whatever the problem."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shardopt.models.linear import LinearModel

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel

MAX_COLUMNS = 5e6
MAX_NONZEROS = 5e7


@dataclass(frozen=True)
class LinearFormulation:
    """A MILP and how to read it.

    ``decode`` turns a vector of column values into a solution of the problem (or ``None``);
    ``encode`` turns a feasible solution into column values for a warm start.
    A value ``v`` of the model's objective is ``v * unit + offset`` in the problem's unit and
    sense; ``unit`` is negative where the problem maximises. With ``reciprocal`` it is
    ``unit / -v``: the model maximises the inverse of what the problem minimises.
    """

    model: LinearModel
    decode: Callable[[NDArray[np.float64]], Any]
    encode: Callable[[Any], NDArray[np.float64]]
    unit: float
    offset: float = 0.0
    reciprocal: bool = False


@dataclass(frozen=True)
class CpFormulation:
    """A CP-SAT model (always minimised) and how to read it.

    ``decode`` gets the values of all variables by index; ``encode`` returns hints
    {variable index: value}. ``unit`` and ``reciprocal`` as in `LinearFormulation`; the model's
    roundings must never let the scaled bound pass the true one. ``by_relaxation`` says that what
    proves is the linear relaxation.
    """

    model: CpModel
    decode: Callable[[list[int]], Any]
    encode: Callable[[Any], dict[int, int]]
    unit: float
    offset: float = 0.0
    reciprocal: bool = False
    by_relaxation: bool = False


@dataclass(frozen=True)
class ScipFormulation:
    """A pyscipopt model (minimised) and how to read it.

    ``decode`` gets a function from variables to values. ``unit`` as above.
    """

    model: Any
    decode: Callable[[Callable[[Any], float]], Any]
    unit: float
    offset: float = 0.0


class SearchFormulation:
    """What only an adapter of its own can solve: it has a cutoff instead of a warm start.

    ``decode`` turns what that adapter calls a plan into a solution of the problem.
    """

    unit: float
    cutoff: float
    offset: float
    decode: Callable[[Any], Any]

    @property
    def size(self) -> dict[str, int]:
        """Return how large it is, for the result."""
        return {}


@dataclass(frozen=True)
class SeriesFormulation(SearchFormulation):
    """Several MILPs, solved one after another, of which the best answer counts.

    ``build(n, relaxed)`` makes model ``n``, without integrality if ``relaxed``; a value of its
    objective times its ``unit`` is a value of this formulation's. ``cutoff``: only what is better
    is looked for. ``decode`` gets the number of a model and its values.
    """

    count: int
    build: Callable[[int, bool], LinearFormulation]
    decode: Callable[[tuple[int, NDArray[np.float64]]], Any]
    unit: float
    cutoff: float = np.inf
    offset: float = 0.0

    @property
    def size(self) -> dict[str, int]:
        """Return the number of models."""
        return {"models": self.count}


def in_unit_of_problem(
    formulation: LinearFormulation | CpFormulation | ScipFormulation | SearchFormulation,
    value: float,
) -> float:
    """Return a value of a model's objective in the problem's unit."""
    if isinstance(formulation, (LinearFormulation, CpFormulation)) and formulation.reciprocal:
        return formulation.unit / -value if value < 0.0 else math.inf
    return value * formulation.unit + formulation.offset


class TooLargeError(Exception):
    """A formulation refuses to be built: its estimated size is beyond what fits in memory."""


def require_size(columns: float, nonzeros: float = 0.0) -> None:
    """Refuse a model whose estimated size is beyond what fits in memory."""
    if columns > MAX_COLUMNS or nonzeros > MAX_NONZEROS:
        raise TooLargeError(
            f"the model would have about {columns:.2g} columns and {nonzeros:.2g} nonzeros; "
            f"the limits are {MAX_COLUMNS:.2g} and {MAX_NONZEROS:.2g}"
        )
