"""Claims that there is no plan, as long as it may presolve."""

from shardopt.solvers.backends import highs
from shardopt.solvers.backends.contract import Verdict


def solve(formulation, start, run):
    if run.presolve:
        return Verdict("Infeasible", "completed", infeasible=True)
    return highs.solve(formulation, start, run)
