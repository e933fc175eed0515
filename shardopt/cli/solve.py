"""``shardopt solve``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from shardopt.cli.console import print_json, stdout_console
from shardopt.cli.failures import INFEASIBLE, NONE_FOUND
from shardopt.cli.problem import problem_option
from shardopt.models.errors import InputError
from shardopt.models.result import Result


@click.command(
    epilog="""\b
Example:
  shardopt generate cold-start --preset csgo-table1 --tokens 2048 -o csgo.json
  shardopt solve csgo.json --time-limit 10 --verify -o result.json
  shardopt solve csgo.json --solver harmonic --set load_unit=1e6
Exit codes: 0 a solution was returned; 2 bad input; 3 proven infeasible;
4 no solution found and infeasibility not proven."""
)
@click.argument("instance_file", metavar="FILE")
@problem_option
@click.option("--solver", default="exact", show_default=True, metavar="NAME", help="Which solver.")
@click.option("--time-limit", type=float, default=60.0, show_default=True, metavar="S")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N")
@click.option("--threads", type=int, default=2, show_default=True, metavar="N")
@click.option("--start", metavar="FILE", help="A solution to start from; never made worse.")
@click.option("--verify", is_flag=True, help="Ask independent methods for a second opinion.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("-o", "--output", metavar="FILE", help="Write the result to FILE (.json, .json.gz).")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the solver's own; may be repeated.",
)
@click.option("--memory-limit", metavar="SIZE", help="Per backend, e.g. 8GiB.")
def command(
    instance_file: str,
    problem: str | None,
    solver: str,
    time_limit: float,
    seed: int,
    threads: int,
    start: str | None,
    verify: bool,
    as_json: bool,
    output: str | None,
    settings: tuple[str, ...],
    memory_limit: str | None,
) -> int:
    """Find a plan for FILE, an instance or a scenario, and say how far it is from the best.

    Ctrl-C ends the run and returns the best plan so far.
    """
    import shardopt
    from shardopt.cli.progress import progress

    options = settings_of(settings)
    memory_limit_bytes = None if memory_limit is None else size_of(memory_limit)
    if output is not None:
        _require_writable(Path(output))
    instance = shardopt.load(instance_file, problem)
    with progress(instance, time_limit) as on_progress:
        result = shardopt.solve(
            instance,
            solver,
            time_limit=time_limit,
            seed=seed,
            threads=threads,
            start=start,
            on_progress=on_progress,
            memory_limit_bytes=memory_limit_bytes,
            confirm=verify,
            **options,
        )
    _print(instance, result, as_json)
    if output is not None:
        shardopt.save(output, result)
    return _exit_code(result)


def _print(instance: Any, result: Result, as_json: bool) -> None:
    from shardopt.cli.results import notes, result_table
    from shardopt.show import plan_table

    if as_json:
        print_json(result.to_json())
    else:
        console = stdout_console()
        console.print(result_table(instance, result))
        if result.solution is not None:
            console.print(plan_table(instance, result.solution))
    for note in notes(instance, result):
        click.echo(note, err=True)


def _exit_code(result: Result) -> int:
    if result.solution is not None:
        return 0
    return INFEASIBLE if result.status == "infeasible" else NONE_FOUND


def settings_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read ``--set KEY=VALUE``; raises `InputError`."""
    settings: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.replace("-", "_")
        if not equals or not key:
            raise InputError(repr(pair), "KEY=VALUE", "--set")
        if key in settings:
            raise InputError(f"{key!r} twice", "each key once", "--set")
        settings[key] = value
    return settings


def size_of(text: str) -> float:
    """Read ``--memory-limit``; raises `InputError`."""
    from shardopt.units import parse_bytes

    try:
        return parse_bytes(text)
    except InputError as error:
        raise InputError(error.found, error.expected, "--memory-limit") from None


def _require_writable(path: Path) -> None:
    """Refuse before the work what could not be written after it."""
    folder = path.parent
    if (
        path.is_dir()
        or not folder.is_dir()
        or not os.access(path if path.exists() else folder, os.W_OK)
    ):
        raise InputError("a place that cannot be written", "a file name", file=str(path))
