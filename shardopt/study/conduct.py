"""A study from its plan to its last row: begin or go on, make what is missing, keep each row."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from shardopt.instances.strict import read_json
from shardopt.models.errors import InputError
from shardopt.study import store
from shardopt.study.executors import Work
from shardopt.study.planning import Plan, Run, require_known, wanted_runs
from shardopt.study.protocol import protocol_of
from shardopt.study.sources import Source, size_of
from shardopt.study.store import Study

FAILED = ("crashed", "hung", "out-of-memory")
"""Statuses of runs that ended without an answer."""
CONDITIONS = {
    "reference": "--reference",
    "time_limit_s": "--time-limit",
    "threads": "--threads",
    "memory_limit_bytes": "--memory-limit",
}
"""What all runs of a study have in common."""
Executor = Callable[[Work], Iterator[dict[str, Any]]]


def begin(
    folder: Path, plan: Plan, sources: Sequence[Source], jobs: int | None, executor: str
) -> Study:
    """Make a study, or add solvers, seeds and instances to the one that is there.

    Raises
    ------
    InputError
        A solver of none of the problems; a study with other limits.
    """
    with contextlib.ExitStack() as on_failure:
        problem_of = {source.sha256: source.instance.problem for source in sources}
        study, created_at = None, None
        if store.is_study(folder):
            study = on_failure.enter_context(store.open_study(folder))
            problem_of |= {row["sha256"]: row["problem"] for row in study.instances()}
            plan = _joined(study, plan, sources)
            created_at = study.meta("protocol")["created_at"]
        if not problem_of:
            raise InputError("no instances", "a file, a folder or PROBLEM/PRESET")
        problems = sorted(set(problem_of.values()))
        require_known(plan, problems)
        protocol = protocol_of(plan, problems, jobs, executor)
        if study is None:
            study = on_failure.enter_context(store.create(folder, protocol))
        for source in sources:
            size = size_of(source.instance)
            study.add_instance(source.instance, source.sha256, source.source, size)
        study.set_meta("protocol", protocol | {"created_at": created_at or protocol["created_at"]})
        study.set_meta("plan", plan.to_json())  # the last one: without it, this was cut off
        on_failure.pop_all()
        return study


def kept_plan(folder: Path) -> Plan | None:
    """Return the plan of a study; ``None`` where there is no study, or only its beginning."""
    if not store.is_study(folder):
        return None
    with store.open_study(folder) as study:
        value = study.meta("plan")
    return None if value is None else Plan.from_json(value)


def missing_runs(study: Study, plan: Plan, *, retry: bool = False) -> tuple[list[Run], int]:
    """Return the runs that a study wants and does not have, and how many it wants.

    Parameters
    ----------
    retry
        Count runs that crashed, hung or ran out of memory as missing.
    """
    runs = wanted_runs(plan, study.instances())
    study.set_wanted({run.key: run.role for run in runs})
    if retry:
        study.drop_runs(FAILED)
    done = study.keys()
    return [run for run in runs if run.key not in done], len(runs)


def make(study: Study, runs: Iterable[Run], executor: Executor) -> Generator[dict[str, Any]]:
    """Make runs, keep each row as it comes, and yield it."""
    files = {row["sha256"]: study.folder / row["file"] for row in study.instances()}

    @functools.lru_cache(maxsize=16)  # runs come instance by instance
    def file_of(instance: str) -> Any:
        return read_json(files[instance])

    for row in executor((run, file_of(run.instance)) for run in runs):
        study.add_run(row)
        yield row


def _joined(study: Study, plan: Plan, sources: Sequence[Source]) -> Plan:
    """Return the plan of a study with more added to it."""
    value = study.meta("plan")
    if value is None:
        if not sources:
            found = "a study that was killed before it had a plan"
            raise InputError(found, "the whole command again", file=str(study.folder))
        return plan
    kept = Plan.from_json(value)
    for name, option in CONDITIONS.items():
        old, new = getattr(kept, name), getattr(plan, name)
        if old != new:
            expected = f"{old}, as in this study's other runs (or another folder)"
            raise InputError(str(new), expected, option, file=str(study.folder))
    return kept.with_more(plan)
