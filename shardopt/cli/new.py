"""``shardopt new``."""

from __future__ import annotations

from pathlib import Path

import click

from shardopt.models.errors import InputError


@click.command(
    epilog="""\b
Example:
  shardopt new cluster.toml
  shardopt solve cluster.toml -o plan.json"""
)
@click.argument("file", metavar="FILE")
@click.option("--problem", metavar="P", help="The problem that the scenario is for.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def command(file: str, problem: str | None, force: bool) -> None:
    """Write a first scenario, with comments, that solves as it stands.

    A scenario says what machines there are and what is to run on them (docs/scenarios.md).
    """
    from shardopt.instances.scenario import is_scenario
    from shardopt.instances.scenario.template import template
    from shardopt.models.discover import require_problem

    if problem is not None:
        require_problem(problem)
    if not is_scenario(file):
        raise InputError(repr(Path(file).suffix), "a name that ends in .toml", file=file)
    try:
        with Path(file).open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(template(problem))
    except FileExistsError:
        raise InputError("a file", "none yet (or --force)", file=file) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(reason, "a place that can be written", file=file) from None
    click.echo(f"wrote {file}; next: shardopt solve {file} -o plan.json", err=True)
