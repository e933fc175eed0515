"""A profile as a device and a kind of storage, in the catalogue's own format."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING

from shardopt.units import printable, si

if TYPE_CHECKING:
    from shardopt.profile.measure import Profile

SOURCE = "profile"


def entry_toml(profile: Profile, source: str) -> str:
    """Return the TOML text; ``source`` says by what command and when it was measured."""
    return "\n".join(_lines(profile, source)) + "\n"


def entry_name(title: str) -> str:
    """Return a device's name in the form that the catalogue asks for."""
    name = re.sub(r"[^a-z0-9.]+", "-", title.lower()).strip("-.")
    return name or "machine"


def with_threads(threads: int | None) -> str:
    """Return ``, 2 threads``, and nothing where arithmetic runs elsewhere."""
    if threads is None:
        return ""
    return f", {threads} thread" + ("s" if threads > 1 else "")


def _lines(profile: Profile, source: str) -> Iterator[str]:
    name, reading = entry_name(profile.title), profile.reading
    threads = with_threads(profile.threads)
    rate = reading.size_bytes / statistics.median(reading.times_s)
    yield "# Measured, not a maker's figures: what one block reaches on this machine."
    yield ""
    yield "[sources]"
    yield f"{SOURCE} = {_text(source)}"
    yield ""
    yield "[[devices]]"
    yield f"name = {_text(name)}"
    yield f"title = {_text(profile.title)}"
    yield 'kind = "machine"'
    free = f"free when measured, of {si(profile.total_bytes, 'B')}"
    yield _figure("memory_bytes", profile.free_bytes, free)
    yield _figure("memory_bytes_per_s", profile.rates.bytes_per_s, "reached by one block")
    reached = f"reached by one block, {profile.dtype}{threads}"
    yield _figure("fp16_flops_per_s", profile.rates.flops_per_s, reached)
    yield ""
    yield "[[storage]]"
    yield f"name = {_text(name + '-disk')}"
    yield f"title = {_text('Storage of ' + profile.title)}"
    cached = f"a file of {si(reading.size_bytes, 'B')}, page cache {reading.cache}"
    yield _figure("read_bytes_per_s", rate, cached)


def _figure(key: str, value: float, note: str) -> str:
    figure = f'value = {value:.4g}, flag = "measured", source = "{SOURCE}", note = {_text(note)}'
    return f"{key} = {{ {_number(figure)} }}"


def _number(figure: str) -> str:
    """Give exponents the form that TOML knows: ``1e+09`` is as good, ``1e9`` is shorter."""
    return figure.replace("e+0", "e").replace("e+", "e")


def _text(text: str) -> str:
    """Return a TOML string: JSON's escapes are among TOML's once nothing unprintable is left."""
    return json.dumps(printable(text), ensure_ascii=False)
