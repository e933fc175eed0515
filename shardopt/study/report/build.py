"""A study as one page that needs no other file and no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

import shardopt
from shardopt.models.discover import part
from shardopt.models.result import OPTIMALITY_TOLERANCE
from shardopt.study import tables
from shardopt.study.contradictions import COLUMNS, contradictions
from shardopt.study.figures import COLOURS, LINES, looks_of
from shardopt.study.frame import sizes, tidy
from shardopt.study.metrics import compared
from shardopt.study.report import cells
from shardopt.study.report.columns import INSTANCE_COLUMNS, SUMMARY_COLUMNS
from shardopt.study.report.pictures import pictures
from shardopt.study.report.plans import Gallery, Worst, worst_runs
from shardopt.study.report.protocol import protocol_lines
from shardopt.study.store import open_study, read_study
from shardopt.units import printable

_MOST_FAILURES = 100
"""Runs that went wrong of which a problem's list tells the reason."""


def build_page(study: Path, pairs: Sequence[tables.Pair] = ()) -> str:
    """Return the page of a study, with tests between the given pairs of solvers."""
    stored = read_study(study)
    frame = tidy(stored.instances, stored.runs)
    unfinished, contradicting = _warnings(study)
    gallery = Gallery(study, stored.runs)
    problems = [
        problem_section(tables.ordered(runs), pairs, gallery)
        for _, runs in frame.groupby("problem", sort=True)
    ]
    page: str = (
        _environment()
        .get_template("page.html")
        .render(
            name=printable(study.resolve().name, 80),
            version=shardopt.__version__,
            protocol=protocol_lines(stored.meta["protocol"], frame),
            unfinished=unfinished,
            contradictions=contradicting,
            problems=problems,
            plans=gallery.pictures,
            runs=len(frame),
            instances=frame["sha256"].nunique(),
            took=timedelta(seconds=round(float(frame["wall_s"].sum()))),
            colours=len(COLOURS),
        )
    )
    return page


def problem_section(
    frame: pd.DataFrame, pairs: Sequence[tables.Pair], gallery: Gallery
) -> dict[str, Any]:
    """Return what the template needs to know of one problem."""
    problem = frame["problem"].iloc[0]
    data = part(problem, "models", "data")
    looks = looks_of(frame["solver"].unique())
    by_instance = frame.groupby("sha256")
    infeasible = (frame["status"] == "infeasible").groupby(frame["sha256"]).any()
    return {
        "id": problem,
        "objective": data.OBJECTIVE_NAME,
        "unit": data.OBJECTIVE_UNIT,
        "better": "less" if data.SENSE == "min" else "more",
        "instances": by_instance.ngroups,
        "proven": int(by_instance["proven"].first().sum()),
        "infeasible": int(infeasible.sum()),
        "bounded": int(by_instance["best_bound"].first().notna().sum()),
        "columns": SUMMARY_COLUMNS,
        "summary": tables.summary(frame).reset_index().to_dict("records"),
        "tests": tables.tests(frame, pairs).to_dict("records"),
        "families": tables.families(frame).reset_index().to_dict("records"),
        "compared": list(compared(frame)["solver"].unique()),
        "looks": [
            (printable(name), look.number, look.number % len(COLOURS), LINES.index(look.line))
            for name, look in looks.items()
        ],
        "pictures": pictures(frame, looks, problem),
        "table": _instance_data(frame),
        "outcomes": sorted(frame["outcome"].unique()),
        "worst": [_worst(worst, gallery) for worst in worst_runs(frame)],
        "failures": _failures(frame),
        "failed": int(frame["outcome"].isin(["failed", "invalid"]).sum()),
    }


def script_json(value: Any) -> Markup:
    """Return JSON that may stand in a script element: nothing in it ends the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("shardopt.study.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    readings = (cells.percent, cells.seconds, cells.number, cells.probability, cells.interval)
    environment.filters |= {reading.__name__: reading for reading in readings}
    environment.filters |= {"script_json": script_json, "printable": printable, "svg": Markup}
    return environment


def _warnings(study: Path) -> tuple[int, list[str]]:
    """Return how many runs are still to be made, and which rows contradict each other."""
    with open_study(study) as store:
        found = contradictions(store.instances(), store.runs(columns=COLUMNS))
        return store.unfinished(), [str(contradiction) for contradiction in found]


def _instance_data(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the table of instances as the page's script reads it: columns, and rows of values."""
    table = tables.instance_table(frame).sort_values("instance", kind="stable")
    varied = [name for name in sizes(frame) if table[name].nunique() > 1]
    columns = [
        *INSTANCE_COLUMNS[:2],
        *({"name": name, "label": _words(name), "kind": "number"} for name in varied),
        *INSTANCE_COLUMNS[2:],
    ]
    for name in ("instance", "solver"):
        table[name] = table[name].map(printable)
    names = [column["name"] for column in columns]
    values = table[names].astype(object).where(table[names].notna(), None)
    rows = [[_short(value) for value in row] for row in values.itertuples(index=False, name=None)]
    return {"columns": columns, "rows": rows}


def _short(value: Any) -> Any:
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _words(column: str) -> str:
    return column.removeprefix("size_").replace("_", " ")


def _worst(worst: Worst, gallery: Gallery) -> dict[str, Any]:
    run, best = worst.run, worst.best
    gap = run["gap_to_best_known"]
    return {
        "solver": printable(run["solver"]),
        "instance": printable(run["instance"]),
        "gap": gap,
        "against": "the proven optimum" if run["proven"] else "the best known plan",
        "none": gap <= OPTIMALITY_TOLERANCE,
        "seed": None if pd.isna(run["seed"]) else int(run["seed"]),
        "objective": run["objective"],
        "plan": gallery.name_of(run) if gap > OPTIMALITY_TOLERANCE else None,
        "best": None if best is None else printable(best["solver"]),
        "best_objective": None if best is None else best["objective"],
        "best_plan": None if best is None else gallery.name_of(best),
        "best_proven": bool(run["proven"]),
        "bound": run["best_bound"],
    }


def _failures(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the runs that failed or gave an invalid answer, with the reason that was kept."""
    wrong = frame[frame["outcome"].isin(["failed", "invalid"])].head(_MOST_FAILURES)
    return [
        {
            "instance": printable(run["instance"]),
            "solver": printable(run["solver"]),
            "seed": "" if pd.isna(run["seed"]) else int(run["seed"]),
            "status": run["status"]
            if run["outcome"] == "invalid"
            else run["termination"] or run["status"],
            "reason": printable(str(run["error"] or "; ".join(run["faults"])), 300),
        }
        for run in wrong.to_dict("records")
    ]
