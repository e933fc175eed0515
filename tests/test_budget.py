"""Limits, interrupts and progress of a run."""

import os
import signal
import time

import numpy as np
import pytest

from shardopt.solvers.budget import Budget, interruptible


def run_until_stopped(stop: np.ndarray) -> str:
    """Stand in for a compiled kernel: it ends only when it is told to."""
    while not stop[0]:
        time.sleep(0.001)
    return "stopped"


def test_that_a_run_without_a_limit_has_all_the_time():
    budget = Budget()
    assert budget.left() == float("inf")
    assert not budget.exhausted()
    assert budget.reason() == "completed"


def test_that_a_run_out_of_time_says_so():
    budget = Budget(time_limit=1e-9)
    time.sleep(0.001)
    assert budget.left() == 0
    assert budget.exhausted()
    assert budget.reason() == "time-limit"


def test_that_a_limit_stops_a_kernel_and_the_flag_is_lowered_again():
    budget = Budget(time_limit=0.01)
    assert budget.call(run_until_stopped, budget.stop) == "stopped"
    assert budget.stop[0] == 0
    assert budget.exhausted()


def test_that_a_kernels_own_share_of_time_does_not_end_the_run():
    budget = Budget()
    assert budget.call(run_until_stopped, budget.stop, seconds=0.01) == "stopped"
    assert not budget.exhausted()


def test_that_a_kernels_error_reaches_the_caller():
    def failing() -> None:
        raise ZeroDivisionError("in the kernel")

    with pytest.raises(ZeroDivisionError, match="in the kernel"):
        Budget().call(failing)


def test_that_ctrl_c_stops_a_kernel_politely():
    budget = Budget()

    def kernel(stop: np.ndarray) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return run_until_stopped(stop)

    with interruptible(budget):
        assert budget.call(kernel, budget.stop) == "stopped"
    assert budget.interrupted
    assert budget.reason() == "interrupted"


def test_that_a_second_ctrl_c_is_not_swallowed():
    budget = Budget()

    def interrupt_twice() -> None:
        with interruptible(budget):
            signal.raise_signal(signal.SIGINT)
            assert budget.interrupted
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()


def test_that_the_handler_of_ctrl_c_is_restored():
    before = signal.getsignal(signal.SIGINT)
    with interruptible(Budget()):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_that_progress_reports_each_improvement_once():
    heard = []
    budget = Budget(on_progress=heard.append)
    for objective, bound in [(None, 1.0), (5.0, 1.0), (5.0, 1.0), (4.0, 1.0)]:
        budget.report(objective, bound)
    seen = [(point.objective, point.bound) for point in heard]
    assert seen == [(None, 1.0), (5.0, 1.0), (4.0, 1.0)]
    assert heard == budget.trace
    assert [p.t_s for p in heard] == sorted(p.t_s for p in heard)
