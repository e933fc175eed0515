"""Where the instances of a study come from: files, folders, scenarios and presets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shardopt.api import generate, load
from shardopt.instances.files import INSTANCE_FORMAT, instance_from_json, instance_sha256
from shardopt.instances.presets import find_preset
from shardopt.instances.scenario import is_scenario
from shardopt.instances.strict import read_json
from shardopt.models.errors import InputError
from shardopt.options import option_types
from shardopt.study.named import named_options


@dataclass(frozen=True)
class Source:
    """An instance and where it came from: a file, a scenario, or a preset with its options."""

    instance: Any
    sha256: str
    source: str


def find_instances(
    places: Sequence[str],
    settings: Mapping[str, str],
    count: int | None,
    problem: str | None = None,
) -> list[Source]:
    """Return the instances that files, folders, scenarios and presets name, each once.

    Parameters
    ----------
    places
        A file; a folder, of which all instance files are taken; a scenario (``.toml``); or
        ``PROBLEM/PRESET``, with options of its own behind colons:
        ``cold-start/typed:types=4:per-type=3``.
    settings
        Options for all presets among the places that have them.
    count
        How many instances each preset gives, with seeds from 0 (or from its option ``seed``)
        upwards; by default one, with the preset's own seed.
    problem
        The problem that scenarios are for, by default the one that each names itself.

    Raises
    ------
    InputError
        A place that is none of these, a file that cannot be read, an option that no preset has,
        a problem without a scenario.
    """
    if count is not None and not 1 <= count <= 100_000:
        raise InputError(str(count), "an integer from 1 to 100000", "--instances")
    if problem is not None and not any(map(is_scenario, places)):
        raise InputError("no scenario", "a name that ends in .toml", "--problem")
    left_over = dict(settings)
    found: dict[str, Source] = {}
    presets = 0
    for place in places:
        path = Path(place)
        sources: Iterable[Source]
        if path.is_dir():
            sources = _in_folder(path)
        elif is_scenario(place):
            instance = load(path, problem)
            sources = [Source(instance, instance_sha256(instance), place)]
        elif path.exists() or not _names_a_preset(place):
            sources = [_in_file(path, read_json(path))]
        else:
            presets += 1
            sources = _of_preset(place, settings, left_over, count)
        for source in sources:
            found.setdefault(source.sha256, source)
    if left_over:
        raise InputError(f"the option {next(iter(left_over))!r}", "an option of a preset", "--set")
    if count is not None and presets == 0:
        raise InputError("no preset", "a preset to draw instances from", "--instances")
    return list(found.values())


def size_of(instance: Any) -> dict[str, float]:
    """Return the numbers of things that an instance is made of, by name.

    These are the lengths of its lists of things, of lists in them too, and what it calls
    ``<thing>_count``.
    """
    size: dict[str, float] = {}
    for name in dir(type(instance)):
        if name.endswith("_count") and isinstance(getattr(type(instance), name), property):
            size[f"{name.removesuffix('_count')}s"] = getattr(instance, name)
    for name, number in _counted(instance):
        size[name] = size.get(name, 0) + number
    return size


def _counted(thing: Any) -> Iterator[tuple[str, int]]:
    for field in dataclasses.fields(thing):
        value = getattr(thing, field.name)
        if field.name.endswith("_count") and isinstance(value, int):
            yield f"{field.name.removesuffix('_count')}s", value
        elif dataclasses.is_dataclass(value):
            yield from _counted(value)
        elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            yield field.name, len(value)
            for entry in value:
                yield from _counted(entry)


def _names_a_preset(place: str) -> bool:
    problem, slash, preset = place.partition("/")
    return bool(problem and slash and preset) and ".json" not in place


def _in_folder(folder: Path) -> Iterator[Source]:
    """Yield the instances in a folder and below; solutions and results are passed over."""
    paths = sorted(path for path in folder.rglob("*.json*") if path.name.endswith(_ENDINGS))
    none = True
    for path in paths:
        value = read_json(path, finite=False)
        if isinstance(value, dict) and value.get("format") == INSTANCE_FORMAT:
            none = False
            yield _in_file(path, read_json(path))
    if none:
        raise InputError("no instance file", "at least one", file=str(folder))


_ENDINGS = (".json", ".json.gz")


def _in_file(path: Path, value: Any) -> Source:
    try:
        instance = instance_from_json(value)
    except InputError as error:
        raise error.in_file(str(path)) from None
    return Source(instance, instance_sha256(instance), str(path))


def _of_preset(
    place: str, settings: Mapping[str, str], left_over: dict[str, str], count: int | None
) -> Iterator[Source]:
    name, own = named_options(place)
    problem, _, preset = name.partition("/")
    known = option_types(find_preset(problem, preset), frozenset())
    shared = {key: value for key, value in settings.items() if key in known}
    for key in shared:
        left_over.pop(key, None)
    options: dict[str, Any] = shared | own
    for drawn in _drawn(options, count):
        instance = generate(problem, preset, **drawn)
        words = [f"{problem}/{preset}", *(f"{key}={value}" for key, value in drawn.items())]
        yield Source(instance, instance_sha256(instance), " ".join(words))


def _drawn(options: dict[str, Any], count: int | None) -> Iterable[dict[str, Any]]:
    if count is None:
        return [options]
    first = str(options.get("seed", 0))
    if not first.isdecimal():
        raise InputError(repr(first), "an integer", "seed")
    return [options | {"seed": int(first) + n} for n in range(count)]
