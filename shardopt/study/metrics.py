"""What the field reports, as plain functions on the frame of a study.

A solver that was run with several seeds counts once per instance, with the mean over its seeds:
seeds are repetitions, instances are the sample. `docs/report.md` has the sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from shardopt.models.result import OPTIMALITY_TOLERANCE
from shardopt.study.frame import OUTCOMES, signed_gap

TIME_SHIFT_S = 10.0
"""Shift of the geometric mean of times."""
PENALTY = 10.0
"""PAR10 counts a run that is not solved as ten times its limit."""
VIRTUAL_BEST = "virtual best"


def by_instance(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a number per instance (rows) and solver (columns): the mean over the seeds.

    It is missing where no seed has the number. Solvers stand in the order of the frame.
    """
    table = frame.groupby(["sha256", "solver"], sort=False)[column].mean().unstack()
    return table.reindex(columns=frame["solver"].unique())


def compared(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the solvers that a study compares, without those of its reference."""
    return frame[frame["role"] == "solver"]


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return per solver how many instances and runs there are, and what became of the runs."""
    runs = frame.groupby("solver", sort=False)
    table = pd.DataFrame({"instances": runs["sha256"].nunique(), "runs": runs.size()})
    for name in OUTCOMES:
        table[name] = (frame["outcome"] == name).groupby(frame["solver"], sort=False).sum()
    table["plans"] = runs["objective"].count()
    return table


def shifted_geometric_mean(values: Any, shift: float = TIME_SHIFT_S, axis: int = -1) -> Any:
    """Return ``exp(mean(log(v + shift))) - shift``; the shift takes weight from tiny times."""
    return np.exp(np.log(np.asarray(values, float) + shift).mean(axis=axis)) - shift


def charged_s(frame: pd.DataFrame) -> pd.Series:
    """Return the seconds of each run; one cut short or broken counts with its whole limit."""
    own = frame["outcome"].isin(["solved", "unsolved"]) | frame["time_limit_s"].isna()
    return frame["runtime_s"].where(own, frame["time_limit_s"])


def par10_s(frame: pd.DataFrame) -> pd.Series:
    """Return the seconds of each run, ten times the limit if it is not solved."""
    solved = frame["outcome"] == "solved"
    return frame["runtime_s"].where(solved, PENALTY * frame["time_limit_s"])


def primal_gaps(
    trace: Sequence[Sequence[float | None]],
    objective: float | None,
    runtime_s: float,
    best: float,
    sense: float = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return when the best plan so far changed, and its gap to ``best`` from then on.

    The gap is 1 until there is a plan, and never above 1. A run without a trace has its plan at
    its end.
    """
    points = [(t, value) for t, value, *_ in trace if t is not None and value is not None]
    if objective is not None and not np.isnan(objective):
        points.append((runtime_s, objective))
    times, values = np.array([(0.0, np.nan), *points], float).T
    running = sense * np.fmin.accumulate(sense * values)
    gaps = np.clip(signed_gap(running, best, sense), 0.0, 1.0)
    return times, np.where(np.isnan(running), 1.0, gaps)


def primal_integral(
    trace: Sequence[Sequence[float | None]],
    objective: float | None,
    runtime_s: float,
    best: float,
    limit_s: float,
    sense: float = 1,
) -> float:
    """Return the integral of the gap to ``best`` over the time until the limit, in seconds.

    A run that ends early keeps its last gap until the limit (Berthold 2013).
    """
    times, gaps = primal_gaps(trace, objective, runtime_s, best, sense)
    ends = np.append(np.clip(times, 0.0, limit_s), limit_s)
    return float(np.sum(gaps * np.diff(ends)))


def primal_integrals(frame: pd.DataFrame) -> pd.Series:
    """Return the primal integral of each run; it is missing where no plan is known at all."""
    columns = ["trace", "objective", "runtime_s", "best_known", "time_limit_s", "sense"]
    values = [
        np.nan if np.isnan(row[3]) or np.isnan(row[4]) else primal_integral(*row)
        for row in frame[columns].itertuples(index=False, name=None)
    ]
    return pd.Series(values, frame.index, float)


def best_objectives(frame: pd.DataFrame) -> pd.Series:
    """Return the best objective of each instance among the runs of a frame."""
    best = (frame["sense"] * frame["objective"]).groupby(frame["sha256"], sort=False).min()
    return best * frame.groupby("sha256", sort=False)["sense"].first()


def wins(frame: pd.DataFrame) -> pd.Series:
    """Return per solver on how many instances no other one has a better plan, ties included.

    The mean over the seeds counts, and plans within the tolerance of optimality are equal. A
    solver that has no plan for one of its seeds cannot win.
    """
    costs = _of_all_seeds(frame.assign(_cost=frame["sense"] * frame["objective"]), "_cost")
    best = costs.min(axis=1)
    return costs.le(best + OPTIMALITY_TOLERANCE * best.abs(), axis=0).sum()


def virtual_best(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of a solver that always makes the best choice among those of a frame.

    That is one row per instance: the run with the best plan, of equally good ones the fastest.
    """
    best = frame["sha256"].map(best_objectives(frame))
    slack = OPTIMALITY_TOLERANCE * best.abs()
    close = frame["sense"] * (frame["objective"] - best) <= slack
    order = frame.assign(_far=~close, _time=charged_s(frame)).sort_values(
        ["_far", "_time"], kind="stable"
    )
    chosen = order.drop_duplicates("sha256").drop(columns=["_far", "_time"])
    return chosen.assign(chosen=chosen["solver"], solver=VIRTUAL_BEST)


def plan_costs(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what a performance profile of plans compares: the objective per instance and solver.

    What is maximised counts with its reciprocal. A cost is missing where one of a solver's seeds
    has no plan, and where an objective is not positive, because then it has no ratio.
    """
    positive = frame["objective"].where(frame["objective"] > 0)
    costs = positive.where(frame["sense"] > 0, 1 / positive)
    return _of_all_seeds(frame.assign(_cost=costs), "_cost")


def proof_times(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what a performance profile of exact methods compares: the seconds to the proof."""
    return _of_all_seeds(
        frame.assign(_s=frame["runtime_s"].where(frame["outcome"] == "solved")), "_s"
    )


def performance_profile(costs: pd.DataFrame) -> pd.DataFrame:
    """Return for each ratio (rows) the share of instances on which a solver (columns) is within it.

    ``costs`` has a row per instance and a column per solver, no number below 0; a missing number
    is a failure, which no ratio reaches. An instance that nobody solves counts as well (Dolan
    and Moré 2002).
    """
    best = costs.min(axis=1)
    ratios = costs.div(best.where(best > 0), axis=0)
    ratios = ratios.mask(costs == 0, 1.0).mask((costs > 0) & best.eq(0), np.inf, axis=0)
    finite = ratios.to_numpy()[np.isfinite(ratios.to_numpy())]
    steps = np.unique(np.append(finite, 1.0))
    shares = {
        solver: np.searchsorted(np.sort(ratios[solver].dropna()), steps, side="right") / len(costs)
        for solver in costs
    }
    return pd.DataFrame(shares, index=pd.Index(steps, name="ratio"))


def _of_all_seeds(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return `by_instance`, without the means of which one seed's number is missing."""
    complete = frame.assign(_missing=frame[column].isna())
    missing = by_instance(complete, "_missing")
    return by_instance(frame, column).where(missing == 0)
