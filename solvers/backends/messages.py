"""What a worker tells its parent, and the channel that carries it."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from shardopt.models.result import Termination

_LENGTH = struct.Struct("!Q")


@dataclass(frozen=True)
class Job:
    """What to build and who shall solve it.

    Attributes
    ----------
    build
        ``module:function``, imported where the backend runs and called as
        ``function(instance, **build_options)``; gives a formulation.
    backend
        ``highs``, ``cbc``, ``cp-sat`` or ``scip``.
    """

    instance: Any
    build: str
    backend: str
    build_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """A job with everything else that one attempt needs. ``seconds`` is what is left."""

    job: Job
    seconds: float | None
    seed: int
    threads: int
    presolve: bool
    start: Any


@dataclass(frozen=True)
class Ready:
    """The worker is up and waits for its task."""


@dataclass(frozen=True)
class Built:
    """The model stands; ``size`` counts its parts."""

    build_s: float
    size: Mapping[str, int]


@dataclass(frozen=True)
class Incumbent:
    """The backend found this plan."""

    solution: Any


@dataclass(frozen=True)
class Bound:
    """The backend proved this bound, in the problem's unit."""

    value: float


@dataclass(frozen=True)
class Fault:
    """Something went wrong and was survived."""

    text: str


@dataclass(frozen=True)
class Ended:
    """The last message of an attempt. ``native`` is the backend's own word for its status."""

    native: str
    termination: Termination
    infeasible: bool = False


Message = Ready | Built | Incumbent | Bound | Fault | Ended


def send(stream: BinaryIO, value: Any) -> None:
    """Write one value to an unbuffered stream, whole."""
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    rest = memoryview(_LENGTH.pack(len(body)) + body)
    while rest:
        rest = rest[stream.write(rest) :]


def receive(stream: BinaryIO) -> Any:
    """Read one value; ``EOFError`` when the other side is gone, also in the middle of a value."""
    (length,) = _LENGTH.unpack(_read(stream, _LENGTH.size))
    return pickle.loads(_read(stream, length))


def _read(stream: BinaryIO, size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
