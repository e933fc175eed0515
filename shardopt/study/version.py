"""What code an answer comes from: it is part of a run's key, so that versions are never mixed."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from pathlib import Path

import shardopt
import shardopt.instances
import shardopt.models
import shardopt.solvers
from shardopt.models.discover import problem_ids
from shardopt.solvers.registry import SolverRow

PACKAGES = ("numpy", "numba", "highspy", "ortools", "pulp")
"""Packages that every installation has and that answers come from."""


def version_of(problem: str, row: SolverRow) -> str:
    """Return the version of shardopt with a digest of a solver's code and packages.

    Code of other problems is not in the digest: when that changes, answers stay valid.
    """
    packages = {name: importlib.metadata.version(name) for name in (*PACKAGES, *row.needs)}
    text = json.dumps([code_digest(problem), packages], sort_keys=True)
    return f"{shardopt.__version__}+{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@functools.cache
def code_digest(problem: str) -> str:
    """Return a digest of all code that instances and answers of a problem come from."""
    others = {other.replace("-", "_") for other in problem_ids() if other != problem}
    digest = hashlib.sha256()
    for package in (shardopt.models, shardopt.solvers, shardopt.instances):
        folder = Path(package.__path__[0])
        for file in sorted(folder.rglob("*.py")):
            if not others & set(file.relative_to(folder).parts):
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
