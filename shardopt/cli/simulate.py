"""``shardopt simulate``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from shardopt.cli.console import print_json, stdout_console
from shardopt.cli.problem import load_with_plan, problem_option
from shardopt.models.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from shardopt.solvers.online.log import Log

COLUMNS = {
    "per_token_s": "s per\ntoken",
    "session_mean_s": "session\nmean",
    "session_p99_s": "\np99",
    "ttft_mean_s": "ttft\nmean",
    "ttft_p50_s": "\np50",
    "ttft_p99_s": "\np99",
    "wait_mean_s": "wait\nmean",
    "wait_p99_s": "\np99",
    "max_concurrent": "most",
    "rejected": "lost",
}


@click.command(
    epilog="""\b
Example:
  shardopt generate block-placement --preset bloom-clustered-9 -o nine.json
  shardopt simulate nine.json --policy ws-rr,petals --arrivals poisson:0.1 --requests 100
  shardopt simulate nine.json --arrivals poisson:0.5 --requests 300 -o waits.svg
Exit codes: 0 simulated; 2 bad input; 3 proven: no placement; 4 no placement found."""
)
@click.argument("instance_file", metavar="INSTANCE")
@click.argument("solution_file", metavar="[SOLUTION]", required=False)
@problem_option
@click.option("--policy", "policies", metavar="NAME,...", help="Which; by default the first.")
@click.option(
    "--arrivals",
    metavar="FORM",
    help="poisson:RATE, period:SECONDS, gamma:RATE:CV or FILE.csv; some problems have their own.",
)
@click.option("--requests", type=int, metavar="N", help="How many; of a file, by default all.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N")
@click.option("--events", metavar="FILE", help="Write every event to FILE, one JSON object a line.")
@click.option("-o", "--output", metavar="FILE", help="Draw it: .svg, .png, .html or .txt.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--design-sessions", metavar="auto|N", help="Sessions that cg-bp places for.")
@click.option("--session-delay", type=float, metavar="S", help="Seconds spent on each session.")
@click.option("--allocation-delay", metavar="S|POLICY=S,...", help="The same, by policy.")
@click.option("--mode", metavar="ledger|physical", help="Are slots held from arrival or start?")
@click.option("--no-backoff", is_flag=True, default=None, help="Start as soon as there is room.")
@click.option("--join-order", metavar="NODE,...", help="How servers join a PETALS swarm.")
@click.option("--actual", metavar="FORM", help="uniform:A:B or exponential: true lengths.")
@click.option("--fail", metavar="NODE@FROM-TO", help="Nodes that are down for a while.")
@click.option("--slow", metavar="NODE:FACTOR@FROM-TO", help="Nodes that are slow for a while.")
@click.option("--misjudge", metavar="NODE:FACTOR", help="Nodes whose times are misjudged.")
@click.option("--replan-every", type=float, metavar="S", help="How often to look at the rate.")
@click.option("--reload-s", type=float, metavar="S", help="What loading another placement takes.")
def command(
    instance_file: str,
    solution_file: str | None,
    problem: str | None,
    policies: str | None,
    arrivals: str | None,
    requests: int | None,
    seed: int,
    events: str | None,
    output: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Let requests arrive over time and policies decide at once; compare what they achieve.

    All policies meet the same requests. With SOLUTION they use its placement, otherwise each
    makes its own.
    """
    import shardopt
    from shardopt.show import picture_kind
    from shardopt.simulation_plots import timeline_lines, write_timelines

    if output is not None:
        picture_kind(output)  # before hours may have gone into what cannot be drawn
    given = {name: value for name, value in options.items() if value is not None}
    if problem is None and solution_file is not None:
        instance = load_with_plan(instance_file, solution_file)
    else:
        instance = shardopt.load(instance_file, problem)
    with _event_log(events) as log:
        found = shardopt.simulate(
            instance,
            policies,
            arrivals=arrivals,
            requests=requests,
            seed=seed,
            solution=solution_file,
            log=log,
            **given,
        )
    if output is not None:
        write_timelines(output, found)
        click.echo(f"wrote {output}", err=True)
    if as_json:
        print_json(_without_timelines(found))
    else:
        console = stdout_console()
        console.print(_metrics(found["policies"]))
        console.print(_others(found["policies"]))
        console.print(_utilisation(found["policies"]))
        for line in [*_differences(found["policies"]), "", *timeline_lines(found, console.width)]:
            console.print(line)


@contextlib.contextmanager
def _event_log(path: str | None) -> Iterator[Log | None]:
    """Yield what writes an event to a file; nothing where there is none."""
    if path is None:
        yield None
        return
    with _opened(path) as file:
        yield lambda event: print(json.dumps(event, ensure_ascii=False), file=file)


def _opened(path: str) -> TextIO:
    try:
        return Path(path).open("w", encoding="utf-8")
    except OSError as error:
        raise InputError(str(error.strerror), "a file to write to", file=path) from None


def _without_timelines(found: Any) -> Any:
    """Leave out what pictures are made of, which is long, wherever metrics are."""
    if not isinstance(found, dict):
        return found
    return {key: _without_timelines(v) for key, v in found.items() if key != "timeline"}


def _metrics(policies: dict[str, Any]) -> Table:
    """Return a row per policy, and what it were without the constants below it."""
    rows = []
    for name, metrics in policies.items():
        rows.append((name, metrics))
        if "without_delays" in metrics:
            rows.append(("  no delays", metrics["without_delays"]))
    columns = {key: heading for key, heading in COLUMNS.items() if key in rows[0][1]}
    cells = [(name, [metrics[key] for key in columns]) for name, metrics in rows]
    return _table("policy", columns.values(), cells)


def _others(policies: dict[str, Any]) -> Table:
    """Return a row per metric that is a number and stands in no column of the other table."""
    names = dict.fromkeys(
        name
        for metrics in policies.values()
        for name, value in metrics.items()
        if isinstance(value, float) and name not in COLUMNS
    )
    rows = [(name, [metrics.get(name) for metrics in policies.values()]) for name in names]
    return _table("also", policies, rows)


def _utilisation(policies: dict[str, Any]) -> Table:
    nodes = next(iter(policies.values()))["utilisation"]
    rows = [(node, [m["utilisation"][node] for m in policies.values()]) for node in nodes]
    return _table("utilisation", policies, rows)


def _differences(policies: dict[str, Any]) -> Iterator[str]:
    """Yield how each policy's sessions compare with the same sessions under the first one."""
    first = next(iter(policies))
    for name, metrics in policies.items():
        versus = metrics.get(f"versus_{first}")
        if versus is None or versus["low_s"] is None:  # too few for a confidence interval
            continue
        low, mean, high = (f"{versus[key]:+.4g}" for key in ("low_s", "mean_s", "high_s"))
        yield f"{name}: {mean} s a session against {first} (95% confidence: {low} to {high})"


def _table(corner: str, columns: Iterable[str], rows: Iterable[tuple[str, list[Any]]]) -> Table:
    from rich import box
    from rich.table import Table

    from shardopt.units import printable

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(corner, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", vertical="bottom")
    for label, values in rows:
        table.add_row(printable(label), *(_shown(value) for value in values))
    return table


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if isinstance(value, int) or value >= 1e4 else f"{value:.4g}"
