"""``shardopt solvers``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from shardopt.cli.console import print_json, stdout_console


@click.command(
    epilog="""\b
Example:
  shardopt solvers cold-start"""
)
@click.argument("problem", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(problem: str | None, as_json: bool) -> None:
    """List the solvers of PROBLEM, or of every problem.

    exact: ends with the optimum and a proof, if it is given the time. heuristic: a plan
    without a bound. reference: a number to compare with, not a plan. The names `exact` and
    `heuristic` stand for the solvers that are marked so.
    """
    from shardopt.models.discover import problem_ids, require_problem

    if problem is not None:
        require_problem(problem)
    problems = problem_ids() if problem is None else (problem,)
    if as_json:
        print_json({name: _as_json(name) for name in problems})
        return
    console = stdout_console()
    for name in problems:
        console.print(_table(name))
        for line in _own_options(name):
            console.print(line)
    console.print("shardopt solve FILE --solver NAME --set OPTION=VALUE")


def _as_json(problem: str) -> dict[str, Any]:
    from shardopt.solvers.registry import aliases, solver_rows

    rows = [
        {
            "name": row.name,
            "kind": row.kind,
            "proves_bounds": row.proves_bounds,
            "warm_start": row.warm_start,
            "available": not row.missing(),
            "missing": list(row.missing()),
            "source": row.source,
            "summary": row.summary,
        }
        for row in solver_rows(problem)
    ]
    return {"aliases": dict(aliases(problem)), "solvers": rows}


def _table(problem: str) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from shardopt.solvers.registry import aliases, solver_rows

    names = {target: alias for alias, target in aliases(problem).items()}
    table = Table(title=problem, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    for heading in ("kind", "bounds", "start", "available"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what it does, and its source")
    for row in solver_rows(problem):
        alias = f" = {names[row.name]}" if row.name in names else ""
        missing = row.missing()
        table.add_row(
            row.name + alias,
            row.kind,
            "yes" if row.proves_bounds else "no",
            "yes" if row.warm_start else "no",
            "needs " + ", ".join(missing) if missing else "yes",
            Text(row.summary).append(f"\n{row.source}", style="dim"),
        )
    return table


def _own_options(problem: str) -> Iterator[str]:
    """Return a line for each solver that has options of its own."""
    from shardopt.api import own_options
    from shardopt.solvers.registry import solver_rows

    for row in solver_rows(problem):
        if not row.missing():
            options = " ".join(f"{key}={value}" for key, value in own_options(row).items())
            if options:
                yield f"options of {row.name}: {options}"
