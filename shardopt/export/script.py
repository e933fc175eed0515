"""A shell script with a command for each device: ``sh plan.sh DEVICE``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from shardopt.export.deployment import Holding
from shardopt.export.target import Target
from shardopt.units import printable

MODEL = '"$MODEL"'


def script(
    engine: str,
    notes: Iterable[str],
    model: Target,
    variables: Mapping[str, str],
    commands: Sequence[tuple[str, str, str]],
) -> str:
    """Return the script.

    Parameters
    ----------
    engine, notes
        For the comments at the top.
    model
        What the variable ``MODEL`` stands for unless the caller sets it.
    variables
        Variables that the caller has to set, and what each is.
    commands
        Device, remark and command of each device.
    """
    needed = dict(variables)
    lines = [f"# {engine}. On each machine: sh FILE DEVICE"]
    lines += [f"# {printable(note)}" for note in notes]
    if model.location is None:
        needed = {"MODEL": "the model to load"} | needed
    else:
        lines.append(f"MODEL=${{MODEL:-{_default(model.location)}}}")
    lines += ["set -eu", 'case "${1:?the name of a device}" in']
    for device, remark, command in commands:
        lines += [f"{shlex.quote(device)})  # {printable(remark)}"]
        used = [name for name in needed if f"${name}" in command]
        lines += [f'  : "${{{name}:?{needed[name]}}}"' for name in used]
        lines += [f"  {command} ;;"]
    lines += ["*)", '  echo "no such device in this plan: $1" >&2; exit 2 ;;', "esac"]
    return "\n".join(lines) + "\n"


def blocks_text(holding: Holding) -> str:
    """Return what a device holds, for a remark."""
    return f"blocks [{holding.start}, {holding.stop})"


def _default(text: str) -> str:
    """Return text as the default of a variable, where quotes would be taken as they are."""
    return "".join(c if c.isalnum() or c in "-_./:" else "\\" + c for c in text)
