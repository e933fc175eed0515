"""The parent's side of a backend's process: start it, listen, watch it, end it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import IO, BinaryIO, cast

import psutil

from shardopt.models.result import Termination
from shardopt.solvers.backends import messages
from shardopt.solvers.backends.contract import POLL_S
from shardopt.solvers.backends.messages import Ended, Fault, Message, Ready, Task
from shardopt.solvers.backends.worker import STOP
from shardopt.solvers.budget import Budget

GRACE_S = 1.0
"""What a backend gets to end by itself after its limit, or after it was asked to stop."""
MEMORY_SHARE = 0.8
_MEMORY_POLL_S = 0.2


def answer_in_own_process(
    task: Task,
    budget: Budget,
    stopped: Callable[[], bool],
    memory_limit_bytes: float | None = None,
) -> Generator[Message]:
    """Do what `worker.answer` does where crashes, hangs and memory hurt nobody else.

    The last message is always an `Ended`. Stop listening early and the process is killed.
    """
    if memory_limit_bytes is None:
        memory_limit_bytes = MEMORY_SHARE * psutil.virtual_memory().available
    with Worker() as worker:
        watch = _Watchdog(worker, budget, stopped, memory_limit_bytes)
        while True:
            message = worker.next_message(POLL_S)
            if isinstance(message, Ready):
                seconds = None if task.seconds is None else budget.left()
                worker.send(replace(task, seconds=seconds))
            elif isinstance(message, Gone):
                yield Fault(f"the backend's process {message.how}")
                yield Ended("died", "crashed")
                return
            elif message is not None:
                yield message
            if isinstance(message, Ended):
                return
            reason = watch.reason_to_kill()
            if reason is not None:
                break
        worker.kill()
        while True:  # what it said before it was killed still counts
            message = worker.next_message(POLL_S)
            if isinstance(message, Gone):
                message = Ended("killed", reason)
            if message is not None:
                yield message
            if isinstance(message, Ended):
                return


@dataclass(frozen=True)
class Gone:
    """The worker's channel is closed; ``how`` it went."""

    how: str


class Worker:
    """A process that runs a module's ``main``, and the thread that reads what it says."""

    def __init__(self, module: str = "shardopt.solvers.backends.worker") -> None:
        # Both are given back in __exit__: a worker that is killed cannot tidy up.
        self._scratch = tempfile.TemporaryDirectory(prefix="shardopt-", ignore_cleanup_errors=True)
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        # The worker must find what the caller can import, the caller's own modules included.
        paths = os.pathsep.join(path or str(os.curdir) for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            bufsize=0,
            env=os.environ | {"PYTHONPATH": paths, "TMPDIR": self._scratch.name},
            start_new_session=True,  # Ctrl-C in the terminal is the parent's to translate
        )
        self._inbox: queue.SimpleQueue[Message | Gone] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self.pid = self._process.pid

    def __enter__(self) -> Worker:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            with contextlib.suppress(BrokenPipeError):
                cast(BinaryIO, pipe).close()
        self._scratch.cleanup()

    def next_message(self, timeout: float) -> Message | Gone | None:
        """Return the next message, ``None`` if none comes in time."""
        try:
            return self._inbox.get(timeout=timeout)
        except queue.Empty:
            return None

    def send(self, value: object) -> None:
        """Send a task or a stop; a worker that is gone is noticed by the reader."""
        with contextlib.suppress(BrokenPipeError):
            messages.send(cast(BinaryIO, self._process.stdin), value)

    def kill(self) -> None:
        """Kill the worker and all its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _read(self) -> None:
        try:
            while True:
                self._inbox.put(messages.receive(cast(BinaryIO, self._process.stdout)))
        except Exception as error:  # the end, or bytes that are no message
            self._inbox.put(Gone(self._last_words(error)))

    def _last_words(self, error: Exception) -> str:
        if not isinstance(error, EOFError):
            return f"sent something unreadable ({type(error).__name__})"
        try:
            code = self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            return "closed its channel"
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{how}: {last[:200]}" if last else how


class _Watchdog:
    """Says when a worker must be killed, and asks it to stop before that."""

    def __init__(
        self,
        worker: Worker,
        budget: Budget,
        stopped: Callable[[], bool],
        memory_limit_bytes: float,
    ) -> None:
        self._worker = worker
        self._budget = budget
        self._stopped = stopped
        self._memory_limit_bytes = memory_limit_bytes
        self._stop_sent: float | None = None
        self._next_memory_poll = 0.0

    def reason_to_kill(self) -> Termination | None:
        """Return why the worker must be killed now, ``None`` while it may live."""
        now = time.perf_counter()
        if self._stop_sent is None and self._stopped():
            self._stop_sent = now
            self._worker.send(STOP)
        if self._stop_sent is not None and now > self._stop_sent + GRACE_S:
            return "interrupted"
        limit = self._budget.time_limit
        if limit is not None and self._budget.elapsed() > limit + GRACE_S:
            return "time-limit"
        if now > self._next_memory_poll:
            self._next_memory_poll = now + _MEMORY_POLL_S
            if resident_bytes(self._worker.pid) > self._memory_limit_bytes:
                return "memory-limit"
        return None


def resident_bytes(pid: int) -> float:
    """Return the memory of a process and all its descendants."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            with contextlib.suppress(psutil.Error):  # it may end between the two calls
                total += process.memory_info().rss
    return total
