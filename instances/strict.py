"""Reads JSON strictly, and turns pydantic's complaints into one line that names the place."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from shardopt.models.errors import InputError

MAX_FILE_BYTES = 1 << 30
"""A file that unpacks to more than 1 GiB is refused."""

Model = TypeVar("Model", bound="StrictModel")


class StrictModel(BaseModel):
    """Base of all file schemas: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _not_null(value: Any) -> Any:
    if value is None:
        raise ValueError("leave it out, null is not allowed")
    return value


def _finite(value: Any) -> Any:
    """Refuse integers that no float can hold before pydantic converts them."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**300:
        return math.inf
    return value


MAX_NUMBER = 1e30
Number = Annotated[float, BeforeValidator(_finite)]
NonNegative = Annotated[Number, Field(ge=0, le=MAX_NUMBER)]
Positive = Annotated[Number, Field(ge=1e-9, le=MAX_NUMBER)]
NonEmptyText = Annotated[str, Field(min_length=1)]
AbsentOr = BeforeValidator(_not_null)
"""Put on optional fields: they may be absent, but not null."""


def read_json(path: str | Path) -> Any:
    """Read a ``.json`` or ``.json.gz`` file.

    Raises
    ------
    InputError
        Not there, a directory, not readable, empty, not UTF-8, not JSON, or not strict JSON
        (NaN, Infinity, a key given twice).
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError("a directory", "a file")
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = _gunzip(raw)
        return parse_json(raw)
    except InputError as error:
        raise error.in_file(str(path)) from None
    except FileNotFoundError:
        raise InputError("no such file", "a readable file", file=str(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(reason, "a readable file", file=str(path)) from None


def parse_json(raw: bytes) -> Any:
    """Parse strict JSON from UTF-8 bytes; raises `InputError`."""
    if not raw.strip():
        raise InputError("an empty file", "a JSON object")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"a byte that is not UTF-8 at offset {error.start}", "UTF-8") from None
    try:
        return json.loads(
            text.removeprefix("\ufeff"),
            parse_constant=_no_constant,
            parse_int=_integer,
            object_pairs_hook=_unique_keys,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{error.msg} at {place}", "valid JSON") from None
    except RecursionError:
        raise InputError("JSON nested too deeply", "a JSON object") from None


def _gunzip(raw: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        data = unpacker.decompress(raw, MAX_FILE_BYTES)
    except zlib.error as error:
        raise InputError(f"damaged gzip data ({error})", "a gzip file") from None
    if unpacker.unconsumed_tail:
        raise InputError("more than 1 GiB of unpacked data", "at most 1 GiB")
    if not unpacker.eof:
        raise InputError("truncated gzip data", "a whole gzip file")
    return data


def _no_constant(name: str) -> Any:
    raise InputError(name, "a finite number")


def _integer(digits: str) -> int | float:
    # Python refuses to parse integers of more than 4300 digits; none that long is valid here.
    return math.inf if len(digits) > 320 else int(digits)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InputError(f"the key {key!r} twice in one object", "unique keys")
            seen.add(key)
    return result


def write_json(path: str | Path, value: Any) -> None:
    """Write indented UTF-8 JSON; a name that ends in ``.gz`` is compressed."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    raw = text.encode("utf-8")
    path = Path(path)
    try:
        # mtime=0: the same instance gives the same bytes.
        path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(reason, "a place that can be written", file=str(path)) from None


def validate(schema: type[Model], value: Any) -> Model:
    """Validate parsed JSON against a schema; the first complaint becomes an `InputError`."""
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        raise _input_error(error) from None


def place(location: tuple[int | str, ...]) -> str:
    """Return a path as people write it: ``data.devices[2].memory_bytes``."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def shown(value: Any) -> str:
    """Return a value as JSON, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _input_error(error: ValidationError) -> InputError:
    # Unknown keys come last in pydantic's order, but are often the cause of a missing one.
    details = error.errors(include_url=False)
    first = next((d for d in details if d["type"] == "extra_forbidden"), details[0])
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return InputError(_found(first), _expected(first) + more, place(first["loc"]))


def _found(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "nothing"
    if detail["type"] == "extra_forbidden":
        return "an unknown key"
    return shown(detail["input"])


_EXPECTED = {
    "missing": "this key",
    "extra_forbidden": "only the keys of the schema",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "string_type": "a string",
    "string_too_short": "a non-empty string",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "none_required": "null",
}


def _expected(detail: ErrorDetails) -> str:
    context: dict[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "greater_than_equal":
            return f"a number >= {context['ge']:g}"
        case "less_than_equal":
            return f"a number <= {context['le']:g}"
        case "literal_error":
            return str(context["expected"]).replace("'", '"')
        case "too_short":
            return f"a list of at least {context['min_length']}"
        case "too_long":
            return f"a list of at most {context['max_length']}"
        case "value_error":
            return str(context["error"])
        case kind:
            return _EXPECTED.get(kind, detail["msg"])
