"""The option of commands that take a scenario where an instance can stand."""

from __future__ import annotations

import click

problem_option = click.option(
    "--problem", metavar="P", help="Of a scenario: the problem to make an instance of."
)
