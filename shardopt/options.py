"""Matches named options, given as text or as values, to the parameters of a plain function."""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from shardopt.models.errors import InputError


def option_types(function: Callable[..., Any], hidden: frozenset[str]) -> dict[str, Any]:
    """Return the keyword-only parameters of a function and their types, less the hidden ones."""
    hints = typing.get_type_hints(function)
    return {
        name: hints.get(name, str)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in hidden
    }


def accepted(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values that the function has a parameter for."""
    names = inspect.signature(function).parameters
    return {name: value for name, value in values.items() if name in names}


def parse_options(
    owner: str,
    function: Callable[..., Any],
    given: Mapping[str, Any],
    hidden: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Convert options to the types of the function's parameters.

    Raises
    ------
    InputError
        An option that the function does not have, or a value of the wrong type.
    """
    types_ = option_types(function, hidden)
    parsed = {}
    for raw_name, value in given.items():
        name = raw_name.replace("-", "_")
        if name not in types_:
            close = difflib.get_close_matches(name, types_, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            expected = "one of " + ", ".join(types_) if types_ else "none, it has no options"
            raise InputError(f"the option {raw_name!r}{hint}", expected, owner)
        parsed[name] = _convert(value, types_[name], f"{owner}: {raw_name}")
    return parsed


def _convert(value: Any, kind: Any, path: str) -> Any:
    allowed = choices(kind)
    if allowed:
        if value not in allowed:
            expected = "one of " + ", ".join(str(choice) for choice in allowed)
            raise InputError(repr(value), expected, path)
        return value
    members = [t for t in typing.get_args(kind) if t is not type(None)]
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        if value is None:
            return None
        kind = members[0]
    if not isinstance(value, str):
        return value
    words = {bool: "true or false", int: "an integer", float: "a number"}
    try:
        if kind is bool:
            return {"true": True, "false": False}[value.lower()]
        return kind(value) if kind in (int, float) else value
    except (KeyError, ValueError):
        raise InputError(repr(value), words[kind], path) from None


def choices(kind: Any) -> tuple[Any, ...]:
    """Return the values that a ``Literal`` type allows; none for any other type."""
    return typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()
