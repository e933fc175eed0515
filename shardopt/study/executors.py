"""Where runs are made: by this machine's processes (joblib), or by an existing dask cluster.

An executor takes runs with their instance files and yields rows as they are finished. The threads
of an executor only wait: every run has a process of its own, around which there is a host
(`shardopt.study.host`) with a watchdog.
"""

from __future__ import annotations

import importlib
import itertools
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shardopt.models.errors import InputError, UnavailableError
from shardopt.study.answers import Row, failed
from shardopt.study.planning import Run
from shardopt.study.running import end_hosts, perform, row_of

Work = Iterable[tuple[Run, Mapping[str, Any]]]
CONNECT_S = 15.0
"""How long a scheduler may take to answer."""


def on_this_machine(work: Work, jobs: int) -> Iterator[Row]:
    """Make runs here, so many at a time."""
    import joblib

    # Threads and not loky's processes: what they wait for is a process already, and one that
    # dies must cost its own run and not the pool.
    parallel = joblib.Parallel(
        n_jobs=jobs, backend="threading", batch_size=1, return_as="generator_unordered"
    )
    rows = parallel(joblib.delayed(perform)(run, file, jobs) for run, file in work)
    try:
        yield from rows
    finally:
        rows.close()
        end_hosts()


class Cluster:
    """An existing dask cluster, connected."""

    def __init__(self, scheduler: str) -> None:
        try:
            # Imported by its name, because its types are half there.
            self._distributed: Any = importlib.import_module("distributed")
        except ImportError:
            raise UnavailableError(
                "the dask executor needs distributed: pip install 'shardopt[dask]'"
            ) from None
        try:
            self._client = self._distributed.Client(
                scheduler, timeout=CONNECT_S, set_as_default=False
            )
        except (OSError, ValueError, TypeError) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise InputError(reason, "the address of a dask scheduler", "--scheduler") from None

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close(timeout=5)

    def slots(self) -> dict[str, int]:
        """Return how many runs each worker makes at a time, by its address."""
        return dict(self._client.nthreads())

    def cores(self) -> dict[str, int]:
        """Return the cores that each worker's machine has, by the worker's address."""
        return dict(self._client.run(os.cpu_count))

    def rows(self, work: Work) -> Iterator[Row]:
        """Make runs on the cluster; workers may come and go meanwhile.

        What a worker was at when it died is made again by another one. Nothing is written but by
        the process that called this.
        """
        waiting = iter(work)
        at_a_time = max(self.slots().values(), default=1)
        run_of: dict[Any, Run] = {}
        finished = self._distributed.as_completed(loop=self._client.loop)
        try:
            while True:
                # A few runs are always ahead, and never all of them: instances may be large.
                ahead = max(8, 3 * sum(self.slots().values())) - len(run_of)
                for run, file in itertools.islice(waiting, max(0, ahead)):
                    # A name of its own: a scheduler gives what it has under a known one.
                    name = f"{run.problem} {run.solver} {uuid.uuid4().hex}"
                    future = self._client.submit(
                        perform, run, file, at_a_time, key=name, pure=False
                    )
                    run_of[future] = run
                    finished.add(future)
                if not run_of:
                    return
                future = next(finished)
                yield self._row(run_of.pop(future), future)
        finally:
            self._client.cancel(list(run_of))

    def _row(self, run: Run, future: Any) -> Row:
        try:
            row: Row = future.result()
        except self._distributed.KilledWorker as error:
            text = f"every worker that tried it died: {str(error).partition('.')[0]}"
            return row_of(run, failed("crashed", "crashed", text) | {"wall_s": 0.0})
        return row
