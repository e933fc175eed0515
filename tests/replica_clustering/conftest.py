"""What the tests of `replica-clustering` share."""

from __future__ import annotations

import pytest

from shardopt.solvers.backends import exact
from shardopt.solvers.backends.worker import answer


@pytest.fixture
def in_this_process(monkeypatch):
    """Backends work here and unwatched: on tiny instances a process takes longer than solving."""

    def answered(task, budget, stopped, memory_limit_bytes=None):
        said = []
        answer(task, stopped, said.append)
        yield from said

    monkeypatch.setattr(exact, "answer_in_own_process", answered)
