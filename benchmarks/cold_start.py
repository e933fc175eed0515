"""`cold-start`: every row of the spec page's section 11, and the study of gaps.

``BENCH_GAPS`` is the number of instances per preset in the group `gaps`, ten without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gap_study
from cold_start_gaps import gap_table
from harness import Cases, Row, run
from rich.table import Table

from shardopt import generate, save
from shardopt.solvers.registry import find_solver

LOADINGS = ("whole-run", "layerwise")


def _random(preset: str, fast: bool, **options: Any) -> list[Any]:
    seeds = range(2 if fast else 10)
    return [generate("cold-start", preset, seed=seed, **options) for seed in seeds]


def _csgo(loading: str = "whole-run") -> list[Any]:
    return [generate("cold-start", "csgo-table1", tokens=2048, loading=loading)]


def dp_rows(fast: bool) -> list[Row]:
    """The published DP."""
    rows = []
    for devices, target in ((12, "5 s"), (16, "60 s, 1.5 GB")):
        instances = _random("random-edge", fast, devices=devices, blocks=80)
        results = run(instances, "dp")
        table = max(r.extra["table_bytes"] for r in results) / 1e9
        rows.append(Row(f"dp K={devices} L=80", target, results, note=f"table {table:.2f} GB"))
    results = run(_random("random-edge", True, devices=20, blocks=80)[:1], "dp")
    note = f"{results[0].termination}, table {results[0].extra['table_bytes'] / 1e9:.1f} GB"
    rows.append(Row("dp K=20 L=80", "memory-limit", results, note=note))
    return rows


def dssr_rows(fast: bool) -> list[Row]:
    """The relaxation, on every size of the page, in both loadings."""
    sizes: list[tuple[dict[str, Any], str]] = [
        ({"devices": 16, "blocks": 80}, "3 s"),
        ({"devices": 20, "blocks": 80}, "15 s"),
        ({"devices": 20, "blocks": 100, "spread": 0.3}, "15 s"),
        ({"devices": 24, "blocks": 80}, "20 s"),
        ({"devices": 32, "blocks": 80}, "30 s"),
        ({"devices": 40, "blocks": 100}, "60 s"),
    ]
    rows = []
    for loading in LOADINGS:
        for size, target in sizes:
            instances = _random("random-edge", fast, loading=loading, **size)
            what = f"K={size['devices']} L={size['blocks']}"
            what += f" spread {size['spread']}" if "spread" in size else ""
            rows.append(Row(f"dssr {loading} {what}", target, run(instances, "dssr")))
        instances = _random("tight", fast, devices=16, blocks=80, loading=loading)
        results = run(instances, "dssr")
        none = sum(r.status == "infeasible" for r in results)
        note = f"{none} proven infeasible"
        rows.append(Row(f"dssr {loading} tight K=16 L=80", "60 s", results, note=note))
        instances = _random("typed", fast, types=4, per_type=6, blocks=80, loading=loading)
        rows.append(Row(f"dssr {loading} typed 4x6 L=80", "5 s", run(instances, "dssr")))
        instances = _random("homogeneous", fast, devices=24, blocks=80, loading=loading)
        rows.append(Row(f"dssr {loading} homogeneous K=24 L=80", "5 s", run(instances, "dssr")))
    return rows


def ratio_rows(fast: bool) -> list[Row]:
    """The relaxation against the published DP and the published programme, in the same run."""
    instances = _random("random-edge", fast, devices=16, blocks=80)
    slow, quick = run(instances, "dp"), run(instances, "dssr")
    rows = [Row("dssr against dp, K=16 L=80", "10x", quick, slow)]
    slow, quick = run(_csgo(), "direct/highs"), run(_csgo(), "dssr")
    rows.append(Row("dssr against direct/highs, csgo t=2048", "100x", quick, slow))
    return rows


def milp_rows(fast: bool) -> list[Row]:
    """The two linear formulations on both backends, and where only one of them ends."""
    rows = []
    for loading in LOADINGS:
        for backend in ("highs", "cbc"):
            direct = run(_csgo(loading), f"direct/{backend}")
            flow = run(_csgo(loading), f"run-flow/{backend}")
            rows.append(Row(f"direct/{backend} csgo t=2048 {loading}", "", direct))
            target = "faster than direct" if loading == "whole-run" else "may be slower"
            what = f"run-flow/{backend} csgo t=2048 {loading}"
            rows.append(Row(what, target, flow, direct))
    published = run(_csgo(), "direct/highs", memory_rows="bytes")
    note = "inexact: for comparison only"
    rows.append(Row("direct/highs csgo t=2048, memory in bytes", "", published, note=note))
    for devices, blocks in ((6, 40), (8, 60)):
        instance = generate("cold-start", "random-edge", devices=devices, blocks=blocks, seed=0)
        size = f"K={devices} L={blocks} seed 0"
        rows.append(Row(f"run-flow/highs {size}", "optimal", run([instance], "run-flow/highs")))
        if not fast:
            direct = run([instance], "direct/highs")
            rows.append(Row(f"direct/highs {size}", "leaves a gap", direct))
    return rows


def limit_rows(fast: bool) -> list[Row]:
    """Every backend under a limit of 5 s, on an instance that it cannot finish by then."""
    instance = generate("cold-start", "random-edge", devices=24, blocks=100, spread=0.5, seed=3)
    rows = []
    for solver in (
        "direct/highs",
        "direct/cbc",
        "direct/cp-sat",
        "run-flow/highs",
        "run-flow/cbc",
        "minlp/scip",
    ):
        if not find_solver("cold-start", solver).missing():
            began = time.perf_counter()
            results = run([instance], solver, time_limit=5.0)
            wall_s = [time.perf_counter() - began]
            note = results[0].termination
            rows.append(Row(f"{solver}, limit 5 s", "7 s", results, note=note, wall_s=wall_s))
    return rows


def beyond_rows(fast: bool) -> list[Row]:
    """Where the relaxation ends: sizes that the paper does not name as practical."""
    rows = []
    sizes: list[tuple[str, dict[str, Any]]] = [
        ("random-edge", {"devices": 64, "blocks": 126}),
        ("random-edge", {"devices": 100, "blocks": 126}),
        ("tight", {"devices": 24, "blocks": 80}),
        ("random-edge", {"devices": 4, "blocks": 10_000, "spread": 0.5}),
        ("random-edge", {"devices": 1000, "blocks": 100}),
    ]
    for preset, options in sizes:
        instances = _random(preset, True, **options)
        what = f"dssr {preset} K={options['devices']} L={options['blocks']}"
        rows.append(Row(what, "in good order", run(instances, "dssr")))
        if options["devices"] == 4:
            rows.append(Row(what.replace("dssr", "dp"), "", run(instances, "dp")))
    return rows


def start_up_rows(fast: bool) -> list[Row]:
    """Whole commands, from the shell's point of view, and the first run's compilation."""
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "csgo.json")
        save(file, _csgo()[0])
        shardopt = [sys.executable, "-m", "shardopt"]
        commands = [
            ("shardopt --help", [*shardopt, "--help"], "0.5 s", {}),
            ("solve, a heuristic", [*shardopt, "solve", file, "--solver", "even"], "0.5 s", {}),
            ("solve, exact", [*shardopt, "solve", file], "", {}),
            (
                "compile all kernels",
                [sys.executable, "-m", "shardopt.solvers.warm"],
                "once",
                {"NUMBA_CACHE_DIR": str(Path(folder) / "empty")},
            ),
        ]
        rows = []
        for what, command, target, variables in commands:
            times = []
            for _ in range(1 if variables else 3 if fast else 10):
                began = time.perf_counter()
                environment = os.environ | variables
                subprocess.run(command, check=True, capture_output=True, env=environment)
                times.append(time.perf_counter() - began)
            rows.append(Row(what, target, wall_s=times, note="whole process"))
        return rows


def cp_sat_rows(fast: bool) -> list[Row]:
    """The constraint programme."""
    rows = [Row("direct/cp-sat csgo t=2048", "2 s", run(_csgo(), "direct/cp-sat"))]
    instances = _random("random-edge", fast, devices=8, blocks=80)[: 1 if fast else 3]
    rows.append(Row("direct/cp-sat K=8 L=80", "60 s", run(instances, "direct/cp-sat")))
    return rows


def gaps(fast: bool) -> Table:
    """All heuristics against the optimum, by preset."""
    return gap_table(gap_study.instance_count(fast))


CASES: Cases = {
    "dp": dp_rows,
    "dssr": dssr_rows,
    "ratios": ratio_rows,
    "milp": milp_rows,
    "cp-sat": cp_sat_rows,
    "limits": limit_rows,
    "beyond": beyond_rows,
    "start-up": start_up_rows,
    "gaps": gaps,
}
