"""Reports a plan, then a process that it starts takes 400 MB and keeps them."""

import subprocess
import sys

import numpy as np

EAT = "import time; food = bytearray(b'1') * 400_000_000; time.sleep(600)"


def solve(formulation, start, run):
    run.plan(np.eye(formulation.model.column_count)[0])
    subprocess.run([sys.executable, "-c", EAT], check=True)
