"""The command line. A command is a file in this package and a row in `COMMANDS`.

Its module is imported when the command is called, and holds a click command ``command`` whose
function returns the exit code (``None`` means 0). What it raises becomes one line on stderr.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import shardopt
from shardopt.cli.console import substitute_missing_characters
from shardopt.cli.failures import exit_code_of
from shardopt.cli.logs import log_to_stderr

COMMANDS = {
    "new": "Write a first scenario: the machines at hand, and what is to run on them.",
    "build": "Make an instance of a scenario, and say what was derived.",
    "solve": "Find a plan and say how far it is from the best possible.",
    "check": "Check a solution against every rule of its problem.",
    "simulate": "Let requests arrive over time and compare online policies.",
    "generate": "Make an instance with a generator preset.",
    "solvers": "List the solvers and what each can do.",
    "gap": "Run many solvers on many instances, and keep every run in a study.",
    "report": "Say what a study has found: a page, tables for a paper, or data.",
    "library": "Instances with the best plans and bounds known, and who found them.",
    "show": "Draw an instance or a plan, in the terminal or to a file.",
    "explain": "Say why there is no plan and what mends that, or what binds and what would help.",
    "export": "Write a plan as the settings of an engine that runs it.",
    "profile": "Measure how fast this machine runs a block, and describe it as a device.",
    "catalogue": "Models, devices, links and storage, each figure with its source.",
    "schema": "Print the JSON Schema of a problem's files.",
}


class CommandLine(click.Group):
    """Finds the commands without importing them, and turns every failure into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Import the one command that was asked for."""
        if cmd_name not in COMMANDS:
            close = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"no such command {cmd_name!r}{hint}")
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from `COMMANDS`; click itself would import them all."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, **kwargs: Any
    ) -> NoReturn:
        """Run, and exit with the code that the conventions give to what happened."""
        kwargs.setdefault("prog_name", "shardopt")
        kwargs["standalone_mode"] = False
        try:
            code = super().main(args, **kwargs)
            sys.stdout.flush()
        except Exception as error:
            code = exit_code_of(error)
        sys.exit(code)


@click.group(
    "shardopt",
    cls=CommandLine,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Example:
  shardopt generate cold-start --preset csgo-table1 --tokens 2048 -o csgo.json
  shardopt solve csgo.json -o result.json
  shardopt show csgo.json result.json""",
)
@click.version_option(shardopt.__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Where should which block of a model run, when, and how far is that from the best?

    Exact methods and published heuristics on the same instances, with proven bounds.

    Exit codes: 0 a solution was returned; 2 bad usage or bad input; 3 proven infeasible;
    4 no solution was found and infeasibility is not proven; 1 anything else.
    """


def main() -> None:
    """Run the command line (the console script ``shardopt``)."""
    log_to_stderr()
    substitute_missing_characters()
    commands.main()
