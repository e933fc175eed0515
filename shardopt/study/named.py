"""Names with options behind colons: ``ga:population=50``, ``cold-start/typed:types=4``."""

from __future__ import annotations

from shardopt.models.errors import InputError


def named_options(text: str) -> tuple[str, dict[str, str]]:
    """Return the name and the options of ``name:key=value:key=value``."""
    name, *pairs = text.split(":")
    options: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.replace("-", "_")
        if not equals or not key or key in options:
            raise InputError(repr(text), "NAME:KEY=VALUE:KEY=VALUE, each key once")
        options[key] = value
    if not name:
        raise InputError(repr(text), "a name")
    return name, options
