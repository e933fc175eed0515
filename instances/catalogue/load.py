"""Reads the catalogue's TOML files, and finds entries by name."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from shardopt.instances.catalogue.schema import (
    DeviceEntry,
    DevicesFile,
    Entry,
    Figure,
    LinkEntry,
    LinksFile,
    MachineFile,
    ModelEntry,
    ModelsFile,
    StorageEntry,
    StorageFile,
)
from shardopt.instances.strict import shown, validate
from shardopt.models.errors import InputError

Kind = Literal["models", "devices", "links", "storage"]
KINDS: tuple[Kind, ...] = ("models", "devices", "links", "storage")
FOLDER = Path(__file__).parent

_File = DevicesFile | LinksFile | ModelsFile | StorageFile | MachineFile
_SCHEMAS: dict[Kind, type[_File]] = {
    "models": ModelsFile,
    "devices": DevicesFile,
    "links": LinksFile,
    "storage": StorageFile,
}
AnyEntry = TypeVar("AnyEntry", bound=Entry)


@dataclass(frozen=True)
class Shelf(Generic[AnyEntry]):
    """The entries of one kind by name, and the sources that their figures name."""

    entries: Mapping[str, AnyEntry]
    sources: Mapping[str, str]


def devices() -> Shelf[DeviceEntry]:
    """Return the devices."""
    return read_shelf(FOLDER / "devices.toml", "devices")


def links() -> Shelf[LinkEntry]:
    """Return the links."""
    return read_shelf(FOLDER / "links.toml", "links")


def storage() -> Shelf[StorageEntry]:
    """Return the kinds of storage."""
    return read_shelf(FOLDER / "storage.toml", "storage")


def models() -> Shelf[ModelEntry]:
    """Return the models."""
    return read_shelf(FOLDER / "models.toml", "models")


@cache
def read_shelf(path: Path, kind: Kind) -> Shelf[AnyEntry]:
    """Read one file of the catalogue.

    Raises
    ------
    InputError
        With the file, the place in it, what was found and what was expected.
    """
    return _read(path, _SCHEMAS[kind], (kind,))


def read_machine(path: Path) -> Shelf[Entry]:
    """Read the devices and the storage of a file that `shardopt profile` wrote.

    Raises
    ------
    InputError
        As `read_shelf` does.
    """
    return _read(path, MachineFile, ("devices", "storage"))


def _read(path: Path, schema: type[_File], kinds: tuple[Kind, ...]) -> Shelf[Any]:
    found: dict[str, Entry] = {}
    try:
        file = validate(schema, _parse(path))
        for kind in kinds:
            for n, entry in enumerate(getattr(file, kind)):
                if entry.name in found:
                    raise InputError(shown(entry.name), "a new name", f"{kind}[{n}].name")
                _require_sources(entry, file.sources, f"{kind}[{n}]")
                found[entry.name] = entry
    except InputError as error:
        raise error.in_file(str(path)) from None
    return Shelf(found, file.sources)


def find(shelf: Shelf[AnyEntry], name: str, what: str) -> AnyEntry:
    """Return the entry called ``name``; an error tells the nearest names."""
    if name in shelf.entries:
        return shelf.entries[name]
    raise unknown(name, shelf.entries, what)


def find_anywhere(name: str) -> tuple[Entry, Mapping[str, str]]:
    """Return the entry called ``name`` of any kind, and the sources of its file."""
    entries: dict[str, tuple[Entry, Mapping[str, str]]] = {}
    for kind in KINDS:
        shelf: Shelf[Entry] = read_shelf(FOLDER / f"{kind}.toml", kind)
        entries |= {known: (entry, shelf.sources) for known, entry in shelf.entries.items()}
    if name not in entries:
        raise unknown(name, entries, "a name of the catalogue")
    return entries[name]


def figures(entry: Entry) -> Iterator[tuple[str, Figure]]:
    """Return the figures of an entry with their fields' names."""
    for field in type(entry).model_fields:
        value = getattr(entry, field)
        if isinstance(value, Figure):
            yield field, value


def unknown(name: str, known: Mapping[str, object] | list[str], what: str) -> InputError:
    """Return the error for a name that is not there, with the nearest ones."""
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    if not close:  # a part of a name, e.g. "orin"
        close = [other for other in known if name and name.lower() in other][:3]
    hint = f" (did you mean {' or '.join(close)}?)" if close else ""
    return InputError(shown(name) + hint, f"{what}: see `shardopt catalogue`", "name")


def _parse(path: Path) -> object:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(str(error), "valid TOML") from None
    except UnicodeDecodeError as error:
        raise InputError(f"a byte that is not UTF-8 at offset {error.start}", "UTF-8") from None
    except OSError as error:
        raise InputError(error.strerror or str(error), "a readable file") from None


def _require_sources(entry: Entry, sources: Mapping[str, str], path: str) -> None:
    named = {f"{field}.source": figure.source for field, figure in figures(entry)}
    if isinstance(entry, ModelEntry):
        named["config_source"] = entry.config_source
    for field, source in named.items():
        if source not in sources:
            raise InputError(shown(source), "a key of [sources]", f"{path}.{field}")
