"""``shardopt check``."""

from __future__ import annotations

from typing import Any

import click

from shardopt.cli.console import print_json, stdout_console
from shardopt.cli.problem import load_with_plan
from shardopt.models.checking import CheckReport
from shardopt.models.discover import part
from shardopt.units import printable

VIOLATED = 1


@click.command(
    epilog="""\b
Example:
  shardopt check csgo.json result.json
Exit codes: 0 feasible; 1 a constraint is violated; 2 bad input."""
)
@click.argument("instance_file", metavar="INSTANCE")
@click.argument("solution_file", metavar="SOLUTION")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(instance_file: str, solution_file: str, as_json: bool) -> int:
    """Check a solution against every rule of its problem.

    SOLUTION is a solution file or a result file, INSTANCE may be a scenario. The objective is
    computed anew from the instance, by code that no solver shares.
    """
    import shardopt

    instance = load_with_plan(instance_file, solution_file)
    report = shardopt.check(instance, solution_file)
    if as_json:
        print_json(report.to_json())
    else:
        _print(instance, report)
    return 0 if report.feasible else VIOLATED


def _print(instance: Any, report: CheckReport) -> None:
    data = part(instance.problem, "models", "data")
    console = stdout_console()
    verdict = "feasible" if report.feasible else "not feasible"
    console.print(f"{printable(instance.name)}: {verdict}", style="bold")
    if report.objective is not None:
        note = "" if report.feasible else " (if the rules below did not count)"
        value = f"{report.objective:.9g} {data.OBJECTIVE_UNIT}"
        console.print(f"{data.OBJECTIVE_NAME}: {value}{note}")
    if report.violations:
        console.print(_violations(report))


def _violations(report: CheckReport) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("constraint", "where", "by", "what"):
        table.add_column(heading, justify="right" if heading == "by" else "left")
    for v in report.violations:
        table.add_row(v.constraint, printable(v.where), f"{v.amount:.6g}", printable(v.message))
    return table
