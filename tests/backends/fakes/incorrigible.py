"""Proves a bound above the optimum, whatever it is told."""

from dataclasses import replace

from shardopt.solvers.backends import highs


def solve(formulation, start, run):
    verdict = highs.solve(formulation, start, run)
    return replace(verdict, bound=2.0 * verdict.bound)
