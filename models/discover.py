"""Finds the problems by their folders, so that a new problem needs no change here.

Every problem has one package of the same name in ``models``, ``solvers``, ``instances`` and
``shardopt``; the problem id ``cold-start`` is the package ``cold_start``.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache
from types import ModuleType

import shardopt.models
from shardopt.models.errors import InputError


@cache
def problem_ids() -> tuple[str, ...]:
    """Return the ids of all problems, in alphabetical order."""
    packages = pkgutil.iter_modules(shardopt.models.__path__)
    return tuple(sorted(m.name.replace("_", "-") for m in packages if m.ispkg))


def require_problem(problem: str) -> None:
    """Raise `InputError` unless ``problem`` is the id of a problem."""
    if problem not in problem_ids():
        close = difflib.get_close_matches(problem, problem_ids(), n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise InputError(repr(problem) + hint, "one of " + ", ".join(problem_ids()), "problem")


def part(problem: str, area: str, module: str) -> ModuleType:
    """Import one module of a problem's package.

    Parameters
    ----------
    problem
        Problem id, e.g. ``cold-start``.
    area
        ``models``, ``solvers``, ``instances``, or empty for the package in ``shardopt`` itself.
    module
        Module name that all problems share, e.g. ``check``.
    """
    area_path = f"shardopt.{area}" if area else "shardopt"
    return importlib.import_module(f"{area_path}.{problem.replace('-', '_')}.{module}")
