"""Adds instances to a library, of which nothing is known yet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shardopt.instances.files import instance_sha256, instance_to_json, read_instance
from shardopt.library.manifest import (
    MANIFEST,
    NAME,
    Entry,
    Event,
    add_events,
    file_name,
    new_event,
    only_writer,
    read_entries,
    write_entries,
    write_whole,
)
from shardopt.models.errors import InputError
from shardopt.study.sources import Source, size_of


def add(library: Path, sources: Sequence[Source]) -> list[Event]:
    """Add instances, of which nothing is known yet, and return the events.

    Raises
    ------
    InputError
        An instance whose name the library has already, or that cannot be a file's name.
    """
    events = []
    for source in sources:
        problem = source.instance.problem
        (library / problem).mkdir(parents=True, exist_ok=True)
        with only_writer(library / problem):
            is_new = not (library / problem / MANIFEST).is_file()
            entries = [] if is_new else read_entries(library, problem)
            value = instance_to_json(source.instance)
            entry = _new_entry(source, value, entries)
            _keep_instance(library / problem / entry.file, value, entry.sha256)
            events.append(new_event(entry, "added", None, None, None))
            add_events(library, problem, events[-1:])
            write_entries(library, problem, [*entries, entry])
    return events


def _new_entry(source: Source, value: Any, entries: Sequence[Entry]) -> Entry:
    name = source.instance.name
    for entry in entries:
        if entry.name == name or entry.sha256 == source.sha256:
            raise InputError(f"{name!r} again", f"what is not {entry.name!r}", file=source.source)
    if re.fullmatch(NAME, name) is None:
        expected = "a name of letters, digits, dots, - and _"
        raise InputError(repr(name), expected, "name", source.source)
    return Entry(
        name=name,
        file=file_name(name, value),
        source=_origin(source),
        sha256=source.sha256,
        size={key: int(number) for key, number in size_of(source.instance).items()},
        status="unknown",
        objective=None,
        solution=None,
        found=None,
        bound=None,
        proven=None,
    )


def _keep_instance(path: Path, value: Any, sha256: str) -> None:
    """Write an instance, unless its file is there already."""
    if not path.exists():
        write_whole(path, value)
    elif instance_sha256(read_instance(path)) != sha256:
        raise InputError("another instance", f"one with the hash {sha256}", file=str(path))


def _origin(source: Source) -> str:
    """Return the command that makes an instance, or what its file says of its source."""
    if Path(source.source).exists():
        return str(source.instance.source)
    place, *options = source.source.split()
    problem, _, preset = place.partition("/")
    words = ["shardopt generate", problem, "--preset", preset]
    for option in options:
        key, _, value = option.partition("=")
        words += [f"--{key.replace('_', '-')}", value]
    return " ".join(words)
