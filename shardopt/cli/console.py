"""Where human output goes: a rich console that takes text as it is."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 100
"""Columns of output that goes to a file or a pipe."""
_NEAREST = {"░": ":", "▒": "+", "▓": "%", "·": ".", "»": ">", "█": "#", "…": "~", "─": "-"}
_NEAREST |= dict(zip("▁▂▃▄▅▆▇", "__--==#", strict=True))  # bars of a sparkline


def stdout_console() -> Console:
    """Return a console on stdout: the terminal's width and colours, or plain and 100 wide."""
    from rich.console import Console

    plain = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    # No markup and no emoji codes: a device may be called "[red]" or ":smile:".
    return Console(width=PLAIN_WIDTH if plain else None, markup=False, emoji=False, highlight=False)


def substitute_missing_characters() -> None:
    """Let a stream without Unicode show something that is like the character, or ``?``."""

    def nearest(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        missing = error.object[error.start : error.end]
        return "".join(_NEAREST.get(c, "?") for c in missing), error.end

    codecs.register_error("shardopt.nearest", nearest)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="shardopt.nearest")


def print_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    import json

    click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1))
