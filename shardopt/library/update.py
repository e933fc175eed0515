"""Adds what is new to a library, and refuses what contradicts it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shardopt.instances.files import instance_sha256, read_instance, solution_to_json
from shardopt.library.claims import Claim
from shardopt.library.manifest import (
    SOLUTIONS,
    Entry,
    Event,
    add_events,
    file_name,
    new_event,
    only_writer,
    read_entries,
    status_of,
    write_entries,
    write_whole,
)
from shardopt.models.discover import part
from shardopt.models.errors import InputError
from shardopt.models.result import AnySolution, relative_gap
from shardopt.study.answers import SAME, what_is_wrong
from shardopt.study.contradictions import contradictions


class ContradictionError(Exception):
    """Claims that cannot all be right with what a library has; each line names two."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("; ".join(lines))


@dataclass(frozen=True)
class Change:
    """An entry as it will be, the events that tell of it, and its new plan, if there is one."""

    entry: Entry
    events: tuple[Event, ...]
    plan: AnySolution | None = None


def record(library: Path, claims: Sequence[Claim]) -> list[Event]:
    """Record what claims improve, and return the events: all of them, or none.

    Raises
    ------
    ContradictionError
        A plan better than a proven bound, a plan where there is none, and the like, among the
        claims or between them and the library.
    InputError
        A result that contradicts itself or the checker; a folder that cannot be written.
    """
    problems = sorted({claim.result.problem for claim in claims})
    with ExitStack() as stack:
        for problem in problems:
            stack.enter_context(only_writer(library / problem))
        todo = {
            problem: _changes(library, problem, [c for c in claims if c.result.problem == problem])
            for problem in problems
        }
        for problem, changes in todo.items():
            _write(library, problem, changes)
    return [event for changes in todo.values() for change in changes for event in change.events]


def _changes(library: Path, problem: str, claims: Sequence[Claim]) -> list[Change]:
    """Return what claims change in a problem's part; raises where they cannot be believed."""
    entries = {entry.sha256: entry for entry in read_entries(library, problem)}
    sign = 1.0 if part(problem, "models", "data").SENSE == "min" else -1.0
    of_instance: dict[str, list[Claim]] = {}
    for claim in claims:
        of_instance.setdefault(claim.sha256, []).append(claim)
    for sha256, about in of_instance.items():
        _refuse_wrong(library / problem / entries[sha256].file, sha256, about)
    _refuse_contradictions(problem, {s: entries[s] for s in of_instance}, claims)
    changes = [_change(entries[sha256], about, sign) for sha256, about in of_instance.items()]
    return [change for change in changes if change is not None]


def _refuse_contradictions(
    problem: str, entries: dict[str, Entry], claims: Sequence[Claim]
) -> None:
    instances = [
        {"sha256": sha256, "problem": problem, "name": entry.name, "file": entry.file}
        for sha256, entry in entries.items()
    ]
    rows = [row for entry in entries.values() for row in _rows_of(entry)]
    rows += [
        {
            "instance": claim.sha256,
            "solver": f"{claim.by.solver} ({claim.place})",
            "parameters": {},
            "seed": claim.by.settings.get("seed"),
            "status": claim.result.status,
            "objective": claim.result.objective,
            "bound": claim.result.bound,
        }
        for claim in claims
    ]
    found = contradictions(instances, rows)
    if found:
        raise ContradictionError([str(contradiction) for contradiction in found])


def _rows_of(entry: Entry) -> Iterator[dict[str, Any]]:
    """Yield what a library says of an instance, its plan and its proof, as rows of a study."""
    row: dict[str, Any] = {"instance": entry.sha256, "parameters": {}, "seed": None}
    row |= {"status": "unknown", "objective": None, "bound": None}
    if entry.found is not None:
        who = f"the library ({entry.found.solver}, {entry.found.date})"
        yield row | {"solver": who, "objective": entry.objective}
    if entry.proven is not None:
        who = f"the library ({entry.proven.solver}, {entry.proven.date})"
        status = entry.status if entry.status == "infeasible" else "unknown"
        yield row | {"solver": who, "status": status, "bound": entry.bound}


