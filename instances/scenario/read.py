"""Reads scenario files: TOML, its keys, and what the names in it stand for."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from shardopt.instances.scenario.data import Scenario, Workload
from shardopt.instances.scenario.machines import machines_of
from shardopt.instances.scenario.models import model_of
from shardopt.instances.scenario.network import client_hop_of, client_of, hops_of
from shardopt.instances.scenario.schema import ScenarioFile
from shardopt.instances.strict import StrictModel, validate
from shardopt.models.errors import InputError


def read_scenario(path: str | Path) -> Scenario:
    """Read a scenario file.

    Raises
    ------
    InputError
        With the file, the place in it, what was found and what was expected.
    """
    path = Path(path)
    try:
        value = _read_toml(path)
        require_known_keys(value, ScenarioFile, "")
        return _resolved(validate(ScenarioFile, value), path)
    except InputError as error:
        raise error if error.file else error.in_file(str(path)) from None


def _resolved(file: ScenarioFile, path: Path) -> Scenario:
    asked, assumed = file.workload, file.assumptions
    machines = machines_of(file, path.parent)
    hops = hops_of(file, machines)
    return Scenario(
        name=file.name or path.stem or "scenario",
        problem=file.problem,
        model=model_of(file.model, path.parent),
        workload=Workload(
            input_tokens=asked.input_tokens,
            output_tokens=asked.output_tokens,
            sessions=asked.sessions,
            requests=asked.requests or asked.sessions,
            arrival_period_s=asked.arrival_period,
            min_tokens_per_s=asked.min_tokens_per_s,
        ),
        machines=machines,
        hops=hops,
        client=client_of(file, machines),
        client_hop=client_hop_of(file),
        call_overhead_s=assumed.call_overhead,
        round_trip_overhead_s=assumed.round_trip_overhead,
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8")
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(str(error), "valid TOML") from None
    except UnicodeDecodeError as error:
        raise InputError(f"a byte that is not UTF-8 at offset {error.start}", "UTF-8") from None
    except RecursionError:
        raise InputError("TOML nested too deeply", "a scenario") from None
    except FileNotFoundError:
        raise InputError("no such file", "a readable file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(reason, "a readable file") from None


def require_known_keys(value: Any, schema: type[StrictModel], path: str) -> None:
    """Raise `InputError` at the first key that the schema does not have, with the nearest one."""
    if not isinstance(value, dict):
        return  # the schema itself refuses it
    for key, inner in value.items():
        place = f"{path}.{key}" if path else key
        if key not in schema.model_fields:
            raise InputError(
                f"an unknown key{_hint(key, schema.model_fields)}", _keys(schema), place
            )
        annotation = schema.model_fields[key].annotation
        nested = schema_in(annotation)
        if nested is not None and isinstance(inner, dict) and nested is not annotation:
            raise InputError(f"[{place}]", f"[[{place}]] over each of them", place)
        if nested is not None and isinstance(inner, list):
            for n, item in enumerate(inner):
                require_known_keys(item, nested, f"{place}[{n}]")
        elif nested is not None:
            require_known_keys(inner, nested, place)


def schema_in(annotation: Any) -> type[StrictModel] | None:
    """Return the schema that an annotation is, or that its list holds."""
    if isinstance(annotation, type) and issubclass(annotation, StrictModel):
        return annotation
    inside = (schema_in(argument) for argument in get_args(annotation))
    return next((schema for schema in inside if schema is not None), None)


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def _keys(schema: type[StrictModel]) -> str:
    return "one of " + ", ".join(schema.model_fields)
