"""One run of a study, wherever it is made: hand it to this thread's host, and wait for its row."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psutil

from shardopt.models.errors import ShardoptError
from shardopt.solvers.backends.process import MEMORY_SHARE, Gone, Worker
from shardopt.study.answers import Row, failed
from shardopt.study.host import GRACE_S, OtherCode, Task
from shardopt.study.planning import Run

_HOST = "shardopt.study.host"
_POLL_S = 0.2
_mine = threading.local()
_hosts: list[Worker] = []
"""The hosts of all threads of this process."""


class OtherCodeError(ShardoptError):
    """A machine runs other code than the one that planned the study (exit code 2)."""


def perform(
    run: Run, instance_file: Mapping[str, Any], at_a_time: int = 1, grace_s: float = GRACE_S
) -> Row:
    """Do a run in a process of its own and return its row for the store.

    Each thread has a host of its own, which stays for the next run.

    Parameters
    ----------
    at_a_time
        How many runs share this machine's memory; a run without a limit of its own gets its part.
    """
    part = MEMORY_SHARE * psutil.virtual_memory().total / at_a_time
    host = _host()
    host.send(Task(run, instance_file, run.memory_limit_bytes or part, grace_s))
    said: Any = None
    while said is None:
        said = host.next_message(_POLL_S)
    if isinstance(said, OtherCode):
        raise OtherCodeError(
            f"{socket.gethostname()} has version {said.version} for {run.problem},"
            f" the study has {run.version}: install the same everywhere, or start again"
        )
    if isinstance(said, Gone):
        _drop(host)
        said = failed("crashed", "crashed", f"the process around the run {said.how}")
        said |= {"wall_s": 0.0}
    return row_of(run, said)


def row_of(run: Run, said: Row) -> Row:
    """Return the row of a run for the store, with what a host said of it."""
    return {
        "key": run.key,
        "instance": run.instance,
        "solver": run.solver,
        "parameters": dict(run.parameters),
        "seed": run.seed,
        "version": run.version,
        "role": run.role,
        "time_limit_s": run.time_limit_s,
        "threads": run.threads,
        **said,
        "host": socket.gethostname(),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def end_hosts() -> None:
    """End all hosts of this process, and with them the runs that they are at."""
    while _hosts:
        _hosts.pop().__exit__()


def _host() -> Worker:
    host: Worker | None = getattr(_mine, "host", None)
    if host is None or host not in _hosts:
        host = Worker(_HOST).__enter__()
        _hosts.append(host)
        _mine.host = host
    return host


def _drop(host: Worker) -> None:
    if host in _hosts:
        _hosts.remove(host)
        host.__exit__()
