"""``shardopt schema``."""

from __future__ import annotations

import click

from shardopt.cli.console import print_json


@click.command(
    epilog="""\b
Example:
  shardopt schema cold-start > cold-start.schema.json
  shardopt schema cold-start --solution"""
)
@click.argument("problem")
@click.option("--solution", is_flag=True, help="The solution file instead of the instance file.")
def command(problem: str, solution: bool) -> None:
    """Print the JSON Schema of a problem's instance file.

    A schema cannot say everything: unique names and the shape of matrices are checked when the
    file is read.
    """
    from shardopt.instances.files import json_schema

    print_json(json_schema(problem, "solution" if solution else "instance"))
