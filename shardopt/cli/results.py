"""How a result reads on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from shardopt.models.discover import part
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result
from shardopt.units import printable

_STYLE = {"optimal": "bold green", "feasible": "bold", "infeasible": "bold red", "unknown": "bold"}


def result_table(instance: Any, result: Result) -> Table:
    """Return what a person wants to know of a result; numbers that do not exist say so."""
    table = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in _lines(instance, result):
        table.add_row(name, value)
    return table


def notes(instance: Any, result: Result) -> Iterator[str]:
    """Return what belongs beside the result: faults, and a reference number without a plan."""
    for fault in result.faults:
        yield f"warning: {printable(fault)}"
    if result.solution is None and "reference" in result.extra:
        unit = part(instance.problem, "models", "data").OBJECTIVE_UNIT
        yield (
            f"reference: {result.solver}: {result.extra['reference']:.10g} {unit}"
            " (a number to compare with: not a plan, not a bound)"
        )


def _lines(instance: Any, result: Result) -> Iterator[tuple[str, Text | str]]:
    data = part(instance.problem, "models", "data")
    side = "lower" if result.sense == "min" else "upper"
    yield "instance", f"{printable(result.instance)} ({result.problem})"
    yield "solver", f"{result.solver}, seed {result.seed}, threads {result.threads}"
    yield "status", Text(result.status, style=_STYLE[result.status])
    yield "ended by", result.termination
    yield data.OBJECTIVE_NAME, _number(result.objective, data.OBJECTIVE_UNIT, "no plan")
    yield f"proven {side} bound", _number(result.bound, data.OBJECTIVE_UNIT, "none")
    yield "gap", _gap(result.gap)
    yield "runtime", f"{result.runtime_s:.3g} s"
    if result.build_s:
        yield "of which model building", f"{result.build_s:.3g} s"
    if result.compile_s:
        yield "compilation before it", f"{result.compile_s:.3g} s"
    for opinion in result.confirmed_by:
        verdict = {True: "confirmed by", False: "CONTRADICTED by", None: "left open by"}
        yield verdict[opinion.agrees], f"{opinion.by}: {opinion.note}"


def _number(value: float | None, unit: str, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.10g} {unit}"


def _gap(gap: float | None) -> str:
    if gap is None:
        return "unknown"
    return f"{100 * gap:.4g} % (optimal means at most {100 * OPTIMALITY_TOLERANCE:.4f} %)"
