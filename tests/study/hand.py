"""Studies by hand: rows as the store has them, and stores with real instances and plans."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

import shardopt
from shardopt.instances.files import instance_from_json, instance_sha256
from shardopt.study.frame import tidy
from shardopt.study.store import create

_COUNTER = itertools.count()


def run(
    instance: str, solver: str, objective: float | None = None, **changes: Any
) -> dict[str, Any]:
    """Return a row of the table ``runs``: by default a plan found in a second."""
    row = {
        "key": f"key-{next(_COUNTER)}",
        "instance": instance,
        "solver": solver,
        "parameters": {},
        "seed": 0,
        "version": "0",
        "role": "solver",
        "time_limit_s": 60.0,
        "threads": 1,
        "status": "feasible" if objective is not None else "unknown",
        "termination": "completed",
        "objective": objective,
        "bound": None,
        "runtime_s": 1.0,
        "build_s": 0.0,
        "compile_s": 0.0,
        "wall_s": 1.0,
        "error": None,
        "faults": [],
        "trace": [],
        "solution": None,
        "extra": {},
        "host": "here",
        "finished_at": "2026-01-01T00:00:00Z",
    }
    return row | changes


def proof(instance: str, optimum: float | None, **changes: Any) -> dict[str, Any]:
    """Return the row of a reference that found the optimum."""
    known = {"status": "optimal", "bound": optimum, "role": "reference"}
    return run(instance, "dssr", optimum, **(known | changes))


def frame(*runs: dict[str, Any], best_known: dict[str, float] | None = None) -> pd.DataFrame:
    """Return the tidy frame of runs on instances of `cold-start` that need no files."""
    names = sorted({row["instance"] for row in runs})
    instances = [
        {
            "sha256": name,
            "problem": "cold-start",
            "name": name,
            "source": "by hand",
            "file": "",
            "size": json.dumps({"devices": n + 2, "blocks": 3}),
        }
        for n, name in enumerate(names)
    ]
    encoded = [
        {
            key: json.dumps(value) if isinstance(value, dict | list) else value
            for key, value in row.items()
        }
        for row in runs
    ]
    return tidy(pd.DataFrame(instances), pd.DataFrame(encoded), best_known)


def three_blocks(name: str, flops: float = 10.0) -> Any:
    """Return a small instance of `cold-start`; its second device is as fast as asked."""
    device = {
        "load_bytes_per_s": 2,
        "memory_bytes": 9,
        "uplink_bytes_per_s": 2,
        "downlink_bytes_per_s": 2,
    }
    block = {"flops": 20, "weight_bytes": 4, "activation_bytes": 1}
    data = {
        "blocks": [block, block, block],
        "devices": [
            device | {"name": "ann", "flops_per_s": 10},
            device | {"name": "bob", "flops_per_s": flops},
            device | {"name": "cat & <dog>", "flops_per_s": 5},
        ],
        "loading": "whole-run",
    }
    file = {"format": "shardopt/1", "problem": "cold-start", "name": name, "source": "by hand"}
    return instance_from_json(file | {"data": data})


def write_study(folder: Path, instances: Iterable[Any], solvers: Iterable[str]) -> Path:
    """Solve instances and keep the runs as a study, without any of its machinery."""
    protocol = {
        "machine": "a machine",
        "cores": 2,
        "python": "3.11",
        "versions": {"shardopt": shardopt.__version__},
        "time_limit_s": 60.0,
        "threads": 1,
        "seeds": [0],
        "reference": "dssr",
        "tolerance": 1e-6,
        "build_time_included": True,
        "created_at": "2026-01-01T00:00:00Z",
    }
    rows = []
    with create(folder, protocol) as study:
        for instance in instances:
            sha256 = instance_sha256(instance)
            size = {"devices": len(instance.devices), "blocks": len(instance.blocks)}
            study.add_instance(instance, sha256, "by hand", size)
            for role, solver in [("reference", "dssr"), *(("solver", name) for name in solvers)]:
                result = shardopt.solve(instance, solver, threads=1)
                known = result.to_json()
                same = ("status", "termination", "objective", "bound", "trace", "solution", "extra")
                rows.append(
                    run(sha256, solver, role=role, runtime_s=result.runtime_s)
                    | {name: known[name] for name in same}
                )
        study.set_wanted({row["key"]: row["role"] for row in rows})
        for row in rows:
            study.add_run(row)
    return folder
