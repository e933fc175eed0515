"""The plans that a study has kept: what its tables leave out, because plans are large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shardopt.instances.files import read_instance, solution_from_json
from shardopt.models.errors import InputError
from shardopt.models.result import SOLUTION_FORMAT
from shardopt.study.store import open_study


def solution_of(study: str | Path, key: str) -> tuple[Any, Any]:
    """Return the instance and the plan of a run, e.g. to draw it with `shardopt.show.plot`.

    Parameters
    ----------
    key
        Of the run, as in the column ``key`` of `shardopt.study.load`.

    Raises
    ------
    InputError
        The study has no such run, or the run has no plan.
    """
    with open_study(study) as kept:
        file, solution = kept.solution(key)
    if solution is None:
        raise InputError(f"no plan of the run {key!r}", "a run with one", file=str(study))
    return parsed(file, solution)


def parsed(file: Path, solution: Any) -> tuple[Any, Any]:
    """Return an instance, and a plan of it that is kept as the ``solution`` of a file is."""
    instance = read_instance(file)
    entry = {"format": SOLUTION_FORMAT, "problem": instance.problem, "instance": instance.name}
    return instance, solution_from_json(entry | {"solution": solution}, instance.problem)
