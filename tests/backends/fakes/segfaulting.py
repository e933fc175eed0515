"""Dies in native code after its first incumbent."""

import os
import signal
import sys

import numpy as np


def solve(formulation, start, run):
    run.bound(1.0 / formulation.unit)
    run.plan(np.eye(formulation.model.column_count)[0])
    print("terminate called after throwing", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
