"""What a library's files say: a manifest and a history for each problem.

``docs/library.md`` describes the folder. Adding a problem adds a folder and changes no other.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

import shardopt.instances
from shardopt.instances.strict import (
    NonEmptyText,
    Number,
    StrictModel,
    parse_json,
    read_json,
    require_unique_names,
    shown,
    validate,
    write_json,
)
from shardopt.models.discover import problem_ids, require_problem
from shardopt.models.errors import InputError
from shardopt.models.result import OPTIMALITY_TOLERANCE, Status, relative_gap

FORMAT = "shardopt-library/1"
MANIFEST = "manifest.json"
EVENTS = "events.jsonl"
SOLUTIONS = "solutions"
PLAIN_BYTES = 40_000
"""A file that would be larger is compressed."""
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_FILE = rf"^{NAME}\.json(\.gz)?$"


class Credit(StrictModel):
    """Who found a plan or proved a bound, with which settings, and when."""

    solver: NonEmptyText
    settings: dict[str, Any]
    version: str
    date: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]


class Entry(StrictModel):
    """What is known of one instance. ``source`` is the command that makes it, or who published it.

    ``found`` tells where the plan is from, ``proven`` the bound, or the proof that there is no
    plan.
    """

    name: Annotated[str, Field(pattern=rf"^{NAME}$")]
    file: Annotated[str, Field(pattern=_FILE)]
    source: NonEmptyText
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: dict[str, int]
    status: Status
    objective: Number | None
    solution: Annotated[str, Field(pattern=rf"^{SOLUTIONS}/{_FILE[1:]}")] | None
    found: Credit | None
    bound: Number | None
    proven: Credit | None

    @property
    def gap(self) -> float | None:
        """Relative gap between objective and bound, or ``None`` when one of them is missing."""
        if self.objective is None or self.bound is None:
            return None
        return relative_gap(self.objective, self.bound)


class Manifest(StrictModel):
    """The file ``manifest.json`` of a problem."""

    format: Literal["shardopt-library/1"]
    problem: str
    instances: list[Entry]


What = Literal["added", "plan", "bound", "infeasible"]


class Event(StrictModel):
    """A line of ``events.jsonl``: what became known of an instance, and by whom."""

    recorded: NonEmptyText
    instance: NonEmptyText
    what: What
    before: Number | None
    after: Number | None
    status: Status
    by: Credit | None


def shipped() -> Path:
    """Return the folder of the library that is installed with shardopt."""
    return Path(shardopt.instances.__path__[0]) / "library"


def problems_in(library: Path, asked: Sequence[str] = ()) -> list[str]:
    """Return the problems that a library has instances of, or those of them that are asked for.

    Raises
    ------
    InputError
        No library there, or none of a problem that is asked for.
    """
    have = [problem for problem in problem_ids() if (library / problem).is_dir()]
    if not have:
        expected = "a folder with one for each problem"
        raise InputError("no library there", expected, file=str(library))
    for problem in asked:
        require_problem(problem)
        if problem not in have:
            raise InputError(f"no {problem}", ", ".join(have), file=str(library))
    return [problem for problem in have if problem in asked or not asked]


def read_entries(library: Path, problem: str) -> list[Entry]:
    """Return a problem's entries; raises `InputError`."""
    path = library / problem / MANIFEST
    try:
        manifest = validate(Manifest, read_json(path))
        if manifest.problem != problem:
            raise InputError(shown(manifest.problem), f'"{problem}", like its folder', "problem")
        require_unique_names(manifest.instances, "instances")
    except InputError as error:
        raise error.in_file(str(path)) from None
    return manifest.instances


def write_entries(library: Path, problem: str, entries: Iterable[Entry]) -> None:
    """Write a problem's manifest, whole or not at all."""
    rows = [entry.model_dump() for entry in sorted(entries, key=lambda entry: entry.name)]
    value = {"format": FORMAT, "problem": problem, "instances": rows}
    write_whole(library / problem / MANIFEST, value)


def read_events(library: Path, problem: str) -> list[Event]:
    """Return a problem's history, oldest first; raises `InputError`."""
    path = library / problem / EVENTS
    if not path.is_file():
        raise InputError("no such file", "the history of the manifest", file=str(path))
    events = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            events.append(validate(Event, parse_json(line)))
        except InputError as error:
            raise error.in_file(f"{path}, line {number}") from None
    return events


def add_events(library: Path, problem: str, events: Iterable[Event]) -> None:
    """Append to a problem's history."""
    path = library / problem / EVENTS
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = (json.dumps(event.model_dump(), ensure_ascii=False) + "\n" for event in events)
    scratch = path.with_name(f".new-{EVENTS}")
    scratch.write_text(before + "".join(lines), encoding="utf-8")
    scratch.replace(path)


def new_event(
    entry: Entry, what: What, before: float | None, after: float | None, by: Credit | None
) -> Event:
    """Return an event of now; ``entry`` is what is known from now on."""
    return Event(
        recorded=datetime.now(UTC).isoformat(timespec="seconds"),
        instance=entry.name,
        what=what,
        before=before,
        after=after,
        status=entry.status,
        by=by,
    )


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other processes from changing a problem's part of a library until the block ends."""
    if not os.access(folder, os.W_OK):
        expected = "one that can be written: --library with a copy of it"
        raise InputError("a folder that cannot be written", expected, file=str(folder))
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_whole(path: Path, value: Any) -> None:
    """Write JSON in such a way that the file is the old one or the new one at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".new-{path.name}")
    write_json(scratch, value)
    scratch.replace(path)


def file_name(name: str, value: Any) -> str:
    """Return the name of the file for a JSON value: large ones are compressed."""
    large = len(json.dumps(value, indent=1)) > PLAIN_BYTES
    return f"{name}.json.gz" if large else f"{name}.json"


def status_of(objective: float | None, bound: float | None, infeasible: bool) -> Status:
    """Return the status that follows from what is known."""
    if infeasible:
        return "infeasible"
    if objective is None:
        return "unknown"
    closed = bound is not None and relative_gap(objective, bound) <= OPTIMALITY_TOLERANCE
    return "optimal" if closed else "feasible"


def best_known(library: Path | None = None) -> Mapping[str, float]:
    """Return the best known objectives by the hash of the instance, those shipped by default."""
    library = library or shipped()
    return {
        entry.sha256: entry.objective
        for problem in problems_in(library)
        for entry in read_entries(library, problem)
        if entry.objective is not None
    }
