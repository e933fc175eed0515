"""The worst instance of each heuristic: its plan there, and the best plan known beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd

from shardopt.models.errors import ShardoptError
from shardopt.models.result import OPTIMALITY_TOLERANCE
from shardopt.show import image
from shardopt.study.metrics import compared
from shardopt.study.solutions import parsed


@dataclass(frozen=True)
class Worst:
    """A run with the largest gap of its solver, and the run with the best plan there.

    ``best`` is ``None`` where the solver's own plan is the best.
    """

    run: dict[str, Any]
    best: dict[str, Any] | None


def worst_runs(frame: pd.DataFrame) -> Iterator[Worst]:
    """Yield the run farthest from the best known plan of each compared solver that is not exact.

    Not from the bound: on an open instance that would mostly show what proof is missing.
    """
    heuristics = compared(frame).query("kind != 'exact'")
    for _, runs in heuristics.groupby("solver", sort=False):
        if runs["gap_to_best_known"].notna().any():
            run = runs.loc[runs["gap_to_best_known"].idxmax()].to_dict()
            yield Worst(run, best_run(frame, run))


def best_run(frame: pd.DataFrame, run: dict[str, Any]) -> dict[str, Any] | None:
    """Return the run with the best plan on the instance of another one, preferably proven."""
    others = frame[(frame["sha256"] == run["sha256"]) & frame["objective"].notna()]
    order = others.assign(
        _cost=others["sense"] * others["objective"], _open=others["status"] != "optimal"
    )
    best: dict[str, Any] = order.sort_values(["_cost", "_open"], kind="stable").iloc[0].to_dict()
    slack = OPTIMALITY_TOLERANCE * abs(best["objective"])
    return None if abs(best["objective"] - run["objective"]) <= slack else best


class Gallery:
    """The pictures of plans that a page shows, each of them drawn once.

    Attributes
    ----------
    pictures
        SVG documents by name.
    """

    def __init__(self, study: Path, runs: pd.DataFrame) -> None:
        self._study = study
        self._solutions = runs.set_index("key")["solution"]
        self._names: dict[tuple[str, str], str | None] = {}
        self.pictures: dict[str, str] = {}

    def name_of(self, run: Mapping[str, Any]) -> str | None:
        """Return the name of the picture of a run's plan, ``None`` if it cannot be drawn."""
        solution = self._solutions[run["key"]]
        if not isinstance(solution, str):
            return None
        known = (run["sha256"], solution)
        if known not in self._names:
            svg = _picture(self._study / run["file"], json.loads(solution))
            self._names[known] = None if svg is None else f"plan-{len(self.pictures)}"
            if svg is not None:
                self.pictures[f"plan-{len(self.pictures)}"] = svg
        return self._names[known]


def _picture(file: Path, solution: Any) -> str | None:
    """Return a plan as an SVG document; ``solution`` is that of a solution file."""
    try:
        instance, plan = parsed(file, solution)
        with mpl.rc_context({"svg.fonttype": "none"}):
            svg = image(instance, plan, "svg").decode()
    except ShardoptError:
        return None
    return svg[svg.index("<svg") :]
