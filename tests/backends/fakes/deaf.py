"""Reports a plan and a bound, then neither ends nor listens, with the GIL held."""

import numpy as np


def solve(formulation, start, run):
    run.bound(1.0 / formulation.unit)
    run.plan(np.eye(formulation.model.column_count)[0])
    return sum(range(10**15))
