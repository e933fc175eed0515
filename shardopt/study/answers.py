"""What one run of a study says: the result of a solver, checked once more, as columns of a row."""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shardopt.api import check, solve
from shardopt.instances.files import instance_from_json, solution_from_json, solution_to_json
from shardopt.models.errors import InputError
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result, relative_gap
from shardopt.study.planning import Run

Row = dict[str, Any]
SAME = 1e-9
"""The objective of a result may differ from the recomputed one by this share at most."""


def answer(run: Run, instance_file: Mapping[str, Any], memory_bytes: float) -> Row:
    """Solve in this process; whatever a solver raises becomes a row."""
    instance = instance_from_json(instance_file)
    try:
        result = solve(
            instance,
            run.solver,
            time_limit=run.time_limit_s,
            seed=run.seed or 0,
            threads=run.threads,
            memory_limit_bytes=memory_bytes,
            **run.parameters,
        )
        return judged(instance, result)
    except MemoryError as error:
        return failed("out-of-memory", "memory-limit", _described(error))
    except InputError as error:  # not made for this instance: an answer, and no crash
        return failed("unknown", "completed", f"refused: {error}")
    except Exception as error:
        return failed("crashed", "crashed", _described(error))


def judged(instance: Any, result: Result) -> Row:
    """Return a result as a row. What the checker does not bear out is ``invalid``."""
    row = failed(result.status, result.termination, None)
    wrong = what_is_wrong(instance, result)
    if wrong is not None:
        row |= {"status": "invalid", "error": wrong}
    elif result.solution is None and result.termination == "memory-limit":
        row |= {"status": "out-of-memory", "error": "; ".join(result.faults) or None}
    elif result.solution is None and result.termination == "crashed":
        row |= {"status": "crashed", "error": "; ".join(result.faults) or None}
    plan = None if result.solution is None else result.solution.to_json()
    return row | {
        "objective": _plain(result.objective),
        "bound": _plain(result.bound),
        "runtime_s": result.runtime_s,
        "build_s": result.build_s,
        "compile_s": result.compile_s,
        "faults": list(result.faults),
        "trace": _plain([[p.t_s, p.objective, p.bound] for p in result.trace]),
        "solution": _plain(plan),
        "extra": _plain(dict(result.extra)),
    }


def failed(status: str, termination: str, error: str | None) -> Row:
    """Return the row of a run that has no result."""
    return {
        "status": status,
        "termination": termination,
        "objective": None,
        "bound": None,
        "runtime_s": None,
        "build_s": None,
        "compile_s": None,
        "error": error,
        "faults": [],
        "trace": [],
        "solution": None,
        "extra": {},
    }


def what_is_wrong(instance: Any, result: Result) -> str | None:
    """Return why a result cannot be believed, ``None`` if all that can be checked is right.

    The plan is checked as it is kept, through the file format and back.
    """
    for name, value in (("objective", result.objective), ("bound", result.bound)):
        if value is not None and not math.isfinite(value):
            return f"the {name} is {value}"
    if (result.objective is None) != (result.solution is None):
        return "an objective and a plan, of which only one is there"
    if result.solution is not None and result.objective is not None:
        try:
            text = json.dumps(solution_to_json(instance, result.solution), default=_number)
            report = check(instance, solution_from_json(json.loads(text), instance.problem))
        except (InputError, TypeError) as error:
            return f"the plan cannot be kept: {error}"
        if not report.feasible:
            return f"the plan breaks a rule: {report.violations[0].message}"
        if report.objective is None or relative_gap(report.objective, result.objective) > SAME:
            return f"the plan is worth {report.objective!r}, not {result.objective!r}"
    if result.status == "optimal" and (result.gap is None or result.gap > OPTIMALITY_TOLERANCE):
        return f"called optimal with a gap of {result.gap}"
    if result.status == "infeasible" and result.solution is not None:
        return "called infeasible beside a plan"
    return None


def _described(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}".removesuffix(": ") + place


def _plain(value: Any) -> Any:
    """Return a value as strict JSON has it: numbers of numpy as numbers, NaN as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _plain(_number(value))


def _number(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
