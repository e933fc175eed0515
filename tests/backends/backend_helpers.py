"""Short ways to run what is tested."""

from __future__ import annotations

import importlib
import math
import time
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import toy_models

from shardopt.models.cold_start.data import Instance
from shardopt.models.result import Result
from shardopt.solvers.backends.contract import ADAPTERS, Run, Verdict
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.settings import Settings


def solve_toy(instance: Instance, backend: str, **changes: Any) -> Result:
    """Solve a toy instance; a fake backend gets the linear model."""
    build = changes.pop("build", toy_models.BUILD.get(backend, "toy_models:build"))
    job = Job(instance, build, backend, changes.pop("build_options", {}))
    names = [field.name for field in fields(Settings) if field.name in changes]
    settings = Settings(**({"threads": 1} | {name: changes.pop(name) for name in names}))
    return solve_exact(job, f"toy/{backend}", settings, **({"isolated": False} | changes))


@dataclass
class Heard:
    """Everything an adapter said."""

    verdict: Verdict | None = None
    plans: list[Any] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)


def run_adapter(
    backend: str,
    formulation: Any,
    *,
    seconds: float = math.inf,
    presolve: bool = True,
    seed: int = 0,
    start: Any = None,
    stopped: Any = lambda: False,
) -> Heard:
    """Call an adapter itself; plans are decoded as they come."""
    heard = Heard()
    end = time.perf_counter() + seconds
    run = Run(
        seed=seed,
        threads=1,
        presolve=presolve,
        left=lambda: max(0.0, end - time.perf_counter()),
        stopped=stopped,
        plan=lambda values: heard.plans.append(formulation.decode(values)),
        bound=heard.bounds.append,
    )
    adapter = importlib.import_module(ADAPTERS[backend])
    heard.verdict = adapter.solve(formulation, start, run)
    return heard


def cost(formulation: Any, values: Any) -> float:
    return float(formulation.model.arrays().cost @ np.asarray(values))
