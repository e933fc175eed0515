"""``shardopt library``."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shardopt.cli.console import print_json, stdout_console
from shardopt.models.errors import InputError

if TYPE_CHECKING:
    from shardopt.library.manifest import Entry, Event

FAULTY = 1
CONTRADICTED = 1
INTERRUPTED = 1
WIDE = 140
"""Columns of the list where it goes to a file or a pipe: names are long."""


class Actions(click.Group):
    """Names the nearest action where one is misspelt."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of an action."""
        if cmd_name not in self.commands:
            close = difflib.get_close_matches(cmd_name, self.commands, n=1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"no such action {cmd_name!r}{hint}: one of {', '.join(self.commands)}")
        return self.commands[cmd_name]


@click.group(
    cls=Actions,
    no_args_is_help=False,
    epilog="""\b
Example:
  shardopt library list cold-start
  shardopt library verify
  shardopt library update result.json study/ --library mine/""",
)
def command() -> None:
    """Instances with the best plans and bounds known, and who found them.

    The library that is installed is taken unless --library names another one.
    """


_library = click.option(
    "--library", metavar="FOLDER", help="Another library than the one that is installed."
)


@command.command("list")
@click.argument("problems", nargs=-1, metavar="[PROBLEM]...")
@_library
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def list_(problems: tuple[str, ...], library: str | None, as_json: bool) -> None:
    """List the instances with the best objective and bound known.

    Example: shardopt library list cold-start --json
    """
    from shardopt.library.manifest import problems_in, read_entries

    folder = _folder(library)
    entries = {problem: read_entries(folder, problem) for problem in problems_in(folder, problems)}
    if as_json:
        print_json({problem: list(map(_as_json, rows)) for problem, rows in entries.items()})
        return
    console = stdout_console()
    if not console.is_terminal:
        console.width = max(console.width, WIDE)  # a line per instance, for grep
    for problem, rows in entries.items():
        console.print(_table(problem, rows))


@command.command("verify")
@click.argument("problems", nargs=-1, metavar="[PROBLEM]...")
@_library
def verify(problems: tuple[str, ...], library: str | None) -> int:
    """Check every instance and every plan again.

    Example: shardopt library verify cold-start. Exit codes: 0 all holds; 1 something does not, and
    each place is named; 2 bad input.
    """
    from shardopt.library.manifest import problems_in
    from shardopt.library.verify import faults

    folder = _folder(library)
    count = 0
    for problem in problems_in(folder, problems):
        found = list(faults(folder, problem))
        count += len(found)
        for fault in found:
            click.echo(f"fault: {fault}", err=True)
        if not found:
            click.echo(_verified(folder, problem))
    if count:
        click.echo(f"error: {_counted(count, 'fault')} in {folder}", err=True)
    return FAULTY if count else 0


@command.command("update")
@click.argument("places", nargs=-1, metavar="[FILE|STUDY]...")
@click.option(
    "--solve", metavar="NAMES", help="Solve these: names, PROBLEM/NAME, or patterns with *."
)
@click.option("--solver", default="exact", show_default=True, metavar="NAME")
@click.option("--time-limit", type=float, default=60.0, show_default=True, metavar="S")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N")
@click.option("--threads", type=int, default=2, show_default=True, metavar="N")
@_library
def update(
    places: tuple[str, ...],
    solve: str | None,
    solver: str,
    time_limit: float,
    seed: int,
    threads: int,
    library: str | None,
) -> int:
    """Record better plans and bounds.

    They come from result files, solution files, studies, or from solving with --solve. Every
    plan is checked. Whatever contradicts a proven value is named, nothing of it is written, and
    the exit code is 1. Example: shardopt library update result.json study/
    """
    from shardopt.library.claims import of_file, of_study
    from shardopt.library.manifest import problems_in, read_entries
    from shardopt.study.store import is_study

    if not places and solve is None:
        raise click.UsageError("nothing to update from: a result file, a study, or --solve NAMES")
    folder = _folder(library)
    entries = {problem: read_entries(folder, problem) for problem in problems_in(folder)}
    if solve is not None:
        _chosen(solve, entries)  # refuses a wrong name before anything is written
    known = {problem: {e.sha256: e for e in rows} for problem, rows in entries.items()}
    claims = []
    for place in places:
        if is_study(place):
            claims += list(of_study(Path(place), known))
        elif Path(place).is_dir():
            raise InputError("a folder without a study", "one, or a result file", file=place)
        else:
            claims.append(of_file(place, folder, known))
    code = _record(folder, claims) if places else 0
    entries = {problem: read_entries(folder, problem) for problem in entries}
    for problem, entry in [] if solve is None else _chosen(solve, entries):
        code = code or _solve(folder, problem, entry, solver, time_limit, seed, threads)
    return code


