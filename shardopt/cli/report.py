"""``shardopt report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shardopt.models.errors import InputError, UnavailableError

if TYPE_CHECKING:
    import pandas as pd

    from shardopt.study.tables import Pair

CONTRADICTED = 1
FORMATS = ("html", "csv", "parquet", "markdown", "latex")


@click.command(
    epilog="""\b
Example:
  shardopt gap instances/ --solvers all --time-limit 10 -o study/
  shardopt report study/ -o report.html --pairs ga:packing-search,ga:splitwise
  shardopt report study/ --format csv -o runs.csv
Exit codes: 0 written; 1 rows of the study contradict each other; 2 bad input."""
)
@click.argument("study", metavar="STUDY")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE; without it, to stdout.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="html",
    show_default=True,
    help="A page; all runs as data; or the tables for a paper.",
)
@click.option(
    "--pairs",
    metavar="A:B,...",
    help="Solvers to test against each other.  [default: the published heuristic, all other"
    " heuristics]",
)
def command(study: str, output: str | None, kind: str, pairs: str | None) -> int:
    """Say what a study has found.

    html is one page that needs no network: protocol, tables with intervals and tests, figures,
    all instances, and each heuristic's worst plan beside the optimum. csv and parquet have a row
    per run, with the columns of `shardopt.study.load`. docs/report.md explains every number.
    """
    from shardopt.study import load

    folder = Path(study)
    if kind == "parquet" and output is None:
        raise InputError("no file", "-o FILE: Parquet is not text", "--format")
    if output is not None and not Path(output).absolute().parent.is_dir():
        raise InputError("no such folder", "a file name", file=output)
    frame = load(folder)
    chosen = _pairs(pairs, frame)
    if kind == "parquet":
        _write_parquet(frame, str(output))
    elif output is None:
        click.echo(_text(folder, frame, kind, chosen), nl=False)
    else:
        Path(output).write_text(_text(folder, frame, kind, chosen), encoding="utf-8")
    if output is not None:
        click.echo(f"wrote {output}", err=True)
    return _warn_of_contradictions(folder)


def _pairs(pairs: str | None, frame: pd.DataFrame) -> list[Pair]:
    from shardopt.study.tables import parse_pairs

    return [] if pairs is None else parse_pairs(pairs, list(frame["solver"].unique()))


def _text(folder: Path, frame: pd.DataFrame, kind: str, pairs: list[Pair]) -> str:
    from shardopt.study.report import build, texts

    if kind == "csv":
        return str(_flat(frame).to_csv(index=False, lineterminator="\n"))
    write = {"html": build.build_page, "markdown": texts.markdown, "latex": texts.latex}[kind]
    return write(folder, pairs)


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with lists and objects as JSON, and without the traces, which are long."""
    import json

    nested = {name: frame[name].map(json.dumps) for name in ("parameters", "faults", "extra")}
    return frame.drop(columns="trace").assign(**nested)


def _write_parquet(frame: pd.DataFrame, output: str) -> None:
    try:
        _flat(frame).to_parquet(output, index=False)
    except ImportError:
        needed = "Parquet files need pyarrow: pip install 'shardopt[parquet]'"
        raise UnavailableError(needed) from None


def _warn_of_contradictions(folder: Path) -> int:
    from shardopt.study.contradictions import COLUMNS, contradictions
    from shardopt.study.store import open_study

    with open_study(folder) as store:
        found = contradictions(store.instances(), store.runs(columns=COLUMNS))
    for line in found:
        click.echo(f"contradiction: {line}", err=True)
    return CONTRADICTED if found else 0
