"""CP-SAT, through ortools."""

from __future__ import annotations

import math

from ortools.sat.python import cp_model

from shardopt.models.formulation import CpFormulation
from shardopt.solvers.backends.contract import BackendError, Run, Verdict, when_stopped


def solve(formulation: CpFormulation, start: dict[int, int] | None, run: Run) -> Verdict:
    """Minimise a CP-SAT model."""
    model = formulation.model
    # Numbers that could overflow make the model invalid, and an invalid one looks unsolved.
    complaint = model.validate()
    if complaint:
        raise BackendError(f"CP-SAT refused the model: {' '.join(complaint.split())[:200]}")
    if start is not None:
        model.clear_hints()  # type: ignore[no-untyped-call]
        model.proto.solution_hint.vars.extend(start.keys())
        model.proto.solution_hint.values.extend(start.values())
    solver = _solver(formulation, run)
    best = -math.inf

    def heard(bound: float) -> None:
        nonlocal best
        best = max(best, bound)
        run.bound(best)

    solver.best_bound_callback = heard
    with when_stopped(run, solver.stop_search):
        status = solver.solve(model, _Incumbents(run))
    native = solver.status_name(status)
    if status == cp_model.MODEL_INVALID:
        raise BackendError("CP-SAT called the model invalid")
    if status == cp_model.INFEASIBLE:
        return Verdict(native, "completed", infeasible=True)
    if status == cp_model.UNKNOWN:
        # Stopped before it has searched, its bound is a 0 that nothing proves.
        bound = best if math.isfinite(best) else None
        return Verdict(native, "interrupted" if run.stopped() else "time-limit", bound)
    run.plan(list(solver.response_proto.solution))
    bound = solver.best_objective_bound
    if status == cp_model.OPTIMAL:
        return Verdict(native, "completed", bound)
    return Verdict(native, "interrupted" if run.stopped() else "time-limit", bound)


def _solver(formulation: CpFormulation, run: Run) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = run.threads
    if formulation.by_relaxation:
        # Its first strategies for few workers hardly look at a linear relaxation.
        solver.parameters.subsolvers.extend(["reduced_costs", "max_lp"])
    # One worker is one strategy, which can stall on what the portfolio solves at once; taking
    # turns gives one thread the whole portfolio, and stays deterministic.
    solver.parameters.interleave_search = run.threads == 1
    solver.parameters.random_seed = run.seed % 2**31
    solver.parameters.cp_model_presolve = run.presolve
    solver.parameters.relative_gap_limit = 0.0
    solver.parameters.absolute_gap_limit = 0.0
    solver.parameters.catch_sigint_signal = False  # Ctrl-C is ours to translate
    # 9.15 multiplies coefficients of conditional rows in the one, and adds up those of binaries
    # in 32 bits in the other (google/or-tools issue 5293): above 2^31 both cut off optima.
    solver.parameters.auto_detect_greater_than_at_least_one_of = False
    solver.parameters.presolve_inclusion_work_limit = 0
    if math.isfinite(run.left()):
        solver.parameters.max_time_in_seconds = run.left()
    return solver


class _Incumbents(cp_model.CpSolverSolutionCallback):
    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def on_solution_callback(self) -> None:
        """Report the new incumbent."""
        self._run.plan(list(self.response_proto.solution))
