"""A study as a tidy table: one row per run, with three gaps that are never confused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shardopt.library.manifest import best_known as best_in_library
from shardopt.models.discover import part
from shardopt.models.errors import InputError
from shardopt.models.result import OPTIMALITY_TOLERANCE
from shardopt.solvers.registry import find_solver
from shardopt.study.store import read_study

ANSWERED = ("optimal", "feasible", "infeasible", "unknown")
"""Statuses of a run that ended with a result; all others are ours, for runs that did not."""
OUTCOMES = ("solved", "timed out", "unsolved", "failed", "invalid")
"""What became of a run, in the order of the tables: each run is exactly one of them."""
GAPS = {
    "gap_to_bound": "best_bound",
    "gap_to_best_known": "best_known",
    "gap_to_best_in_study": "best_in_study",
}
"""Each column of gaps, and the column with the numbers that it is measured against."""
_NUMBERS = ("objective", "bound", "runtime_s", "build_s", "compile_s", "wall_s", "time_limit_s")
_JSON = ("parameters", "faults", "trace", "extra")
REFERENCE = " (reference)"
"""Stands after the name of a reference that is one of the compared solvers as well."""
_BROKEN = ("crashed", "memory-limit", "interrupted")
"""Ways to end that are failures, also of a run that had found something before."""


def load(path: str | Path, best_known: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Return the runs of a study that have ended, one row each.

    A plan that the checker refused, and the bound of a run that broke down, are no numbers here:
    `objective` and `bound` are missing then. `docs/report.md` explains all columns.

    Parameters
    ----------
    path
        The folder of the study.
    best_known
        Best objectives known from elsewhere, by the hash of the instance; by default those of
        the library that is shipped.

    Raises
    ------
    InputError
        The folder holds no study, or one without any finished run.
    """
    study = read_study(path)
    return tidy(study.instances, study.runs, best_known)


