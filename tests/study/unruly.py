"""Solvers that misbehave, each in its own way, and a host that knows them.

``python -m study.unruly`` is a host of runs like `shardopt.study.host`, with these solvers added to
those of `block-placement`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import shardopt
from shardopt.models.errors import InputError
from shardopt.models.result import Result
from shardopt.solvers.block_placement import cg_bp, registry
from shardopt.solvers.registry import SolverRow

PROBLEM = "block-placement"
CODE_VARIABLE = "UNRULY_CODE"


def raising(instance: Any) -> Result:
    raise ZeroDivisionError("by nothing")


def segfaulting(instance: Any) -> Result:
    ctypes.string_at(0)
    raise AssertionError


def leaving(instance: Any) -> Result:
    print("goodbye")
    sys.stdout.flush()
    os._exit(7)


def hanging(instance: Any) -> Result:
    while True:
        time.sleep(1)


def greedy(instance: Any) -> Result:
    kept = []
    while True:
        kept.append(bytearray(50_000_000))
        time.sleep(0.01)


def refusing(instance: Any) -> Result:
    raise InputError("too many clients", "one client")


def slow(instance: Any, *, seed: int = 0) -> Result:
    time.sleep(0.2)
    return cg_bp(instance)


def lying(instance: Any) -> Result:
    honest = cg_bp(instance)
    assert honest.objective is not None
    return replace(honest, objective=honest.objective / 2)


def breaking(instance: Any) -> Result:
    honest = cg_bp(instance)
    solution: Any = honest.solution
    return replace(honest, solution=replace(solution, placement=()))


def overproving(instance: Any) -> Result:
    honest = cg_bp(instance)
    return replace(honest, status="optimal", bound=honest.objective)


def talkative(instance: Any) -> Result:
    print("x" * 1_000_000)
    return replace(cg_bp(instance), extra={"long": ["y" * 1000] * 3000})


FUNCTIONS = (
    raising,
    segfaulting,
    leaving,
    hanging,
    greedy,
    refusing,
    slow,
    lying,
    breaking,
    overproving,
    talkative,
)


@contextlib.contextmanager
def registered() -> Iterator[None]:
    """Add the unruly solvers to those of `block-placement` until the block ends."""
    added = tuple(
        SolverRow(f.__name__, "heuristic", f"unruly:{f.__name__}", "misbehaves", "ours")
        for f in FUNCTIONS
    )
    before = registry.SOLVERS
    module = type(sys)("shardopt.solvers.unruly")
    vars(module).update({f.__name__: f for f in FUNCTIONS})
    sys.modules[module.__name__] = module
    registry.SOLVERS = (*before, *added)
    try:
        yield
    finally:
        registry.SOLVERS = before
        del sys.modules[module.__name__]


def small(seed: int = 0) -> Any:
    """Return an instance that everything solves at once."""
    return shardopt.generate(PROBLEM, "random-loose", servers=4, blocks=6, sessions=2, seed=seed)


def digest(problem: str) -> str:
    """Return the digest of a problem's code, which an environment variable changes."""
    return f"{problem}-{os.environ.get(CODE_VARIABLE, '')}" if problem == PROBLEM else problem


if __name__ == "__main__":
    from shardopt.study import host, version

    if CODE_VARIABLE in os.environ:
        version.code_digest = digest  # type: ignore[assignment]
    with registered():
        host.main()
