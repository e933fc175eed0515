"""Writes to standard output, from Python and below it, and reads standard input."""

import os
import sys

from shardopt.solvers.backends import highs


def solve(formulation, start, run):
    print("Optimal!" * 10_000, flush=True)
    os.write(1, b"\x00\xff" * 1000)
    assert sys.stdin.read() == ""
    return highs.solve(formulation, start, run)
