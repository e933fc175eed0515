"""A backend's process may hang, crash, eat memory or be killed: the answer is still a result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest
import toy_models
from backend_helpers import solve_toy

from shardopt.solvers.backends.contract import ADAPTERS

INSTANCE = toy_models.instance(3.0, 2.0, 5.0)
HARD = {"hard_columns": 150}
HERE = Path(__file__).parent


@pytest.fixture(params=ADAPTERS)
def backend(request):
    if request.param == "scip":
        pytest.importorskip("pyscipopt")
    return request.param


def workers() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "shardopt.solvers.backends.worker" in child.cmdline()]


def when_solving(act) -> threading.Thread:
    """Call ``act`` from a thread once a worker has built its model and uses the processor."""

    def wait() -> None:
        busy = [0.0]
        while max(busy) < 1.0:
            time.sleep(0.05)
            tree = [p for worker in workers() for p in (worker, *worker.children())]
            busy = [0.0, *(p.cpu_times().user for p in tree)]
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_that_a_backend_that_ignores_its_limit_is_killed_and_its_last_word_counts():
    result = solve_toy(INSTANCE, "fakes.deaf", time_limit=4.0, isolated=True)
    assert (result.status, result.termination) == ("feasible", "time-limit")
    assert (result.objective, result.bound, result.faults) == (3.0, 1.0, ())
    assert workers() == []


def test_that_a_model_that_never_gets_built_is_killed():
    start = toy_models.alone(INSTANCE, 1)
    build = "toy_models:build_never"
    result = solve_toy(INSTANCE, "highs", build=build, time_limit=1.0, known=[start], isolated=True)
    assert (result.status, result.termination) == ("feasible", "time-limit")
    assert (result.objective, result.bound, result.build_s) == (2.0, None, 0.0)


def test_that_a_crash_in_native_code_is_a_result():
    result = solve_toy(INSTANCE, "fakes.segfaulting", isolated=True)
    assert (result.status, result.termination) == ("feasible", "crashed")
    assert (result.objective, result.bound) == (3.0, 1.0)
    [fault] = result.faults
    assert "was killed by SIGSEGV: terminate called after throwing" in fault


def test_that_a_process_that_ends_without_a_word_is_a_crash():
    result = solve_toy(INSTANCE, "fakes.exiting", isolated=True)
    assert (result.status, result.termination) == ("unknown", "crashed")
    assert result.faults == ("the backend's process exited with 7",)


def test_that_a_process_killed_from_outside_is_a_crash_that_keeps_the_incumbent():
    def kill(point):
        if point.objective is not None:
            for worker in workers():
                worker.kill()

    result = solve_toy(INSTANCE, "fakes.deaf", on_progress=kill, isolated=True)
    assert (result.status, result.termination) == ("feasible", "crashed")
    assert "was killed by SIGKILL" in result.faults[0]


def test_that_a_real_backend_killed_from_outside_is_a_crash(backend):
    killer = when_solving(lambda: [worker.kill() for worker in workers()])
    start = toy_models.alone(INSTANCE, 0)
    result = solve_toy(INSTANCE, backend, build_options=HARD, known=[start], isolated=True)
    killer.join()
    assert (result.status, result.termination) == ("feasible", "crashed")
    assert psutil.Process().children(recursive=True) == []  # CBC's own process is gone too


def test_that_memory_is_counted_with_all_children_and_limited():
    result = solve_toy(INSTANCE, "fakes.hungry", memory_limit_bytes=300e6, isolated=True)
    assert (result.status, result.termination) == ("feasible", "memory-limit")
    assert result.objective == 3.0
    assert psutil.Process().children(recursive=True) == []


def test_that_a_backend_that_prints_cannot_garble_its_answers():
    result = solve_toy(INSTANCE, "fakes.chatty", isolated=True)
    assert (result.status, result.objective, result.faults) == ("optimal", 2.0, ())


def test_that_a_real_backend_returns_its_incumbent_at_ctrl_c(backend):
    killer = when_solving(lambda: os.kill(os.getpid(), signal.SIGINT))
    result = solve_toy(INSTANCE, backend, build_options=HARD, isolated=True)
    killer.join()
    assert (result.status, result.termination) == ("feasible", "interrupted")
    assert result.objective is not None
    assert result.bound is not None
    assert result.faults == ()


def test_that_a_deaf_backend_returns_its_incumbent_at_ctrl_c():
    def interrupt(point):
        if point.objective is not None:
            os.kill(os.getpid(), signal.SIGINT)

    result = solve_toy(INSTANCE, "fakes.deaf", on_progress=interrupt, isolated=True)
    assert (result.status, result.termination) == ("feasible", "interrupted")
    assert (result.objective, result.bound) == (3.0, 1.0)


def test_that_ctrl_c_before_the_worker_is_up_ends_the_run():
    def interrupt(point):
        os.kill(os.getpid(), signal.SIGINT)

    start = toy_models.alone(INSTANCE, 0)  # reported before the process starts
    result = solve_toy(INSTANCE, "highs", known=[start], on_progress=interrupt, isolated=True)
    assert (result.status, result.termination) == ("feasible", "interrupted")
    assert result.faults == ()


def test_that_a_second_ctrl_c_raises_and_leaves_no_process():
    def interrupt(point):
        if point.objective is not None:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        solve_toy(INSTANCE, "fakes.deaf", on_progress=interrupt, isolated=True)
    assert workers() == []


def test_that_no_temporary_file_is_left_behind(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killer = when_solving(lambda: [worker.kill() for worker in workers()])
    solve_toy(INSTANCE, "cbc", build_options=HARD, isolated=True)
    killer.join()
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import sys
import toy_models
from backend_helpers import solve_toy

def report(point):
    if point.objective is not None:
        print("found", flush=True)

result = solve_toy(
    toy_models.instance(3.0, 2.0, 5.0), sys.argv[1], isolated=True, on_progress=report,
    build_options=eval(sys.argv[2]), time_limit=600,
)
print(result.status, result.termination, result.objective)
"""


def script(backend: str, **options: object) -> subprocess.Popen[str]:
    """Start a user's script; it has no ``if __name__ == "__main__"``."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, backend, repr(options)],
        env=os.environ | {"PYTHONPATH": str(HERE)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_that_a_plain_script_interrupted_from_outside_prints_its_incumbent():
    with script("highs", **HARD) as running:
        assert running.stdout.readline() == "found\n"
        running.send_signal(signal.SIGINT)
        last = running.stdout.read().splitlines()[-1]
    assert last.split()[:2] == ["feasible", "interrupted"]


@pytest.mark.parametrize("backend", ["highs", "scip", "cp-sat"])
def test_that_the_worker_goes_when_its_parent_is_killed(backend):
    if backend == "scip":
        pytest.importorskip("pyscipopt")
    with script(backend, **HARD) as running:
        assert running.stdout.readline() == "found\n"
        family = psutil.Process(running.pid).children(recursive=True)
        running.kill()
        _, alive = psutil.wait_procs(family, timeout=30)
    assert family
    assert alive == []


def test_that_the_executable_of_cbc_goes_when_the_parent_is_killed():
    with script("cbc", **HARD) as running:
        family = []
        while not any("cbc" in process.name() for process in family):
            family = psutil.Process(running.pid).children(recursive=True)
        running.kill()
        _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
