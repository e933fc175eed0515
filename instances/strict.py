"""Reads JSON strictly, and turns pydantic's complaints into one line that names the place."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic_core import ErrorDetails, core_schema

from shardopt.models.errors import InputError

MAX_FILE_BYTES = 1 << 30
"""A file that unpacks to more than 1 GiB is refused."""

Model = TypeVar("Model", bound="StrictModel")


def _without_null_defaults(schema: dict[str, Any]) -> None:
    """In files, absent is not null: do not let the schema say so."""
    for field in schema.get("properties", {}).values():
        if field.get("default", ...) is None:
            del field["default"]


class StrictModel(BaseModel):
    """Base of all file schemas: no unknown keys, no silent conversions."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra=_without_null_defaults
    )


def _finite(value: Any) -> Any:
    """Make integers that no float can hold infinite before pydantic converts them."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**300:
        return math.inf if value > 0 else -math.inf
    return value


MAX_NUMBER = 1e30
Finite = BeforeValidator(_finite)
# The limits stand before `Finite`, or they would be missing from the JSON Schema.
Number = Annotated[float, Finite]
NonNegative = Annotated[float, Field(ge=0, le=MAX_NUMBER), Finite]
Positive = Annotated[float, Field(ge=1e-9, le=MAX_NUMBER), Finite]
NonEmptyText = Annotated[str, Field(min_length=1)]


class _AbsentOr:
    """Put on optional fields: they may be absent, but not null, in files and in the schema."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._not_null, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        described = handler(schema)
        kinds = [kind for kind in described.get("anyOf", ()) if kind != {"type": "null"}]
        return kinds[0] if len(kinds) == 1 else described

    @staticmethod
    def _not_null(value: Any) -> Any:
        if value is None:
            raise ValueError("a value (or leave the key out)")
        return value


AbsentOr = _AbsentOr()


def read_json(path: str | Path, *, finite: bool = True) -> Any:
    """Read a ``.json`` or ``.json.gz`` file.

    Raises
    ------
    InputError
        Not there, a directory, not readable, empty, not UTF-8, not JSON, or not strict JSON
        (a key given twice; NaN and Infinity, unless ``finite`` is off).
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError("a directory", "a file")
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = _gunzip(raw)
        return parse_json(raw, finite=finite)
    except InputError as error:
        raise error.in_file(str(path)) from None
    except FileNotFoundError:
        raise InputError("no such file", "a readable file", file=str(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(reason, "a readable file", file=str(path)) from None


def parse_json(raw: bytes, *, finite: bool = True) -> Any:
    """Parse strict JSON from UTF-8 bytes; raises `InputError`."""
    if not raw.strip():
        raise InputError("an empty file", "a JSON object")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"a byte that is not UTF-8 at offset {error.start}", "UTF-8") from None
    try:
        value = json.loads(
            text.removeprefix("\ufeff"), parse_int=_integer, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{error.msg} at {place}", "valid JSON") from None
    except RecursionError:
        raise InputError("JSON nested too deeply", "a JSON object") from None
    _refuse_lax_json(value, finite)
    return value


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


def _integer(digits: str) -> int | float:
    # Python refuses to parse integers of more than 4300 digits; none that long is valid here.
    return float(digits) if len(digits) > 320 else int(digits)


class _RepeatedKey(dict[str, Any]):
    """An object in which a key stands twice, kept until its place in the file is known."""

    key: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    lax = _RepeatedKey(result)
    lax.key = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return lax


def _refuse_lax_json(value: Any, finite: bool) -> None:
    """Refuse, with its place, what Python's parser lets pass: NaN, infinity, a repeated key."""
    stack: list[tuple[Any, tuple[int | str, ...]]] = [([value], ())]
    while stack:
        container, location = stack.pop()
        if isinstance(container, _RepeatedKey):
            where = place((*location, container.key)[1:])
            raise InputError("this key twice", "unique keys", where)
        entries = container.items() if isinstance(container, dict) else enumerate(container)
        for step, item in entries:
            if isinstance(item, (dict, list)):
                stack.append((item, (*location, step)))
            elif finite and isinstance(item, float) and not math.isfinite(item):
                where = place((*location, step)[1:])
                raise InputError(shown(item), f"a number up to {MAX_NUMBER:g}", where)


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


def whole_if_exact(value: float) -> int | float:
    """Write whole numbers without a decimal point as long as that is exact."""
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def require_unique_names(entries: Sequence[Any], path: str) -> None:
    """Raise `InputError` unless all entries of the list at ``path`` have names of their own."""
    first: dict[str, int] = {}
    for n, entry in enumerate(entries):
        if entry.name in first:
            other = f"a name other than that of {path}[{first[entry.name]}]"
            raise InputError(shown(entry.name), other, f"{path}[{n}].name")
        first[entry.name] = n


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
    except RecursionError:
        text = "something nested too deeply"
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
    if detail["type"] == "too_long":
        return f"a list of {detail['ctx']['actual_length']}"
    return shown(detail["input"])


_EXPECTED = {
    "missing": "this key",
    "extra_forbidden": "only the keys of the schema",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "string_type": "a string",
    "string_unicode": "text without lone surrogates",
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
            return _EXPECTED.get(kind, detail["msg"].removeprefix("Input should be "))
