"""The process that a backend runs in: ``python -m shardopt.solvers.backends.worker``.

It reads a task from stdin and writes messages to stdout. A later "stop" on stdin asks the
backend to end with what it has; the end of stdin means that the parent is gone, and then the
worker and its children go too.
"""

from __future__ import annotations

import importlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from shardopt.models.formulation import (
    CpFormulation,
    LinearFormulation,
    ScipFormulation,
    SearchFormulation,
    TooLargeError,
    in_unit_of_problem,
)
from shardopt.solvers.backends import messages
from shardopt.solvers.backends.contract import ADAPTERS, BackendError, Run, Verdict
from shardopt.solvers.backends.messages import Built, Ended, Fault, Incumbent, Message, Task

Formulation = LinearFormulation | CpFormulation | ScipFormulation | SearchFormulation
STOP = "stop"


def answer(task: Task, stopped: Callable[[], bool], emit: Callable[[Message], None]) -> None:
    """Build the model, let the backend solve it, and tell everything that comes of it.

    Never raises: whatever goes wrong becomes a last message `Ended`.
    """
    started = time.perf_counter()

    def left() -> float:
        spent = time.perf_counter() - started
        return math.inf if task.seconds is None else max(0.0, task.seconds - spent)

    try:
        formulation = _build(task)
        emit(Built(time.perf_counter() - started, _size(formulation)))
        if left() <= 0.0:
            emit(Ended("not started", "time-limit"))
            return
        run = Run(
            seed=task.seed,
            threads=task.threads,
            presolve=task.presolve,
            left=left,
            stopped=stopped,
            plan=lambda values: _emit_plan(formulation, values, emit),
            bound=lambda value: emit(messages.Bound(in_unit_of_problem(formulation, value))),
        )
        verdict = _adapter(task.job.backend)(formulation, _encoded(formulation, task, emit), run)
        if verdict.bound is not None and not verdict.infeasible:
            run.bound(verdict.bound)
        emit(Ended(verdict.native, verdict.termination, verdict.infeasible))
    except (TooLargeError, MemoryError) as error:
        emit(Fault(_one_line(error)))
        emit(Ended("too large", "memory-limit"))
    except Exception as error:  # a result row, not the end of a study
        emit(Fault(f"{task.job.backend}: {_one_line(error)}"))
        emit(Ended("failed", "crashed"))


def _build(task: Task) -> Formulation:
    module, _, name = task.job.build.partition(":")
    build = getattr(importlib.import_module(module), name)
    formulation: Formulation = build(task.job.instance, **task.job.build_options)
    return formulation


def _adapter(backend: str) -> Callable[[Any, Any, Run], Verdict]:
    module = importlib.import_module(ADAPTERS.get(backend, backend))
    solve: Callable[[Any, Any, Run], Verdict] = module.solve
    return solve


def _size(formulation: Formulation) -> dict[str, int]:
    if isinstance(formulation, LinearFormulation):
        model = formulation.model
        return {"columns": model.column_count, "rows": model.row_count}
    if isinstance(formulation, CpFormulation):
        proto = formulation.model.proto
        return {"variables": len(proto.variables), "constraints": len(proto.constraints)}
    if isinstance(formulation, SearchFormulation):
        return formulation.size
    model = formulation.model
    return {"variables": model.getNVars(), "constraints": model.getNConss()}


def _encoded(formulation: Formulation, task: Task, emit: Callable[[Message], None]) -> Any:
    """Return the start as the backend wants it; a start that cannot be encoded only costs speed."""
    if task.start is None or isinstance(formulation, (ScipFormulation, SearchFormulation)):
        return None
    try:
        return formulation.encode(task.start)
    except Exception as error:
        emit(Fault(f"{task.job.backend}: the start could not be encoded: {_one_line(error)}"))
        return None


def _emit_plan(formulation: Formulation, values: Any, emit: Callable[[Message], None]) -> None:
    try:
        solution = formulation.decode(values)
    except Exception as error:  # values no plan can be read from: the bound may still be good
        emit(Fault(f"an incumbent could not be decoded: {_one_line(error)}"))
        return
    if solution is not None:
        emit(Incumbent(solution))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    known = isinstance(error, (BackendError, TooLargeError)) and text
    return text if known else f"{type(error).__name__}: {text}".removesuffix(": ")


def main() -> None:
    """Serve one task over the two pipes that the parent holds."""
    inbox = os.fdopen(os.dup(0), "rb", buffering=0)
    outbox = os.fdopen(os.dup(1), "wb", buffering=0)
    # A backend that prints must not write into the channel, and none may read from it.
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sending = threading.Lock()
    stop = threading.Event()

    def emit(message: Message) -> None:
        with sending:
            messages.send(outbox, message)

    emit(messages.Ready())
    try:
        task = messages.receive(inbox)
    except EOFError:
        return
    if task == STOP:  # asked to stop before it was given anything
        emit(Ended("not started", "interrupted"))
        return
    threading.Thread(target=_obey, args=(inbox, stop), daemon=True).start()
    answer(task, stop.is_set, emit)
    # Backends may hang while they tidy up after an interrupt; everything has been said.
    outbox.close()
    os._exit(0)


def _obey(inbox: BinaryIO, stop: threading.Event) -> None:
    try:
        while messages.receive(inbox) == STOP:
            stop.set()
    except EOFError:
        pass
    # The parent made this process the leader of its own group, in which its children are too.
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