def tidy(
    instances: pd.DataFrame, runs: pd.DataFrame, best_known: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Return the tidy table of the two tables of a store."""
    if runs.empty:
        raise InputError("no finished run", "a study with at least one")
    frame = _decoded(runs.rename(columns={"instance": "sha256", "solver": "solver_name"}))
    frame = _labelled(frame.merge(_described(instances), on="sha256", how="left"))
    frame["kind"] = [
        _kind(p, s) for p, s in zip(frame["problem"], frame["solver_name"], strict=True)
    ]
    frame["outcome"] = [
        outcome(kind, status, termination, objective)
        for kind, status, termination, objective in zip(
            frame["kind"], frame["status"], frame["termination"], frame["objective"], strict=True
        )
    ]
    # Who finds no plan where there is none has missed nothing.
    infeasible = (frame["status"] == "infeasible").groupby(frame["sha256"]).transform("any")
    nothing_missed = infeasible & (frame["outcome"] == "unsolved") & (frame["kind"] != "exact")
    frame["outcome"] = frame["outcome"].mask(nothing_missed, "solved")
    answered = frame["status"].isin(ANSWERED)
    frame["objective"] = frame["objective"].where(answered)
    frame["bound"] = frame["bound"].where(answered)
    elsewhere = best_in_library() if best_known is None else best_known
    return _with_gaps(frame, elsewhere).sort_values(
        ["problem", "instance", "solver", "seed"], kind="stable", ignore_index=True
    )


def outcome(kind: str, status: str, termination: str | None, objective: float | None) -> str:
    """Return what became of a run, one of `OUTCOMES`.

    ``solved`` asks more of an exact method, an optimum or the proof that there is no plan, than
    of a heuristic, which has to end by itself with a plan. What ends by itself with less than
    that is ``unsolved``.
    """
    if status == "invalid":
        return "invalid"
    if status not in ANSWERED or termination in _BROKEN:
        return "failed"
    if status in {"optimal", "infeasible"}:
        return "solved"
    if termination == "time-limit":
        return "timed out"
    has_plan = objective is not None and not pd.isna(objective)
    return "solved" if has_plan and kind != "exact" else "unsolved"


def signed_gap(objective: Any, reference: Any, sense: Any) -> Any:
    """Return how much worse than a reference an objective is, as a share of the larger one.

    This is the gap of `Result` with a sign, so that a plan better than a proven bound shows as a
    negative number. What is within the tolerance of optimality below 0 is 0. The sense is 1
    for ``min`` and -1 for ``max``; all three may be arrays.
    """
    objective, reference = np.asarray(objective, float), np.asarray(reference, float)
    worse = np.asarray(sense) * (objective - reference)
    scale = np.maximum(np.abs(objective), np.abs(reference))
    gap = np.divide(worse, scale, out=np.zeros_like(worse), where=scale != 0)
    gap = np.where(np.isnan(worse), np.nan, gap)
    return np.where((gap < 0) & (gap >= -OPTIMALITY_TOLERANCE), 0.0, gap)


def label(solver: str, parameters: Mapping[str, Any]) -> str:
    """Return a solver's name with its parameters as commands take them: ``ga:rounds=20``."""
    return ":".join([solver, *(f"{key}={value}" for key, value in sorted(parameters.items()))])


def family_of(source: str) -> str:
    """Return what instances have in common: a preset with its options but the seed, or a folder."""
    if ".json" in source:
        return str(Path(source).parent)
    return " ".join(word for word in source.split(" ") if not word.startswith("seed="))


def sizes(frame: pd.DataFrame) -> list[str]:
    """Return the columns with the sizes of the instances in a frame, those that vary most first."""
    names = [c for c in frame.columns if c.startswith("size_") and frame[c].notna().any()]
    return sorted(names, key=lambda name: -frame[name].nunique())


def _described(instances: pd.DataFrame) -> pd.DataFrame:
    """Return the table of instances with their sizes as columns ``size_<name>``."""
    sizes = pd.DataFrame([json.loads(text) for text in instances["size"]])
    columns = instances[["sha256", "problem", "name", "source", "file"]].reset_index(drop=True)
    columns["family"] = columns["source"].map(family_of)
    return pd.concat([columns, sizes.add_prefix("size_")], axis=1).rename(
        columns={"name": "instance"}
    )


def _decoded(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with numbers and lists for text, and without the plans, which are large."""
    frame = runs.drop(columns="solution")
    for name in _NUMBERS:
        frame[name] = pd.to_numeric(frame[name]).astype(float)
    for name in _JSON:
        frame[name] = [json.loads(text) for text in frame[name]]
    return frame


def _labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the column ``solver``, in which no two columns of a table are one."""
    names = [label(s, p) for s, p in zip(frame["solver_name"], frame["parameters"], strict=True)]
    frame["solver"] = pd.Series(names, frame.index, dtype=object)
    keys = frame["problem"] + "\n" + frame["solver"]
    twice = (frame["role"] == "reference") & keys.isin(keys[frame["role"] == "solver"])
    frame["solver"] = frame["solver"].mask(twice, frame["solver"] + REFERENCE)
    return frame


def _with_gaps(frame: pd.DataFrame, best_known: Mapping[str, float]) -> pd.DataFrame:
    """Return the frame with the references of each instance and the gaps to them."""
    sense = frame["problem"].map({p: _sense(p) for p in frame["problem"].unique()}).astype(float)
    by_instance = frame["sha256"]
    # In terms of minimising, the best plan is the smallest, the best proven bound the largest.
    best = (sense * frame["objective"]).groupby(by_instance).transform("min")
    bound = (sense * frame["bound"]).groupby(by_instance).transform("max")
    elsewhere = sense * by_instance.map(dict(best_known)).astype(float)
    frame["sense"] = sense
    frame["best_bound"] = sense * bound
    frame["best_in_study"] = sense * best
    frame["best_known"] = sense * np.fmin(best, elsewhere)
    for gap, reference in GAPS.items():
        frame[gap] = signed_gap(frame["objective"], frame[reference], sense)
    proven = frame["status"] == "optimal"
    frame["proven"] = proven.groupby(by_instance).transform("any")
    return frame


def _sense(problem: str) -> int:
    return 1 if part(problem, "models", "data").SENSE == "min" else -1


def _kind(problem: str, solver: str) -> str:
    """Return the kind of a solver; one that is gone since the study was made is ``unknown``."""
    try:
        return find_solver(problem, solver).kind
    except InputError:
        return "unknown"
