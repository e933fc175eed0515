"""``shardopt show``."""

from __future__ import annotations

import click

from shardopt.cli.console import stdout_console
from shardopt.cli.problem import load_with_plan


@click.command(
    epilog="""\b
Example:
  shardopt solve csgo.json -o result.json
  shardopt show csgo.json result.json
  shardopt show csgo.json result.json -o plan.svg"""
)
@click.argument("instance_file", metavar="INSTANCE")
@click.argument("solution_file", metavar="[SOLUTION]", required=False)
@click.option("-o", "--output", metavar="FILE", help="Write a picture: .svg, .png, .html or .txt.")
def command(instance_file: str, solution_file: str | None, output: str | None) -> None:
    """Draw an instance or a scenario, or with SOLUTION (a solution or result file) its plan.

    Without -o the picture is text, as wide as the terminal. A plan that breaks nothing but the
    memory of a device is drawn and marked.
    """
    import shardopt
    from shardopt.instances.files import read_solution
    from shardopt.show import text, write_picture

    if solution_file is None:
        instance, solution = shardopt.load(instance_file), None
    else:
        instance = load_with_plan(instance_file, solution_file)
        solution = read_solution(solution_file, instance.problem)
    if output is None:
        console = stdout_console()
        console.print(text(instance, solution, console.width))
    else:
        write_picture(output, instance, solution)
        click.echo(f"wrote {output}", err=True)
