"""Does everything in a library hold? Each plan is checked again, each number compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shardopt.api import check
from shardopt.instances.files import instance_sha256, read_instance, solution_from_json
from shardopt.instances.strict import read_json, shown
from shardopt.library.manifest import (
    EVENTS,
    MANIFEST,
    SOLUTIONS,
    Entry,
    Event,
    read_entries,
    read_events,
    status_of,
)
from shardopt.models.discover import part
from shardopt.models.errors import InputError
from shardopt.models.result import OPTIMALITY_TOLERANCE, relative_gap
from shardopt.study.answers import SAME
from shardopt.study.sources import size_of


def faults(library: Path, problem: str) -> Iterator[InputError]:
    """Yield all that is wrong with a problem's part of a library, with its place."""
    folder = library / problem
    try:
        entries = read_entries(library, problem)
        events = read_events(library, problem)
    except InputError as error:
        yield error
        return
    sign = 1.0 if part(problem, "models", "data").SENSE == "min" else -1.0
    for entry in entries:
        for found, expected, key in [*_in_numbers(entry, sign), *_in_history(entry, events)]:
            yield InputError(found, expected, f"{entry.name}.{key}", str(folder / MANIFEST))
        yield from _in_files(folder, entry)
    yield from _strangers(folder, entries, events)


def _in_numbers(entry: Entry, sign: float) -> Iterator[tuple[str, str, str]]:
    """Yield what is found and expected, and the key, where an entry contradicts itself."""
    objective, bound = entry.objective, entry.bound
    infeasible = entry.status == "infeasible"
    for key, there, needed, reason in (
        ("solution", entry.solution, objective is not None, "as there is an objective"),
        ("found", entry.found, objective is not None, "as there is an objective"),
        ("proven", entry.proven, infeasible or bound is not None, "as something is proven"),
    ):
        if (there is not None) != needed:
            yield (("nothing", f"this, {reason}") if needed else ("this", "null")) + (key,)
    if infeasible and (objective is not None or bound is not None):
        yield "an objective or a bound", 'none beside "infeasible"', "status"
        return
    if objective is not None and bound is not None and sign * bound > sign * objective:
        side = "at most" if sign > 0 else "at least"
        yield f"{bound!r}", f"{side} the objective, {objective!r}", "bound"
    follows = status_of(objective, bound, infeasible)
    if entry.status != follows:
        yield f'"{entry.status}"', f'"{follows}", which follows from objective and bound', "status"


def _in_history(entry: Entry, events: Sequence[Event]) -> Iterator[tuple[str, str, str]]:
    """Yield where the last events of an instance tell something else than its entry."""
    own = [event for event in events if event.instance == entry.name]
    last: dict[str, float | None] = {event.what: event.after for event in own}
    if "added" not in last:
        yield "no event that it was added", f"one in {EVENTS}", "name"
    for what, key, value in (
        ("plan", "objective", entry.objective),
        ("bound", "bound", entry.bound),
    ):
        told = last.get(what)
        if entry.status == "infeasible":
            continue
        if not _same(told, value):
            yield f"{value!r}", f"{told!r}, as the last event in {EVENTS} says", key
    if (entry.status == "infeasible") != ("infeasible" in last):
        yield f'"{entry.status}"', f"what {EVENTS} says", "status"


def _same(told: float | None, value: float | None) -> bool:
    """Return whether two numbers are one; a bound gives way to a plan within the tolerance."""
    if told is None or value is None:
        return told is value
    return relative_gap(told, value) <= OPTIMALITY_TOLERANCE


def _in_files(folder: Path, entry: Entry) -> Iterator[InputError]:
    """Yield what is wrong with the files of an entry."""
    manifest = str(folder / MANIFEST)
    try:
        instance = read_instance(folder / entry.file)
    except InputError as error:
        yield error
        return
    for key, told, found in (
        ("problem", folder.name, instance.problem),
        ("name", entry.name, instance.name),
        ("sha256", entry.sha256, instance_sha256(instance)),
        ("size", entry.size, size_of(instance)),
    ):
        if told != found:
            expected = f"{shown(found)}, as in {entry.file}"
            yield InputError(shown(told), expected, f"{entry.name}.{key}", manifest)
    if entry.solution is not None and instance.problem == folder.name:
        yield from _in_plan(folder, entry, instance)


def _in_plan(folder: Path, entry: Entry, instance: Any) -> Iterator[InputError]:
    """Yield what the checker says against the plan of an entry."""
    path = folder / str(entry.solution)
    try:
        value = read_json(path)
        report = check(instance, solution_from_json(value, instance.problem))
    except InputError as error:
        yield error if error.file else error.in_file(str(path))
        return
    if value["instance"] != entry.name:
        expected = f"{shown(entry.name)}, whose plan it is"
        yield InputError(shown(value["instance"]), expected, "instance", str(path))
    if not report.feasible:
        broken = f"a plan that breaks a rule: {report.violations[0].message}"
        yield InputError(broken, "a feasible plan", file=str(path))
    elif not _worth(report.objective, entry.objective):
        expected = f"{report.objective!r}, which the checker finds for {entry.solution}"
        where = f"{entry.name}.objective"
        yield InputError(f"{entry.objective!r}", expected, where, str(folder / MANIFEST))


def _worth(recomputed: float | None, told: float | None) -> bool:
    return recomputed is None or told is None or relative_gap(recomputed, told) <= SAME


def _strangers(
    folder: Path, entries: Sequence[Entry], events: Sequence[Event]
) -> Iterator[InputError]:
    """Yield the files and events that no entry knows, and files that two entries share."""
    named = [entry.file for entry in entries]
    named += [entry.solution for entry in entries if entry.solution is not None]
    for name in sorted({name for name in named if named.count(name) > 1}):
        expected = "a file of its own for every instance"
        yield InputError(f"{name} twice", expected, file=str(folder / MANIFEST))
    for path in sorted([*folder.iterdir(), *(folder / SOLUTIONS).glob("*")]):
        name = path.relative_to(folder).as_posix()
        if name not in {*named, MANIFEST, EVENTS, SOLUTIONS}:
            yield InputError("a file", f"none that {MANIFEST} does not name", file=str(path))
    known = {entry.name for entry in entries}
    for name in sorted({event.instance for event in events} - known):
        yield InputError(f"the instance {name!r}", f"one of {MANIFEST}", file=str(folder / EVENTS))
