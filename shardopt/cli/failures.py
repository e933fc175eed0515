"""What goes wrong becomes one line on stderr and an exit code; never a traceback."""

from __future__ import annotations

import os
import sys
import traceback

import click

from shardopt.models.errors import NoPlanError, ShardoptError

BAD_INPUT = 2
OTHER = 1
INFEASIBLE = 3
NONE_FOUND = 4
DEBUG_VARIABLE = "SHARDOPT_DEBUG"


def exit_code_of(error: Exception) -> int:
    """Say what went wrong, and return the exit code for it."""
    match error:
        case NoPlanError():
            _say(f"error: {error}")
            return INFEASIBLE if error.proven else NONE_FOUND
        case ShardoptError():
            _say(f"error: {error}")
            return BAD_INPUT
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "shardopt"
            _say(f"error: {error.format_message()} (see '{path} --help')")
            return BAD_INPUT
        case click.ClickException():
            _say(f"error: {error.format_message()}")
            return OTHER
        case click.Abort():
            _say("error: interrupted")
            return OTHER
        case BrokenPipeError():  # the reader, e.g. `head`, has seen enough
            _discard_stdout()
            return OTHER
        case OSError():
            _discard_stdout()
            _say(f"error: {error}")
            return OTHER
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    _say(f"internal error: {reason} (run with {DEBUG_VARIABLE}=1 for the traceback)")
    return OTHER


def _say(message: str) -> None:
    click.echo(message.replace("\r", "\\r").replace("\n", "\\n"), err=True)


def _discard_stdout() -> None:
    """Keep the interpreter from failing once more when it flushes stdout at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
