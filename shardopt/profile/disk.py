"""How fast a folder's disk gives a file back."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shardopt.models.errors import InputError
from shardopt.units import si

LEAST_BYTES = 1 << 25
"""Smaller files than 32 MiB say more about opening a file than about reading it."""
READS = 3
CHUNK = 1 << 23
PROBES = 32

Cache = Literal["dropped", "not dropped", "not known"]
"""Whether the file was out of the system's page cache before it was read."""


@dataclass(frozen=True)
class Reading:
    """A file read from its beginning to its end, several times."""

    size_bytes: int
    times_s: Sequence[float]
    cache: Cache


def read_speed(folder: Path, size_bytes: int) -> Reading:
    """Write a file of random bytes to a folder, read it back, and remove it.

    Before each reading the system is asked to forget what it keeps of the file. Whether it did is
    looked at, not believed.
    """
    size = max(size_bytes, LEAST_BYTES)
    try:
        if shutil.disk_usage(folder).free < 1.1 * size:
            raise InputError("too little free space", f"{si(size, 'B')} for a file to read")
        with tempfile.NamedTemporaryFile(dir=folder, prefix="shardopt-profile-") as file:
            _fill(file.fileno(), size)
            readings = [_read(Path(file.name), size) for _ in range(READS)]
    except InputError as error:
        raise error.in_file(str(folder)) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(reason, "a folder that can be written", file=str(folder)) from None
    states = {state for _, state in readings}
    cache: Cache = states.pop() if len(states) == 1 else "not dropped"
    return Reading(size, [seconds for seconds, _ in readings], cache)


def _fill(descriptor: int, size: int) -> None:
    """Write random bytes, which no file system can compress."""
    chunk = memoryview(os.urandom(CHUNK))
    left = size
    while left:
        left -= os.write(descriptor, chunk[: min(left, CHUNK)])
    os.fsync(descriptor)  # what is not yet on the disk cannot be forgotten


def _read(path: Path, size: int) -> tuple[float, Cache]:
    buffer = memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        cache = _cache_state(file.fileno(), size)
        began = time.perf_counter()
        while file.readinto(buffer):
            pass
        return time.perf_counter() - began, cache


def _cache_state(descriptor: int, size: int) -> Cache:
    """Look at some places of a file: a read that must not wait fails where nothing is kept."""
    if not hasattr(os, "RWF_NOWAIT"):
        return "not known"
    kept = 0
    byte = bytearray(1)
    for n in range(PROBES):
        try:
            with suppress(BlockingIOError):
                kept += os.preadv(descriptor, [byte], n * size // PROBES, os.RWF_NOWAIT)
        except OSError:  # a file system that does not know how not to wait
            return "not known"
    return "dropped" if kept <= PROBES // 16 else "not dropped"