def _refuse_wrong(path: Path, sha256: str, claims: Sequence[Claim]) -> None:
    instance = read_instance(path)
    if instance_sha256(instance) != sha256:
        expected = f"{sha256}, as the manifest says"
        raise InputError(f"the hash {instance_sha256(instance)}", expected, file=str(path))
    for claim in claims:
        wrong = what_is_wrong(instance, claim.result)
        if wrong is not None:
            raise InputError(wrong, "a result that holds", file=claim.place)


def _change(entry: Entry, claims: Sequence[Claim], sign: float) -> Change | None:
    """Return what the best plan and the best bound of some claims change, ``None`` for nothing."""
    if entry.status == "infeasible":
        return None
    proof = next((claim for claim in claims if claim.result.status == "infeasible"), None)
    if proof is not None:
        known = {"status": "infeasible", "bound": None, "proven": proof.by}
        new = entry.model_copy(update=known)
        return Change(new, (new_event(new, "infeasible", None, None, proof.by),))
    plan = _best(claims, "objective", sign, entry.objective)
    objective = entry.objective if plan is None else plan.result.objective
    proof = _best(claims, "bound", -sign, entry.bound)
    bound = entry.bound if proof is None else proof.result.bound
    if objective is not None and bound is not None and sign * bound > sign * objective:
        bound = objective  # by less than the tolerance, or it would be a contradiction
    if not _better(bound, entry.bound, -sign):
        proof = None
    if plan is None and proof is None:
        return None
    new = entry.model_copy(
        update={
            "status": status_of(objective, bound, infeasible=False),
            "objective": objective,
            "found": entry.found if plan is None else plan.by,
            "bound": bound,
            "proven": entry.proven if proof is None else proof.by,
        }
    )
    events = []
    if plan is not None:
        events.append(new_event(new, "plan", entry.objective, objective, plan.by))
    if proof is not None:
        events.append(new_event(new, "bound", entry.bound, bound, proof.by))
    return Change(new, tuple(events), None if plan is None else plan.result.solution)


def _best(claims: Sequence[Claim], key: str, sign: float, known: float | None) -> Claim | None:
    """Return the claim with the least number where it is less than the known one."""
    named = [claim for claim in claims if getattr(claim.result, key) is not None]
    best = min(named, key=lambda claim: sign * getattr(claim.result, key), default=None)
    return best if best and _better(getattr(best.result, key), known, sign) else None


def _better(value: float | None, known: float | None, sign: float) -> bool:
    """Return whether a number is less than a known one by more than rounding."""
    if value is None or known is None:
        return value is not None
    return sign * value < sign * known and relative_gap(value, known) > SAME


def _write(library: Path, problem: str, changes: Sequence[Change]) -> None:
    """Write plans, then the history, then the manifest.

    What is killed in between is mended by the same update again: without the manifest it is news.
    """
    folder = library / problem
    changed = {}
    for change in changes:
        entry = change.entry
        if change.plan is not None:
            file = solution_to_json(read_instance(folder / entry.file), change.plan)
            entry = entry.model_copy(
                update={"solution": f"{SOLUTIONS}/{file_name(entry.name, file)}"}
            )
            write_whole(folder / str(entry.solution), file)
        changed[entry.name] = entry
    add_events(library, problem, [event for change in changes for event in change.events])
    before = read_entries(library, problem)
    after = [changed.get(entry.name, entry) for entry in before]
    write_entries(library, problem, after)
    gone = {entry.solution for entry in before} - {entry.solution for entry in after} - {None}
    for name in gone:  # the plan has another size, and is compressed now, or no more
        (folder / str(name)).unlink()
