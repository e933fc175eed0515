"""The Python interface: load, generate, solve, check, save."""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from shardopt.instances.files import (
    instance_sha256,
    read_instance,
    read_solution,
    solution_to_json,
    write_instance,
)
from shardopt.instances.presets import find_preset
from shardopt.instances.scenario import is_scenario
from shardopt.instances.strict import write_json
from shardopt.models.checking import CheckReport
from shardopt.models.discover import part
from shardopt.models.errors import InputError, UnavailableError
from shardopt.models.result import Result
from shardopt.options import accepted, option_types, parse_options
from shardopt.solvers.budget import OnProgress
from shardopt.solvers.registry import SolverRow, find_solver
from shardopt.solvers.verify import verify

_RUN_ARGUMENTS = frozenset(
    {"time_limit", "seed", "threads", "start", "on_progress", "memory_limit_bytes"}
)


def load(path: str | Path, problem: str | None = None) -> Any:
    """Read an instance file (``.json`` or ``.json.gz``), or make one of a scenario (``.toml``).

    Parameters
    ----------
    problem
        The problem that a scenario is for, by default the one that it names itself. An instance
        file has to be of this problem.

    Raises
    ------
    InputError
        With the file, the place in it, what was found and what was expected.
    """
    if is_scenario(path):
        from shardopt.instances.scenario.build import load_instance

        return load_instance(path, problem)
    instance = read_instance(path)
    if problem not in (None, instance.problem):
        raise InputError(repr(instance.problem), repr(problem), "problem", str(path))
    return instance


def save(path: str | Path, value: Any, instance: Any = None) -> None:
    """Write an instance, a result, or a solution of ``instance`` to a file."""
    if isinstance(value, Result):
        write_json(path, value.to_json())
    elif instance is not None:
        write_json(path, solution_to_json(instance, value))
    else:
        write_instance(path, value)


def generate(problem: str, preset: str, **options: Any) -> Any:
    """Make an instance with one of a problem's generator presets.

    Parameters
    ----------
    problem
        Problem id, e.g. ``cold-start``.
    preset
        Name of the preset, e.g. ``csgo-table1``.
    options
        The preset's own parameters, e.g. ``tokens=2048``, ``seed=3``.
    """
    function = find_preset(problem, preset)
    return function(**parse_options(preset, function, options))


def check(instance: Any, solution: Any) -> CheckReport:
    """Check a solution against every rule of its problem.

    Parameters
    ----------
    solution
        A solution, a `Result`, or the path of a solution or result file.
    """
    if isinstance(solution, (str, Path)):
        solution = read_solution(solution, instance.problem)
    if isinstance(solution, Result):
        if solution.solution is None:
            raise InputError("a result without a solution", "a solution")
        solution = solution.solution
    report: CheckReport = part(instance.problem, "models", "check").check(instance, solution)
    return report


def solve(
    instance: Any,
    solver: str = "exact",
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    threads: int = 2,
    start: Any = None,
    on_progress: OnProgress | None = None,
    memory_limit_bytes: float | None = None,
    confirm: bool = False,
    **options: Any,
) -> Result:
    """Solve an instance.

    Parameters
    ----------
    instance
        An instance, or the path of an instance file.
    solver
        A solver of the instance's problem (``shardopt solvers``), or ``exact`` / ``heuristic``.
    time_limit
        Wall-clock seconds for everything but just-in-time compilation; ``None`` for no limit.
    seed, threads
        Passed to solvers that have use for them.
    start
        A solution to start from: the answer is never worse. A solution, a `Result` or a path.
    on_progress
        Called with a `TracePoint` at each improvement.
    memory_limit_bytes
        A backend's process that grows beyond this ends with ``memory-limit``; by default 80%
        of the memory that is free when it starts.
    confirm
        Ask independent methods for a second opinion (``--verify``).
    options
        The solver's own options.

    Raises
    ------
    InputError
        Unknown solver, unknown option, bad value, a start that breaks a rule.
    UnavailableError
        The solver needs a package that is not installed.
    """
    if isinstance(instance, (str, Path)):
        instance = load(instance)
    row = find_solver(instance.problem, solver)
    require_packages(row)
    require_sane(time_limit, seed, threads, memory_limit_bytes)
    function = row.load()
    arguments = parse_own_options(row, options) | dict(row.fixed)
    common = {
        "time_limit": time_limit,
        "seed": seed,
        "threads": threads,
        "start": _start(instance, row, start),
        "on_progress": on_progress,
        "memory_limit_bytes": memory_limit_bytes,
    }
    result = function(instance, **accepted(function, common), **arguments)
    if confirm:
        result = verify(instance, row, result, common)
    return replace(
        result,
        solver=row.name,
        seed=seed,
        threads=threads,
        instance_sha256=instance_sha256(instance),
        versions=versions(row),
    )


def own_options(row: SolverRow) -> dict[str, Any]:
    """Return the options that only this solver has, with their defaults."""
    function = row.load()
    parameters = inspect.signature(function).parameters
    return {name: parameters[name].default for name in option_types(function, _hidden(row))}


def parse_own_options(row: SolverRow, given: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a solver's own options; raises `InputError`."""
    return parse_options(f"solver {row.name}", row.load(), given, _hidden(row))


def versions(row: SolverRow) -> dict[str, str]:
    """Return the versions of shardopt and of the packages that do a solver's work."""
    backend = row.name.rpartition("/")[2]
    packages = {"highs": "highspy", "cbc": "pulp", "cp-sat": "ortools", "scip": "pyscipopt"}
    names = ["shardopt", "numpy"]
    names += [packages[backend]] if backend in packages else []
    names += ["numba"] if row.compiled else []
    return {name: importlib.metadata.version(name) for name in names}


def _hidden(row: SolverRow) -> frozenset[str]:
    """Return the parameters that are not the solver's own options."""
    return _RUN_ARGUMENTS | row.fixed.keys()


def require_packages(row: SolverRow) -> None:
    """Raise `UnavailableError` if a package that the solver needs is not installed."""
    missing = row.missing()
    if missing:
        extra = row.name.rpartition("/")[2]
        raise UnavailableError(
            f"solver {row.name} needs {', '.join(missing)}: pip install 'shardopt[{extra}]'"
        )


def require_sane(
    time_limit: float | None, seed: int, threads: int, memory_limit_bytes: float | None
) -> None:
    """Raise `InputError` unless these are limits that every solver can take."""
    if time_limit is not None and not 0 < time_limit < 1e9:
        raise InputError(str(time_limit), "seconds > 0", "time_limit")
    if not 0 <= seed < 2**31:  # what every backend can take
        raise InputError(str(seed), "an integer from 0 to 2147483647", "seed")
    if not 1 <= threads <= 1024:
        raise InputError(str(threads), "an integer from 1 to 1024", "threads")
    if memory_limit_bytes is not None and not memory_limit_bytes > 0:
        raise InputError(str(memory_limit_bytes), "bytes > 0", "memory_limit_bytes")


def _start(instance: Any, row: SolverRow, start: Any) -> Any:
    if start is None:
        if row.needs_start:
            raise InputError("no start", f"a start: solver {row.name} improves a plan", "start")
        return None
    if not row.warm_start:
        raise InputError("a start", f"none: solver {row.name} takes no start", "start")
    report = check(instance, start)
    if not report.feasible:
        raise InputError(report.violations[0].message, "a feasible start", "start")
    if isinstance(start, (str, Path)):
        return read_solution(start, instance.problem)
    return start.solution if isinstance(start, Result) else start
