"""A study on a dask cluster is the study that one machine would have made."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from study.studies import gap, kept, rows, wait_for

pytest.importorskip("distributed")
pytestmark = pytest.mark.long

STUDY = (
    "block-placement/random-loose:servers=4:blocks=6:sessions=2",
    "cold-start/random-edge:devices=4:blocks=12",
    *("--instances", "2", "--solvers", "cg-bp,chain,order-search,even", "--seeds", "0..11"),
)
SAME = ("key", "instance", "solver", "parameters", "seed", "role", "status", "objective", "bound")


@contextmanager
def process(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module of distributed until the block ends."""
    with log.open("wb") as words:
        started = subprocess.Popen([sys.executable, "-m", *arguments], stdout=words, stderr=words)
        try:
            yield started
        finally:
            started.kill()
            started.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Return the address of a scheduler on loopback, and its two workers."""
    file = tmp_path / "scheduler.json"
    here = ("--host", "127.0.0.1", "--no-dashboard")
    scheduler = ("distributed.cli.dask_scheduler", *here, "--port", "0")
    worker = ("distributed.cli.dask_worker", *here, "--no-nanny", "--nthreads", "1")
    where = ("--scheduler-file", str(file))
    with process(tmp_path / "scheduler.log", *scheduler, *where):
        scratch = ("--local-directory", str(tmp_path))
        with (
            process(tmp_path / "worker-0.log", *worker, *where, *scratch) as first,
            process(tmp_path / "worker-1.log", *worker, *where, *scratch) as second,
        ):
            deadline = time.monotonic() + 60
            logs = [tmp_path / f"worker-{n}.log" for n in range(2)]
            while not all(b"Registered to" in log.read_bytes() for log in logs):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield json.loads(file.read_text())["address"], [first, second]


def answers(folder: Path) -> list[dict[str, Any]]:
    return [{name: run[name] for name in (*SAME, "solution")} for run in rows(folder)]


def test_that_a_study_on_two_workers_one_of_them_killed_is_the_local_one(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = cluster
    far, near = tmp_path / "far", tmp_path / "near"
    command = ("shardopt", "gap", *STUDY, "-o", str(far))
    with process(
        tmp_path / "gap.log", *command, "--executor", "dask", "--scheduler", address
    ) as study:
        wait_for(far, 5)
        held = psutil.Process(workers[0].pid).children(recursive=True)
        workers[0].kill()
        done = len(kept(far))
        assert study.wait(120) == 0, (tmp_path / "gap.log").read_text()
    assert "dask workers: 2, runs at a time: 2" in (tmp_path / "gap.log").read_text()
    assert gap(near, *STUDY).exit_code == 0
    assert done < len(rows(near))
    assert answers(far) == answers(near)
    assert held  # its runs went with it
    assert not psutil.wait_procs(held, timeout=5)[1]


def test_that_a_study_begun_here_goes_on_there_and_makes_nothing_twice(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    folder = tmp_path / "s"
    assert gap(folder, *STUDY[:1], "--solvers", "cg-bp").exit_code == 0
    before = kept(folder)
    command = ("gap", "--solvers", "chain", "--executor", "dask", "--scheduler", cluster[0])
    done = subprocess.run(
        [sys.executable, "-m", "shardopt", *command, "-o", str(folder)],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert before.items() <= kept(folder).items()
    assert len(rows(folder)) == len(before) + 1


def test_that_a_scheduler_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (*STUDY, "--executor", "dask", "--scheduler", "tcp://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "shardopt", "gap", *arguments, "-o", str(tmp_path / "s")],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "--scheduler: found" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
