"""SCIP, through pyscipopt (optional extra): for models with products."""

from __future__ import annotations

import math
from typing import Any

import pyscipopt

from shardopt.models.formulation import ScipFormulation
from shardopt.models.result import Termination
from shardopt.solvers.backends.contract import BackendError, Run, Verdict, when_stopped

_ENDED: dict[str, Termination] = {
    "optimal": "completed",
    "infeasible": "completed",
    "timelimit": "time-limit",
    "userinterrupt": "interrupted",
    "memlimit": "memory-limit",
    "gaplimit": "gap-limit",
    "nodelimit": "iteration-limit",
    "totalnodelimit": "iteration-limit",
    "sollimit": "iteration-limit",
}


def solve(formulation: ScipFormulation, start: None, run: Run) -> Verdict:
    """Minimise a SCIP model."""
    model = formulation.model
    _set_parameters(model, run)
    model.includeEventhdlr(_Events(run), "shardopt", "reports incumbents and bounds")
    with when_stopped(run, model.interruptSolve):
        model.optimizeNogil()
    native = model.getStatus()
    if native not in _ENDED:
        raise BackendError(f"SCIP ended with {native!r}")
    if native == "infeasible":
        return Verdict(native, "completed", infeasible=True)
    if model.getNSols() > 0:
        _report_plan(model, run)
    bound = model.getDualbound()
    return Verdict(native, _ENDED[native], None if model.isInfinity(abs(bound)) else bound)


def _set_parameters(model: Any, run: Run) -> None:
    model.hideOutput()
    model.setParam("limits/gap", 0.0)
    model.setParam("misc/catchctrlc", False)
    model.setParam("randomization/randomseedshift", run.seed % 2**31)
    model.setParam("parallel/maxnthreads", run.threads)
    if math.isfinite(run.left()):
        model.setParam("limits/time", run.left())
    if not run.presolve:
        model.setParam("presolving/maxrounds", 0)


def _report_plan(model: Any, run: Run) -> None:
    best = model.getBestSol()
    run.plan(lambda variable: model.getSolVal(best, variable))


class _Events(pyscipopt.Eventhdlr):
    """Reports incumbents and bounds as SCIP finds them."""

    _KINDS = (
        pyscipopt.SCIP_EVENTTYPE.BESTSOLFOUND,
        pyscipopt.SCIP_EVENTTYPE.DUALBOUNDIMPROVED,
    )

    def __init__(self, run: Run) -> None:
        self._run = run

    def eventinit(self) -> None:
        """Ask for the events."""
        for kind in self._KINDS:
            self.model.catchEvent(kind, self)

    def eventexit(self) -> None:
        """Give the events back."""
        for kind in self._KINDS:
            self.model.dropEvent(kind, self)

    def eventexec(self, event: Any) -> None:
        """Report what is new."""
        if event.getType() == pyscipopt.SCIP_EVENTTYPE.BESTSOLFOUND:
            _report_plan(self.model, self._run)
        bound = self.model.getDualbound()
        if not self.model.isInfinity(abs(bound)):
            self._run.bound(bound)
