"""``shardopt generate``."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import click

from shardopt.cli.console import print_json, stdout_console


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="""\b
Example:
  shardopt generate cold-start
  shardopt generate cold-start --preset typed --types 4 --per-type 3 --seed 7 -o typed.json""",
)
@click.argument("problem")
@click.option("--preset", metavar="NAME", help="The preset; without it, all are listed.")
@click.option("--seed", metavar="N", help="Seed of the random numbers.  [default: the preset's]")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE (.json or .json.gz).")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[--OPTION VALUE]...")
def command(
    problem: str,
    preset: str | None,
    seed: str | None,
    output: str | None,
    options: tuple[str, ...],
) -> None:
    """Make an instance with one of a problem's generator presets.

    Every preset has options of its own: list them with `shardopt generate PROBLEM`. The
    instance goes to stdout unless -o names a file.
    """
    import shardopt
    from shardopt.instances.files import instance_to_json
    from shardopt.instances.presets import presets

    given = _pairs(options) | ({} if seed is None else {"seed": seed})
    if preset is None:
        _list(problem, presets(problem), given)
        return
    instance = shardopt.generate(problem, preset, **given)
    if output is None:
        print_json(instance_to_json(instance))
    else:
        shardopt.save(output, instance)
        click.echo(f"wrote {output}", err=True)


def _pairs(tokens: Sequence[str]) -> dict[str, str]:
    """Read ``--name value`` and ``--name=value``."""
    pairs: dict[str, str] = {}
    rest = iter(tokens)
    for token in rest:
        name, equals, value = token.removeprefix("--").partition("=")
        if not token.startswith("--") or not name:
            raise click.UsageError(f"unexpected argument {token!r}")
        if name in pairs:
            raise click.UsageError(f"--{name} is given twice")
        if not equals:
            following = next(rest, None)
            if following is None:
                raise click.UsageError(f"--{name} needs a value")
            value = following
        pairs[name] = value
    return pairs


def _list(problem: str, found: Any, given: dict[str, str]) -> None:
    if given:
        names = ", ".join(found)
        raise click.UsageError(f"--{next(iter(given))} needs --preset, one of {names}")
    console = stdout_console()
    for name, function in found.items():
        console.print(name, style="bold", end="")
        console.print(f"  {(inspect.getdoc(function) or '').splitlines()[0]}")
        indent = " " * 4
        lines = textwrap.fill(
            " ".join(_options(function)),
            96,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        console.print(lines.replace("\N{NO-BREAK SPACE}", " "), soft_wrap=True)
    console.print("Values are the defaults; where there is a choice, the default comes first.")
    console.print(f"shardopt generate {problem} --preset NAME [--OPTION VALUE]... -o FILE")


def _options(function: Callable[..., Any]) -> list[str]:
    """Return the options of a preset with their defaults."""
    from shardopt.options import choices, option_types

    parameters = inspect.signature(function).parameters
    options = []
    for name, kind in option_types(function, frozenset()).items():
        value = parameters[name].default
        others = [choice for choice in choices(kind) if choice != value]
        value = "(none)" if value is None else value
        # A no-break space keeps an option and its value on one line.
        options.append(
            f"--{name.replace('_', '-')}\N{NO-BREAK SPACE}" + "|".join(map(str, [value, *others]))
        )
    return options