@command.command("add")
@click.argument("places", nargs=-1, required=True, metavar="FILE|FOLDER|PROBLEM/PRESET...")
@_library
def add(places: tuple[str, ...], library: str | None) -> None:
    """Add instances from files or presets.

    Nothing is known of them at first; `update` changes that.
    Example: shardopt library add cold-start/typed:types=2:seed=3 --library mine/
    """
    from shardopt.library.add import add as add_to
    from shardopt.study.sources import find_instances

    sources = find_instances(places, {}, None)
    for event in add_to(_folder(library), sources):
        click.echo(f"{event.instance}: added")


def _folder(library: str | None) -> Path:
    from shardopt.library.manifest import shipped

    return shipped() if library is None else Path(library)


def _chosen(names: str, entries: dict[str, list[Entry]]) -> list[tuple[str, Entry]]:
    """Return the instances that ``--solve`` names."""
    all_ = [(problem, entry) for problem, rows in entries.items() for entry in rows]
    chosen: dict[tuple[str, str], tuple[str, Entry]] = {}
    for name in names.split(","):
        matching = [
            (problem, entry)
            for problem, entry in all_
            if fnmatch.fnmatchcase(f"{problem}/{entry.name}", name)
            or fnmatch.fnmatchcase(entry.name, name)
        ]
        if not matching:
            known = [entry.name for _, entry in all_] + [f"{p}/{e.name}" for p, e in all_]
            close = difflib.get_close_matches(name, known, n=3)
            hint = f" (did you mean {' or '.join(close)}?)" if close else ""
            raise InputError(repr(name) + hint, "an instance of the library", "--solve")
        chosen |= {(problem, entry.name): (problem, entry) for problem, entry in matching}
    return list(chosen.values())


def _solve(
    folder: Path,
    problem: str,
    entry: Entry,
    solver: str,
    time_limit: float,
    seed: int,
    threads: int,
) -> int:
    """Solve one instance and record at once what came of it."""
    from shardopt.library.claims import by_solving
    from shardopt.library.manifest import only_writer

    with only_writer(folder / problem):
        pass  # refuse before the work what could not be written after it
    claim = by_solving(folder / problem, entry, solver, time_limit, seed, threads)
    code = _record(folder, [claim])
    if claim.result.termination == "interrupted":
        click.echo("stopped: what was found so far is recorded", err=True)
        return INTERRUPTED
    return code


def _record(folder: Path, claims: Sequence[Any]) -> int:
    """Record claims and say what improved, or what contradicts the library."""
    from shardopt.library.update import ContradictionError, record

    try:
        events = record(folder, claims)
    except ContradictionError as error:
        for line in error.lines:
            click.echo(f"CONTRADICTION {line}", err=True)
        click.echo("error: at least one of two is wrong; nothing is written", err=True)
        return CONTRADICTED
    for line in _news(events, claims):
        click.echo(line)
    return 0


def _news(events: Sequence[Event], claims: Sequence[Any]) -> Iterator[str]:
    for event in events:
        who = "" if event.by is None else f" by {event.by.solver}"
        change = "" if event.after is None else f" {_number(event.before)} -> {event.after:.9g}"
        yield f"{event.instance}: {event.what}{change}{who}, {event.status}"
    if not events:
        instances = _counted(len({claim.sha256 for claim in claims}), "instance")
        yield f"nothing new in {_counted(len(claims), 'result')} on {instances} of the library"


def _verified(folder: Path, problem: str) -> str:
    from collections import Counter

    from shardopt.library.manifest import read_entries

    entries = read_entries(folder, problem)
    counts = Counter(entry.status for entry in entries)
    statuses = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    return f"{problem}: {_counted(len(entries), 'instance')} ({statuses}): all holds"


def _as_json(entry: Entry) -> dict[str, Any]:
    return entry.model_dump() | {"gap": entry.gap}


def _table(problem: str, entries: Sequence[Entry]) -> Any:
    from rich import box
    from rich.table import Table

    from shardopt.models.discover import part

    data = part(problem, "models", "data")
    sizes = list(dict.fromkeys(key for entry in entries for key in entry.size))
    title = f"{problem}: {data.OBJECTIVE_NAME}, {data.OBJECTIVE_UNIT}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", overflow="fold")
    table.add_column(", ".join(sizes), justify="right")
    table.add_column("status")
    for heading in ("objective", "bound", "gap"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("solver")
    for entry in sorted(entries, key=lambda e: (*(e.size.get(key, 0) for key in sizes), e.name)):
        table.add_row(
            entry.name,
            ", ".join(str(entry.size.get(key, "-")) for key in sizes),
            entry.status,
            _number(entry.objective, 6),
            _number(entry.bound, 6),
            "-" if entry.gap is None else f"{entry.gap:.2%}",
            "-" if entry.found is None else entry.found.solver,
        )
    return table


def _number(value: float | None, digits: int = 9) -> str:
    return "-" if value is None else f"{value:.{digits}g}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
