"""A study's tables for a paper: Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from shardopt.study import tables
from shardopt.study.frame import tidy
from shardopt.study.metrics import compared
from shardopt.study.report import cells
from shardopt.study.report.columns import SUMMARY_COLUMNS, Column
from shardopt.study.report.protocol import protocol_lines
from shardopt.study.store import read_study
from shardopt.units import printable

Captioned = tuple[pd.DataFrame, str]
"""A table, and the sentence beneath it."""
_READ: dict[str, Callable[[Any], str]] = {
    "percent": cells.percent,
    "seconds": cells.seconds,
    "number": cells.number,
    "text": str,
}
_TEST_COLUMNS: dict[str, Callable[[Any], str]] = {
    "first": str,
    "second": str,
    "instances": str,
    "first better": str,
    "equal": str,
    "second better": str,
    "median difference": cells.percent,
    "p": cells.probability,
    "p (Holm)": cells.probability,
}
_FAMILIES = "Median gap to the bound by family of instances."
_INTERVALS = "In brackets: 95 % bootstrap intervals over instances."
_TESTS = "Wilcoxon signed-rank tests on the gap to the bound, corrected by Holm's method."


def markdown(study: Path, pairs: Sequence[tables.Pair] = ()) -> str:
    """Return the protocol and every problem's tables as Markdown."""
    protocol, sections = _sections(study, pairs)
    lines = ["# Gap study", "", *(f"- {_one_cell(name)}: {_one_cell(v)}" for name, v in protocol)]
    for problem, parts in sections:
        lines += ["", f"## {problem}"]
        for table, caption in parts:
            lines += ["", *_markdown_table(table), "", caption]
    return "\n".join(lines) + "\n"


def latex(study: Path, pairs: Sequence[tables.Pair] = ()) -> str:
    """Return every problem's tables as LaTeX, for the package ``booktabs``."""
    protocol, sections = _sections(study, pairs)
    lines = [f"% {printable(name)}: {printable(value)}" for name, value in protocol]
    for problem, parts in sections:
        for table, caption in parts:
            lines += ["", *_latex_table(table, f"{problem}. {caption}")]
    return "\n".join(lines) + "\n"


def _sections(
    study: Path, pairs: Sequence[tables.Pair]
) -> tuple[list[tuple[str, str]], list[tuple[str, list[Captioned]]]]:
    """Return the protocol, and of each problem its name and its tables, as text."""
    stored = read_study(study)
    frame = tidy(stored.instances, stored.runs)
    sections = []
    for problem, runs in frame.groupby("problem", sort=True):
        rows = tables.ordered(runs)
        tests = tables.tests(rows, pairs)
        summary = tables.summary(rows).reset_index()
        texts = {c.label: [_cell(row, c) for row in summary.to_dict("records")] for c in _COLUMNS}
        read = {name: tests[name].map(say) for name, say in _TEST_COLUMNS.items()}
        parts = [(pd.DataFrame(texts), _INTERVALS), (pd.DataFrame(read), _TESTS)]
        families = _families(rows)
        parts.append((families if len(families) > 1 else families[:0], _FAMILIES))
        sections.append((str(problem), [part for part in parts if len(part[0])]))
    return protocol_lines(stored.meta["protocol"], frame), sections


def _families(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the median gaps by family as text."""
    table = tables.families(frame)
    solvers = list(compared(frame)["solver"].unique())
    table[solvers] = table[solvers].map(cells.percent)
    return table.astype(str).reset_index()


_COLUMNS = (Column("solver", "solver", "text", ""), *SUMMARY_COLUMNS)


def _cell(row: dict[str, Any], column: Column) -> str:
    text = _READ[column.reading](row[column.name])
    if column.estimate:
        low, high = row[f"{column.name}_low"], row[f"{column.name}_high"]
        text = f"{text} {cells.interval(low, high, column.reading)}".rstrip()
    return text


def _markdown_table(table: pd.DataFrame) -> list[str]:
    rows = [list(table.columns), *table.to_numpy().tolist()]
    lines = ["| " + " | ".join(_one_cell(cell) for cell in row) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(table.columns), *lines[1:]]


def _one_cell(text: str) -> str:
    return printable(str(text)).replace("|", "\\|")


def _latex_table(table: pd.DataFrame, caption: str) -> list[str]:
    columns = "l" + "r" * (len(table.columns) - 1)
    rows = [" & ".join(_latex(cell) for cell in row) + r" \\" for row in table.to_numpy().tolist()]
    heads = " & ".join(_latex(name) for name in table.columns) + r" \\"
    return [
        r"\begin{table}",
        rf"\caption{{{_latex(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        heads,
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def _latex(text: str) -> str:
    escaped = re.sub(
        r"[\\~^]|[&%$#_{}]", lambda m: _SPECIAL.get(m[0], "\\" + m[0]), printable(text)
    )
    # A bracket after the end of a row would be read as an option of it.
    return "{" + escaped + "}" if escaped.startswith("[") else escaped.replace(cells.MISSING, "--")
