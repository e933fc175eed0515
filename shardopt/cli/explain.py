"""``shardopt explain``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from shardopt.cli.console import print_json, stdout_console
from shardopt.cli.failures import NONE_FOUND
from shardopt.cli.problem import problem_option

if TYPE_CHECKING:
    from shardopt.explain.engine import OnStep


@click.command(
    epilog="""\b
Example:
  shardopt generate cold-start --preset csgo-table1 --tokens 2048 -o csgo.json
  shardopt explain csgo.json
Exit codes: 0 explained, whether there is a plan or not; 2 bad input;
4 neither a plan was found nor proven that there is none."""
)
@click.argument("instance_file", metavar="INSTANCE")
@problem_option
@click.option("--solver", default="exact", show_default=True, metavar="NAME", help="An exact one.")
@click.option("--time-limit", type=float, default=60.0, show_default=True, metavar="S")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N")
@click.option("--threads", type=int, default=2, show_default=True, metavar="N")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(
    instance_file: str,
    problem: str | None,
    solver: str,
    time_limit: float,
    seed: int,
    threads: int,
    as_json: bool,
) -> int:
    """Say why there is no plan and what would mend that, or what binds and what would help.

    Without a plan: the smallest sets of constraints that conflict, and for each way out the
    least amount of it. With one: what is used up, and the best objective without each device,
    with another one, with twice the bandwidth, and so on. All by solving again, with proof.

    The time limit is for everything. Ctrl-C ends the run and prints what is known by then.
    """
    import shardopt
    from shardopt.explain import explain
    from shardopt.explain.text import explanation_text

    instance = shardopt.load(instance_file, problem)
    with _steps() as on_step:
        found = explain(
            instance, solver, time_limit=time_limit, seed=seed, threads=threads, on_step=on_step
        )
    if as_json:
        print_json(found.to_json())
    else:
        stdout_console().print(explanation_text(found))
    return NONE_FOUND if found.status == "unknown" else 0


@contextmanager
def _steps() -> Iterator[OnStep | None]:
    """Show on stderr what is being done, if it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True, markup=False, highlight=False).status("working") as status:
        yield lambda words: status.update(f"{words} (Ctrl-C: stop)")
