"""The process that holds the runs of a study, one at a time: ``python -m shardopt.study.host``.

It loads what a problem's solvers need once, and forks for each run: a run has a process of its
own, without the second that imports take. It watches that process, and kills it and its children
when it does not end in time or takes too much memory. The end of stdin means that whoever asked is
gone; then the run goes, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import io
import os
import re
import select
import signal
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from shardopt.models.discover import part
from shardopt.solvers.backends import messages
from shardopt.solvers.backends.process import resident_bytes
from shardopt.solvers.registry import find_solver
from shardopt.solvers.warm import load_kernels
from shardopt.study.answers import Row, answer, failed
from shardopt.study.planning import Run
from shardopt.study.version import version_of

GRACE_S = 10.0
"""A run that has not ended so long after its limit hangs. Backends have 1 s of it."""
_POLL_S = 0.05
_MEMORY_POLL_S = 0.2
_OWN_BYTES = 256 * 2**20
"""What the process of a run takes for itself."""


@dataclass(frozen=True)
class Task:
    """A run, its instance file, and how much memory it may take."""

    run: Run
    instance_file: Mapping[str, Any]
    memory_bytes: float
    grace_s: float = GRACE_S


@dataclass(frozen=True)
class OtherCode:
    """The host runs other code than the study was planned with."""

    version: str


def watched(task: Task, inbox: BinaryIO) -> Row:
    """Do a run in a process of its own and return its row, whatever becomes of it."""
    began = time.perf_counter()
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as words, os.fdopen(reading, "rb", buffering=0) as channel:
        pid = os.fork()
        if pid == 0:
            _be_the_run(task, writing, words.fileno())
        os.close(writing)
        said = io.BytesIO()
        row = _watch(task, pid, channel, inbox, said, began)
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(EOFError):
            said.seek(0)
            row = messages.receive(said)
        if row is None:
            row = _died(status, words)
        elif row["error"] is not None and row["status"] == "hung":
            row["error"] += _place(words)
    return row | {"wall_s": time.perf_counter() - began}


def _watch(
    task: Task, pid: int, channel: BinaryIO, inbox: BinaryIO, said: BinaryIO, began: float
) -> Row | None:
    """Listen until the run has ended; return the row of a run that had to be killed."""
    deadline = began + task.run.time_limit_s + task.grace_s
    # Backends have their own watch on the same limit, which loses no plan: it comes first.
    most = 1.1 * task.memory_bytes + _OWN_BYTES
    next_memory_poll = began
    while True:
        ready, _, _ = select.select([channel, inbox], [], [], _POLL_S)
        if inbox in ready:  # nothing is sent during a run: it is the end of stdin
            _kill(pid)
            os._exit(1)
        if channel in ready:
            part = channel.read(1 << 20)
            if not part:
                return None
            said.write(part)
        now = time.perf_counter()
        if now > deadline:
            _kill(pid)
            text = f"still running {task.grace_s:g} s after its limit"
            return failed("hung", "time-limit", text)
        if now > next_memory_poll:
            next_memory_poll = now + _MEMORY_POLL_S
            if resident_bytes(pid) > most:
                _kill(pid)
                text = f"more than {task.memory_bytes / 2**30:.2f} GiB of memory"
                return failed("out-of-memory", "memory-limit", text)


def _be_the_run(task: Task, writing: int, words: int) -> None:
    """Solve, say so, and end this process."""
    try:
        _end_with_parent()
        for stream in (1, 2):  # a solver that prints must not write into anybody's channel
            os.dup2(words, stream)
        faulthandler.enable(words)
        faulthandler.dump_traceback_later(task.run.time_limit_s + 0.9 * task.grace_s, file=words)
        row = answer(task.run, task.instance_file, task.memory_bytes)
        with os.fdopen(writing, "wb", buffering=0) as channel:
            messages.send(channel, row)
        os._exit(0)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(words, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)


def _end_with_parent() -> None:
    """Go when the host goes, and be the first to go where memory is short (on Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _kill(pid: int) -> None:
    """Kill a process and all its descendants; backends have sessions of their own."""
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(pid)
        leader.suspend()  # it must start nothing meanwhile
        for process in (*leader.children(recursive=True), leader):
            with contextlib.suppress(psutil.Error):
                process.kill()


def _died(status: int, words: BinaryIO) -> Row:
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL:  # not by us: the system takes the run first
        return failed("out-of-memory", "memory-limit", "killed by the system, short of memory")
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    words.seek(0)
    lines = [line.strip() for line in words.read().decode(errors="replace").splitlines()]
    last = next((line for line in reversed(lines) if line and code >= 0), "")
    return failed("crashed", "crashed", f"{how}{': ' if last else ''}{last[:200]}{_place(words)}")


def _place(words: BinaryIO) -> str:
    """Return where the run was, as the first line of the traceback that faulthandler wrote."""
    words.seek(0)
    found = re.search(
        r'File "(?:.*/)?([^"/]+)", line (\d+) in (\S+)', words.read().decode(errors="replace")
    )
    return f" (in {found[3]}: {found[1]}, line {found[2]})" if found else ""


def _load(run: Run) -> None:
    """Import all that a run needs, so that no run has to."""
    for _ in load_kernels(run.problem):
        pass
    find_solver(run.problem, run.solver).load()
    for area, module in (("instances", "schema"), ("models", "check"), ("models", "evaluate")):
        part(run.problem, area, module)


def main() -> None:
    """Serve tasks over the two pipes that the parent holds, until it closes them."""
    inbox = os.fdopen(os.dup(0), "rb", buffering=0)
    outbox = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    while True:
        try:
            task = messages.receive(inbox)
        except EOFError:
            return
        run: Run = task.run
        here = version_of(run.problem, find_solver(run.problem, run.solver))
        if here != run.version:
            messages.send(outbox, OtherCode(here))
            continue
        _load(run)
        messages.send(outbox, watched(task, inbox))


if __name__ == "__main__":
    # By the module's own name: of what is sent from __main__ the parent knows no class.
    importlib.import_module("shardopt.study.host").main()
