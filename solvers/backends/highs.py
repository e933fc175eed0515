"""HiGHS, through highspy and arrays (PuLP's wrapper loses starts and constants)."""

from __future__ import annotations

import math
from typing import Any

import highspy
import numpy as np

from shardopt.models.formulation import LinearFormulation
from shardopt.models.linear import FloatArray, LinearArrays
from shardopt.models.result import Termination
from shardopt.solvers.backends.contract import BackendError, Run, Verdict
from shardopt.solvers.backends.scaling import cost_factor

PRESOLVE_IS_SOUND = (highspy.HIGHS_VERSION_MAJOR, highspy.HIGHS_VERSION_MINOR) < (1, 12)
"""1.12 to 1.15.1 can cut off the optimum in presolve (tests/data/highs-presolve.json)."""

_CB = highspy.cb.HighsCallbackType
_STATUS = highspy.HighsModelStatus
_ENDED: dict[Any, Termination] = {
    _STATUS.kOptimal: "completed",
    _STATUS.kInfeasible: "completed",
    _STATUS.kModelEmpty: "completed",
    _STATUS.kTimeLimit: "time-limit",
    _STATUS.kInterrupt: "interrupted",
    _STATUS.kIterationLimit: "iteration-limit",
    _STATUS.kMemoryLimit: "memory-limit",
}


def solve(formulation: LinearFormulation, start: FloatArray | None, run: Run) -> Verdict:
    """Minimise a linear model with HiGHS."""
    arrays = formulation.model.arrays()
    factor = cost_factor(arrays.cost)
    highspy.Highs.resetGlobalScheduler(True)  # it keeps the first run's number of threads
    highs = highspy.Highs()
    _set_options(highs, run)
    _require_ok(highs.passModel(as_lp(arrays, factor)), "passModel")
    if start is not None:
        columns = np.arange(start.size, dtype=np.int32)
        _require_ok(highs.setSolution(start.size, columns, start), "setSolution")
    _listen(highs, run, factor)
    highs.run()
    return _verdict(highs, run, factor, is_lp=not arrays.integer.any())


def _set_options(highs: Any, run: Run) -> None:
    options = {
        "output_flag": False,
        "threads": run.threads,
        # "on" means the parallel dual simplex, which hangs on some small LPs of 1.11 and ends
        # with "Unknown" on others; searching the tree in parallel does not need it.
        "parallel": "off" if run.threads == 1 else "choose",
        "random_seed": run.seed % 2**31,
        "presolve": "choose" if run.presolve and PRESOLVE_IS_SOUND else "off",
        # The default of 1e-4 is not an optimum.
        "mip_rel_gap": 1e-9,
        "mip_abs_gap": 0.0,
    }
    if math.isfinite(run.left()):
        options["time_limit"] = run.left()
    for name, value in options.items():
        _require_ok(highs.setOptionValue(name, value), name)


def as_lp(arrays: LinearArrays, factor: float) -> Any:
    """Return the model for HiGHS, its costs times ``factor``."""
    lp = highspy.HighsLp()
    lp.num_col_ = arrays.cost.size
    lp.num_row_ = arrays.row_lower.size
    lp.col_cost_ = arrays.cost * factor
    lp.col_lower_ = arrays.lower
    lp.col_upper_ = arrays.upper
    lp.row_lower_ = arrays.row_lower
    lp.row_upper_ = arrays.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = arrays.row_start.astype(np.int32)
    lp.a_matrix_.index_ = arrays.column.astype(np.int32)
    lp.a_matrix_.value_ = arrays.coefficient
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    lp.integrality_ = [kinds[int(whole)] for whole in arrays.integer]
    return lp


def _listen(highs: Any, run: Run, factor: float) -> None:
    best = -math.inf

    def heard(kind: Any, message: str, told: Any, answer: Any, data: object) -> None:
        nonlocal best
        if kind == _CB.kCallbackMipImprovingSolution:
            run.plan(np.array(told.mip_solution))
            return
        if kind == _CB.kCallbackMipInterrupt and best < told.mip_dual_bound < math.inf:
            best = told.mip_dual_bound
            run.bound(best / factor)
        if answer is not None:
            answer.user_interrupt = run.stopped()

    _require_ok(highs.setCallback(heard, None), "setCallback")
    for kind in (
        _CB.kCallbackMipImprovingSolution,
        _CB.kCallbackMipInterrupt,
        _CB.kCallbackSimplexInterrupt,
        _CB.kCallbackIpmInterrupt,
    ):
        _require_ok(highs.startCallback(kind), "startCallback")


def _verdict(highs: Any, run: Run, factor: float, is_lp: bool) -> Verdict:
    status, info = highs.getModelStatus(), highs.getInfo()
    native = highs.modelStatusToString(status)
    if status not in _ENDED:
        raise BackendError(f"HiGHS ended with {native!r}")
    if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        run.plan(np.array(highs.getSolution().col_value))
    # A pure LP has mip_dual_bound 0: there the objective is the bound, once it is optimal.
    bound = info.objective_function_value if is_lp else info.mip_dual_bound
    known = status == _STATUS.kOptimal or not is_lp
    return Verdict(
        native,
        _ENDED[status],
        bound / factor if known and math.isfinite(bound) else None,
        infeasible=status == _STATUS.kInfeasible,
    )


def _require_ok(status: Any, what: str) -> None:
    if status == highspy.HighsStatus.kError:
        raise BackendError(f"HiGHS refused {what}")
