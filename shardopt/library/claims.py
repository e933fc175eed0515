"""What somebody says of instances of a library: result files, the runs of a study, own solving."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from pydantic import ConfigDict

import shardopt
from shardopt.instances.files import solution_from_json
from shardopt.instances.strict import NonEmptyText, Number, StrictModel, read_json, shown, validate
from shardopt.library.manifest import Credit, Entry
from shardopt.models.discover import part
from shardopt.models.errors import InputError
from shardopt.models.result import RESULT_FORMAT, SOLUTION_FORMAT, Result, Status, Termination
from shardopt.solvers.registry import find_solver
from shardopt.study.named import named_options
from shardopt.study.store import open_study

Known = Mapping[str, Entry]
"""The entries of a problem by the hash of the instance."""


@dataclass(frozen=True)
class Claim:
    """A result on an instance of a library. ``place`` says where it was read."""

    place: str
    sha256: str
    result: Result
    by: Credit


class ResultFile(StrictModel):
    """What is read of a result file beside its plan."""

    model_config = ConfigDict(extra="ignore")

    instance: str
    instance_sha256: str
    solver: NonEmptyText
    versions: dict[str, str]
    status: Status
    termination: Termination
    objective: Number | None
    bound: Number | None
    seed: int
    threads: int


def of_file(path: str | Path, library: Path, known: Mapping[str, Known]) -> Claim:
    """Return what a result file says, or that the plan of a solution file exists.

    Parameters
    ----------
    known
        The entries of the library by problem.

    Raises
    ------
    InputError
        Neither kind of file, or of an instance that the library does not have.
    """
    value = read_json(path)
    read = {RESULT_FORMAT: _of_result, SOLUTION_FORMAT: _of_solution}
    try:
        found = value.get("format") if isinstance(value, dict) else value
        if not isinstance(found, str) or found not in read:
            expected = " or ".join(f'"{name}"' for name in read)
            raise InputError(shown(found), expected, "format")
        problem = value.get("problem")
        if not isinstance(problem, str) or problem not in known:
            expected = "a problem of the library: " + ", ".join(known)
            raise InputError(shown(problem), expected, "problem")
        return read[found](str(path), value, library / problem, known[problem])
    except InputError as error:
        raise error.in_file(str(path)) from None


def of_study(folder: Path, known: Mapping[str, Known]) -> Iterator[Claim]:
    """Yield what the runs of a study say of instances that the library has."""
    from shardopt.study.frame import label

    with open_study(folder) as study:
        named = {row["sha256"]: row for row in study.instances()}
        runs = study.runs()
    for run in runs:
        row = named[run["instance"]]
        answered = run["status"] in get_args(Status)
        if not answered or row["sha256"] not in known.get(row["problem"], ()):
            continue
        settings = {name: run[name] for name in ("seed", "threads", "time_limit_s")}
        by = Credit(
            solver=label(run["solver"], run["parameters"]),
            settings={name: value for name, value in settings.items() if value is not None},
            version=run["version"],
            date=run["finished_at"][:10],
        )
        result = _result(row["problem"], run | {"instance": row["name"]})
        yield Claim(str(folder), row["sha256"], result, by)


def by_solving(
    folder: Path, entry: Entry, solver: str, time_limit: float, seed: int, threads: int
) -> Claim:
    """Solve an instance of a library, from its best plan where the solver can use one.

    Parameters
    ----------
    folder
        That of the problem in the library.
    solver
        A name, with options behind colons as in studies: ``ga:population=50``.
    """
    name, given = named_options(solver)
    options: dict[str, Any] = dict(given)
    instance = shardopt.load(folder / entry.file)
    row = find_solver(instance.problem, name)
    warm = row.warm_start and entry.solution is not None
    result = shardopt.solve(
        instance,
        name,
        time_limit=time_limit,
        seed=seed,
        threads=threads,
        start=folder / str(entry.solution) if warm else None,
        **options,
    )
    by = Credit(
        solver=":".join([row.name, *(f"{key}={value}" for key, value in options.items())]),
        settings={"seed": seed, "threads": threads, "time_limit_s": time_limit}
        | ({"start": "best known"} if warm else {}),
        version=result.versions["shardopt"],
        date=today(),
    )
    return Claim(f"{instance.problem}/{entry.name}", entry.sha256, result, by)


def today() -> str:
    """Return the date in UTC."""
    return datetime.now(UTC).date().isoformat()


def _of_result(place: str, value: Mapping[str, Any], _: Path, known: Known) -> Claim:
    file = validate(ResultFile, value)
    if file.instance_sha256 not in known:
        expected = f"an instance of the library ({_nearest(file.instance, known)})"
        raise InputError(f"{shown(file.instance_sha256)}", expected, "instance_sha256")
    by = Credit(
        solver=file.solver,
        settings={"seed": file.seed, "threads": file.threads},
        version=file.versions.get("shardopt", "unknown"),
        date=today(),
    )
    said = file.model_dump() | {"solution": value.get("solution")}
    return Claim(place, file.instance_sha256, _result(value["problem"], said), by)


def _of_solution(place: str, value: Mapping[str, Any], folder: Path, known: Known) -> Claim:
    plan = solution_from_json(value, value["problem"])
    name = value["instance"]
    entry = next((entry for entry in known.values() if entry.name == name), None)
    if entry is None:
        expected = f"an instance of the library ({_nearest(name, known)})"
        raise InputError(shown(name), expected, "instance")
    report = shardopt.check(shardopt.load(folder / entry.file), plan)
    if not report.feasible:
        raise InputError(report.violations[0].message, "a plan that breaks no rule", "solution")
    said = {
        "instance": name,
        "solver": "a solution file",
        "status": "feasible",
        "termination": "completed",
        "objective": report.objective,
        "bound": None,
        "solution": value["solution"],
    }
    by = Credit(solver=said["solver"], settings={}, version=shardopt.__version__, date=today())
    return Claim(place, entry.sha256, _result(value["problem"], said), by)


def _result(problem: str, said: Mapping[str, Any]) -> Result:
    """Return a result with what a file or a row says."""
    plan = None
    if said["solution"] is not None:
        file = {"format": SOLUTION_FORMAT, "problem": problem, "instance": said["instance"]}
        plan = solution_from_json(file | {"solution": said["solution"]}, problem)
    return Result(
        problem=problem,
        instance=said["instance"],
        solver=said["solver"],
        sense=part(problem, "models", "data").SENSE,
        status=said["status"],
        termination=said["termination"],
        objective=said["objective"],
        bound=said["bound"],
        solution=plan,
    )


def _nearest(name: str, known: Known) -> str:
    names = [entry.name for entry in known.values()]
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.0)
    return "near: " + ", ".join(close)
