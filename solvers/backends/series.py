"""A series of MILPs in one process, by HiGHS: the best answer of all counts.

First come the relaxations, then the models, the most promising first, until no relaxation that
is left promises less than the best plan. Starting a process for each would take longer than
solving most of them.
"""

from __future__ import annotations

from dataclasses import replace

from shardopt.models.formulation import LinearFormulation, SeriesFormulation
from shardopt.models.linear import FloatArray
from shardopt.models.result import OPTIMALITY_TOLERANCE
from shardopt.solvers.backends import highs
from shardopt.solvers.backends.contract import Run, Verdict


def solve(series: SeriesFormulation, start: None, run: Run) -> Verdict:
    """Minimise over all models of a series."""
    best = series.cutoff
    promises = _promises(series, run)
    for n in sorted(promises, key=lambda n: (promises[n], n)):
        if _over(run) or promises[n] >= best * (1 - OPTIMALITY_TOLERANCE):
            break
        best = _solve_one(n, series.build(n, False), run, best)
    if run.stopped():
        return Verdict("stopped", "interrupted")
    return Verdict("ended", "time-limit" if run.left() <= 0.0 else "completed")


def _over(run: Run) -> bool:
    return run.stopped() or run.left() <= 0.0


def _promises(series: SeriesFormulation, run: Run) -> dict[int, float]:
    """Return the optimum of each relaxation that has one, as far as time allows."""
    promises = {}
    for n in range(series.count):
        if _over(run):
            break
        relaxed = series.build(n, True)
        verdict = highs.solve(relaxed, None, replace(run, plan=_ignore, bound=_ignore))
        if verdict.bound is not None and not verdict.infeasible:
            promises[n] = verdict.bound * relaxed.unit
    return promises


def _solve_one(n: int, formulation: LinearFormulation, run: Run, best: float) -> float:
    """Solve one model, tell every plan better than ``best``, and return the best value."""
    cost = formulation.model.arrays().cost

    def heard(values: FloatArray) -> None:
        nonlocal best
        value = float(cost @ values) * formulation.unit
        if value < best:
            best = value
            run.plan((n, values))

    highs.solve(formulation, None, replace(run, plan=heard, bound=_ignore))
    return best


def _ignore(_: object) -> None:
    """Take what concerns only one model, and proves nothing of the others."""
