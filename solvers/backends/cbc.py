"""CBC, the executable that PuLP brings (2.10.3), without PuLP's reading of its answers.

PuLP calls every stop "Optimal" and invents an objective where there is no incumbent; status,
objective and bound stand only in the final block of CBC's own log.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import subprocess
import tempfile
import threading
from decimal import Decimal
from pathlib import Path

import numpy as np
import pulp

from shardopt.models.formulation import LinearFormulation
from shardopt.models.linear import FloatArray
from shardopt.models.result import Termination
from shardopt.solvers.backends.contract import POLL_S, BackendError, Run, Verdict
from shardopt.solvers.backends.mps import write_mps
from shardopt.solvers.backends.scaling import cost_factor

_NUMBER = r"(-?\d[\d.]*(?:e[+-]?\d+)?)"
_INFINITY = 1e30
_END = b"\x1d end of the log \x1d"  # CBC's own output is plain text
_OVERRUN_S = 0.3
_PATIENCE_S = 0.7  # both together less than the watchdog's grace
_INFEASIBLE = ("Problem proven infeasible", "Linear relaxation infeasible")
_ENDED: dict[str, Termination] = {
    "Optimal solution found": "completed",
    "Stopped on time": "time-limit",
    "Stopped on node": "iteration-limit",
    "Stopped on iteration": "iteration-limit",
    "Stopped on solution": "iteration-limit",
    "User ctrl-c": "interrupted",
}


def solve(formulation: LinearFormulation, start: FloatArray | None, run: Run) -> Verdict:
    """Minimise a linear model with CBC."""
    arrays = formulation.model.arrays()
    factor = cost_factor(arrays.cost)
    with tempfile.TemporaryDirectory(prefix="shardopt-cbc-") as folder:
        here = Path(folder)
        write_mps(here / "model.mps", arrays, factor)
        if start is not None:
            _write_start(here / "start.txt", start)
        command = _command(here, run, start is not None)
        try:
            verdict, has_incumbent = _answer(command, factor, run)
        except BackendError:  # seen once in tens of thousands of runs: it ended at its banner
            if run.stopped() or run.left() <= 0.0:
                raise
            verdict, has_incumbent = _answer(command, factor, run)
        if has_incumbent:
            run.plan(_read_solution(here / "solution.txt", arrays.cost.size))
    if verdict.termination == "completed" and not verdict.infeasible:
        return verdict
    # What it calls infeasible when it was cut short proves nothing; and an interrupt may have
    # been ours, for overrunning.
    if run.stopped():
        return Verdict(verdict.native, "interrupted", verdict.bound)
    if run.left() <= 0.0:
        return Verdict(verdict.native, "time-limit", verdict.bound)
    return verdict


def _answer(command: list[str], cost_factor: float, run: Run) -> tuple[Verdict, bool]:
    """Run CBC and read how it ended, and whether it wrote an incumbent."""
    code, log = _run_cbc(command, run)
    if code:
        raise BackendError(f"CBC exited with {code}: {log.strip().splitlines()[-3:]}")
    return _cut_off(log, cost_factor) if code is None else read_log(log, cost_factor)


def _command(here: Path, run: Run, has_start: bool) -> list[str]:
    seed = str(1 + run.seed % (2**31 - 2))  # to CBC 0 means the time of day
    command = [pulp.apis.PULP_CBC_CMD.pulp_cbc_path, str(here / "model.mps")]
    command += ["-timeMode", "elapsed", "-randomSeed", seed, "-randomCbcSeed", seed]
    if math.isfinite(run.left()):
        command += ["-sec", repr(run.left())]
    if run.threads > 1:
        command += ["-threads", str(run.threads)]
    if not run.presolve:
        command += ["-presolve", "off", "-preprocess", "off"]
    if has_start:
        command += ["-mipstart", str(here / "start.txt")]
    # By default a plan must be better by 1e-5 to count.
    command += ["-increment", "1e-9", "-ratioGap", "0", "-allowableGap", "0"]
    return [*command, "-solve", "-solution", str(here / "solution.txt")]


def _run_cbc(command: list[str], run: Run) -> tuple[int | None, str]:
    """Run CBC and return its exit code (``None`` if it had to be killed) and its log.

    When the run must end it is interrupted, and then writes what it has; but it is deaf while
    it solves a large relaxation.
    """
    # To a terminal it writes line by line, to a file or a pipe only when it ends.
    ours, its = os.openpty()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=its, stderr=subprocess.STDOUT
    )
    log: list[bytes] = []
    reader = threading.Thread(target=_collect, args=(ours, log), daemon=True)
    reader.start()
    try:
        code = _wait(process, run)
    finally:
        process.kill()
        process.wait()
        # Its side stays open until all has been read: a line that hangs up may lose its last words.
        os.write(its, _END)
        reader.join()
        os.close(its)
        os.close(ours)
    return code, b"".join(log).decode(errors="replace").replace("\r\n", "\n")


def _wait(process: subprocess.Popen[bytes], run: Run) -> int | None:
    overdue_s = 0.0
    interrupted = False
    while overdue_s < _OVERRUN_S + _PATIENCE_S:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(POLL_S)
        if run.stopped() or run.left() <= 0.0:
            overdue_s += POLL_S
        if not interrupted and (run.stopped() or overdue_s > _OVERRUN_S):
            process.send_signal(signal.SIGINT)
            interrupted = True
    return None


def _collect(terminal: int, log: list[bytes]) -> None:
    tail = b""
    while not tail.endswith(_END):
        log.append(os.read(terminal, 65536))
        tail = (tail + log[-1])[-len(_END) :]
    log[:] = [b"".join(log).removesuffix(_END)]


def read_log(log: str, cost_factor: float) -> tuple[Verdict, bool]:
    """Read how CBC ended, and whether it wrote an incumbent.

    The bound is rounded in print: it is relaxed by one unit of the last printed digit.
    """
    _, found, block = log.rpartition("Result - ")
    if not found:
        return _read_log_without_result(log, cost_factor)
    native = block.splitlines()[0].strip()
    if native.startswith(_INFEASIBLE):
        return Verdict(native, "completed", infeasible=True), False
    ended = next((kind for words, kind in _ENDED.items() if native.startswith(words)), None)
    if ended is None:
        raise BackendError(f"CBC ended with {native!r}")
    objective = re.search(rf"^Objective value: +{_NUMBER}", block, re.MULTILINE)
    lower = re.search(rf"^Lower bound: +{_NUMBER}", block, re.MULTILINE)
    if lower is None and ended == "completed":  # then the incumbent is the bound
        lower = objective
    bound = None
    if lower is not None and abs(float(lower[1])) < _INFINITY:
        bound = _relaxed(lower[1]) / cost_factor
    return Verdict(native, ended, bound), objective is not None


def _cut_off(log: str, cost_factor: float) -> tuple[Verdict, bool]:
    """Read the log of a CBC that had to be killed: all it has proven is its first relaxation."""
    value = re.search(rf"^Continuous objective value is {_NUMBER}", log, re.MULTILINE)
    bound = None if value is None else _relaxed(value[1]) / cost_factor
    return Verdict("killed", "time-limit", bound), False


def _read_log_without_result(log: str, cost_factor: float) -> tuple[Verdict, bool]:
    """Read the log of a model without integer columns, or one that preprocessing refuted."""
    value = re.search(rf"^Optimal objective {_NUMBER}", log, re.MULTILINE)
    if value is not None:
        return Verdict("Optimal", "completed", _relaxed(value[1]) / cost_factor), True
    # Preprocessing says "infeasible or unbounded", but a finite relaxation excludes the latter.
    bounded = "Continuous objective value is" in log
    if "\nProblem is infeasible" in log or (bounded and "Pre-processing says infeasible" in log):
        return Verdict("infeasible before the search", "completed", infeasible=True), False
    raise BackendError(f"CBC ended without a result: {log.strip().splitlines()[-3:]}")


def _relaxed(printed: str) -> float:
    """Return a printed number less one unit of its last digit."""
    number = Decimal(printed)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # the pattern admits only finite numbers
    return float(number - Decimal(1).scaleb(exponent))


def _write_start(path: Path, values: FloatArray) -> None:
    lines = [f"{j} c{j} {value!r}\n" for j, value in enumerate(values.tolist())]
    path.write_text("start - objective value 0\n" + "".join(lines), encoding="ascii")


def _read_solution(path: Path, count: int) -> FloatArray:
    """Read the columns' values; zeros are not listed."""
    values = np.zeros(count)
    for line in path.read_text(encoding="ascii").splitlines()[1:]:
        words = line.replace("**", " ").split()
        values[int(words[1].removeprefix("c"))] = float(words[2])
    return values
