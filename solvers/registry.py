"""The registry is data: one row per solver, collected from each problem's package."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shardopt.models.discover import part, require_problem
from shardopt.models.errors import InputError
from shardopt.models.requests import Requests
from shardopt.models.result import Result

Kind = Literal["exact", "heuristic", "online", "reference"]


@dataclass(frozen=True)
class SolverRow:
    """One solver of one problem.

    ``function`` is ``module:name`` below ``shardopt.solvers``, imported when it is first
    needed. ``fixed`` are arguments that this row always passes. ``needs`` names packages
    outside the core; ``compiled`` marks solvers with just-in-time compiled kernels;
    ``verify_with`` names the solvers that ``--verify`` asks for a second opinion.
    ``needs_start`` marks solvers that only improve a given plan; ``partial`` marks exact ones
    that answer ``unknown`` to some instances of the problem because they are not made for them.
    """

    name: str
    kind: Kind
    function: str
    summary: str
    source: str
    proves_bounds: bool = False
    warm_start: bool = False
    needs_start: bool = False
    partial: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    compiled: bool = False
    verify_with: tuple[str, ...] = ()

    def load(self) -> Callable[..., Result]:
        """Import and return the solver's function."""
        function: Callable[..., Result] = _loaded(self.function)
        return function

    def missing(self) -> tuple[str, ...]:
        """Return the packages that this solver needs and that are not installed."""
        return tuple(name for name in self.needs if importlib.util.find_spec(name) is None)


@dataclass(frozen=True)
class OnlineSide:
    """The online side of a problem that has one: its policies, and the function that runs them.

    ``function`` is ``module:name`` as in `SolverRow`, ``policies`` their names; the first one is
    the default. It takes (instance, policies, requests, plan, seed, log) and has keyword-only
    options of its own. ``usual_arrivals``, another function, returns what arrives at an instance
    if nothing else is asked for.
    """

    function: str
    policies: tuple[str, ...]
    usual_arrivals: str | None = None

    def load(self) -> Callable[..., dict[str, dict[str, Any]]]:
        """Import and return the function."""
        function: Callable[..., dict[str, dict[str, Any]]] = _loaded(self.function)
        return function

    def arrivals(self, instance: Any) -> str | Requests:
        """Return the usual arrivals; raises `InputError` if the problem has none."""
        if self.usual_arrivals is None:
            raise InputError("nothing", "what arrives", "arrivals")
        found: str | Requests = _loaded(self.usual_arrivals)(instance)
        return found


def find_online(problem: str) -> OnlineSide:
    """Return the online side of a problem; raises `InputError` if it has none."""
    require_problem(problem)
    side: OnlineSide | None = getattr(part(problem, "solvers", "registry"), "ONLINE", None)
    if side is None:
        raise InputError(repr(problem), "a problem whose requests arrive over time", "problem")
    return side


def solver_rows(problem: str) -> tuple[SolverRow, ...]:
    """Return all solvers of a problem, in the order of its registry."""
    rows: tuple[SolverRow, ...] = part(problem, "solvers", "registry").SOLVERS
    return rows


def aliases(problem: str) -> Mapping[str, str]:
    """Return the aliases of a problem (``exact``, ``heuristic``) and what they stand for."""
    names: Mapping[str, str] = part(problem, "solvers", "registry").ALIASES
    return names


def find_solver(problem: str, name: str) -> SolverRow:
    """Return the solver called ``name``; an alias is looked up first."""
    require_problem(problem)
    rows = {row.name: row for row in solver_rows(problem)}
    target = aliases(problem).get(name, name)
    if target in rows:
        return rows[target]
    names = [*aliases(problem), *rows]
    close = difflib.get_close_matches(name, names, n=3)
    hint = f" (did you mean {' or '.join(close)}?)" if close else ""
    raise InputError(repr(name) + hint, f"a solver of {problem}: {', '.join(names)}", "solver")


def _loaded(place: str) -> Any:
    """Return what ``module:name`` below ``shardopt.solvers`` stands for."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(f"shardopt.solvers.{module}"), name)
