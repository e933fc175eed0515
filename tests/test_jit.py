"""Compiled kernels and what numba remembers of them."""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path

import pytest

CALLEE = """
from numba import njit

@njit("int64()", cache=True)
def number():
    return {}
"""
CALLER = """
from numba import njit
from kernels_of_this_test.callee import number

@njit("int64()", cache=True)
def twice():
    return 2 * number()
"""
PACKAGE = """
from shardopt.solvers.jit import forget_outdated

forget_outdated(__path__[0])
"""


def twice_in_a_new_import() -> int:
    for name in [name for name in sys.modules if name.startswith("kernels_of_this_test")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    twice: int = importlib.import_module("kernels_of_this_test.caller").twice()
    return twice


def test_that_a_change_of_a_kernel_reaches_those_in_other_files_that_call_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kernels_of_this_test"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "caller.py").write_text(CALLER)
    (folder / "callee.py").write_text(CALLEE.format(3))
    monkeypatch.syspath_prepend(tmp_path)
    assert twice_in_a_new_import() == 6
    assert list((folder / "__pycache__").glob("*.nbi"))
    (folder / "callee.py").write_text(CALLEE.format(50))
    os.utime(folder / "callee.py", (time.time() + 1, time.time() + 1))
    assert twice_in_a_new_import() == 100
