"""`partition-schedule`: every row of the spec page's section 10, and the study of gaps.

``BENCH_GAPS=200`` draws so many instances of every family in the groups `gaps` and `prices`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gap_study import instance_count
from harness import LIMIT_S, Cases, Row, run
from partition_schedule_gaps import BEST_AT_ITS_CUTS, gap_table, ours, price_table
from rich.table import Table

from shardopt import generate
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result, relative_gap

MODELS = ("llama3-8b", "phi3-medium")
HEURISTIC_LIMIT_S = 10.0
"""What a heuristic may take: beam search would use a minute on a thousand requests."""


def _make(preset: str, **options: Any) -> Any:
    return generate("partition-schedule", preset, **options)


def _drawn(preset: str, fast: bool, **options: Any) -> list[Any]:
    return [_make(preset, seed=seed, **options) for seed in range(2 if fast else 8)]


def golden(fast: bool) -> Table:
    """The fixed testbed: the optimum of each objective, and what the others make of it."""
    solvers = ("exact", "exact@bsdp", "exact@equal", *BEST_AT_ITS_CUTS, *ours())
    table = Table(title_justify="left")
    table.add_column("solver", no_wrap=True)
    instances = [
        _make(f"hyperion-{model}", objective=objective)
        for model in MODELS
        for objective in ("bottleneck", "mean-latency", "makespan")
    ]
    for instance in instances:
        table.add_column(instance.name.removeprefix("hyperion-"), justify="right")
    for solver in solvers:
        cells = []
        for result in run(instances, solver):
            cells.append("-" if result.objective is None else f"{result.objective:.10f}")
        table.add_row(solver, *cells)
    table.caption = "seconds"
    return table


def testbeds(fast: bool) -> list[Row]:
    """`exact` on drawn testbeds, from little to too much load."""
    rows = []
    for model in MODELS:
        for objective in ("mean-latency", "makespan"):
            for load in (0.25, 1.0, 3.0) if fast else (0.25, 0.5, 1.0, 2.0, 3.0):
                options = {"load": load, "objective": objective}
                instances = _drawn(f"hyperion-{model}", fast, **options)
                what = f"exact {model} R=6 load {load:g} {objective}"
                rows.append(Row(what, "10 s", run(instances, "exact")))
        for load, target in ((0.25, "60 s"), (1.0, "most in 60 s")):
            instances = _drawn(f"hyperion-{model}", fast, load=load, requests=12)
            what = f"exact {model} R=12 load {load:g}"
            rows.append(Row(what, target, run(instances, "exact")))
    return rows


def stress(fast: bool) -> list[Row]:
    """`exact` on instances made to be hard, up to where only a bound is left."""
    rows = []
    sizes = ((5, "10 s"), (8, "30 s"), (10, "most in 60 s"), (20, "gap 15%"))
    for objective in ("mean-latency", "makespan"):
        for requests, target in sizes:
            instances = _drawn("stress", fast, requests=requests, objective=objective)
            what = f"exact stress R={requests} {objective}"
            rows.append(Row(what, target, run(instances, "exact")))
    instances = _drawn("stress", fast, requests=20, nodes=3)
    rows.append(Row("exact stress R=20 K=3", "moonshot: 60 s", run(instances, "exact")))
    return rows


def cp_sat(fast: bool) -> list[Row]:
    """The textbook constraint programme on the same files."""
    rows = []
    for requests in (3, 5, 8):
        instances = _drawn("stress", True, requests=requests)
        quick, slow = run(instances, "exact"), run(instances, "direct/cp-sat")
        rows.append(Row(f"exact stress R={requests}", "", quick, slow))
        rows.append(Row(f"direct/cp-sat stress R={requests}", "", slow))
    for model in MODELS:
        instances = _drawn(f"hyperion-{model}", True)
        quick, slow = run(instances, "exact"), run(instances, "direct/cp-sat")
        rows.append(Row(f"exact {model} R=6", "", quick, slow))
        rows.append(Row(f"direct/cp-sat {model} R=6", "", slow))
    return rows


def largest(fast: bool) -> Table:
    """The largest number of requests whose optimum is proven within the limit."""
    families: dict[str, Callable[[int, int], Any]] = {
        "stress": lambda r, s: _make("stress", requests=r, seed=s),
        "llama3-8b, load 1": lambda r, s: _make("hyperion-llama3-8b", requests=r, seed=s),
        "llama3-8b, load 0.25": lambda r, s: _make(
            "hyperion-llama3-8b", requests=r, seed=s, load=0.25
        ),
    }
    table = Table(title_justify="left")
    for heading in ("instances", "solver", *(f"seed {s}" for s in range(2 if fast else 4))):
        table.add_column(heading)
    for label, make in families.items():
        for solver in ("exact", "direct/cp-sat"):
            cells = [_largest(make, seed, solver) for seed in range(2 if fast else 4)]
            table.add_row(label, solver, *cells)
    table.caption = (
        f"requests proven within {LIMIT_S:g} s, and the gap at the first size that is not"
    )
    return table


def _largest(make: Callable[[int, int], Any], seed: int, solver: str) -> str:
    """Try ever more requests until the optimum is not proven."""
    proven = 0
    for requests in (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 64):
        result = run([make(requests, seed)], solver)[0]
        if result.status != "optimal":
            gap = "no gap" if result.gap is None else f"{result.gap:.1%}"
            return f"{proven}; {gap} at {requests}"
        proven = requests
    return f"{proven} and more"


def fixed_cuts(fast: bool) -> list[Row]:
    """The branch and bound against CP-SAT at the same cuts, BSDP's."""
    rows = []
    for preset, options in (
        ("stress", {"requests": 6}),
        ("hyperion-llama3-8b", {"requests": 6}),
        ("hyperion-phi3-medium", {"requests": 6}),
    ):
        instances = _drawn(preset, fast, **options)
        own = run(instances, "exact@bsdp")
        rows.append(Row(f"exact@bsdp {preset} R=6", "", own))
        results = []
        for instance, result in zip(instances, own, strict=True):
            assert result.solution is not None
            cuts = ",".join(map(str, result.solution.to_json()["cuts"]))
            results += run([instance], "fixed-cuts/cp-sat", cuts=cuts)
        differ = sum(
            a.objective is not None
            and b.objective is not None
            and relative_gap(a.objective, b.objective) > 2 * OPTIMALITY_TOLERANCE
            for a, b in zip(own, results, strict=True)
        )
        what = f"fixed-cuts/cp-sat {preset} R=6"
        rows.append(Row(what, "the same optima", results, note=f"{differ} differ"))
    return rows


def five_tiers(fast: bool) -> list[Row]:
    """82,251 cut vectors: when the bounds of all of them are there, and the optimum of P0."""
    instances = _drawn("hyperion-phi3-medium", fast, tiers=5, load=0.25)
    results = run(instances, "exact")
    seconds = [_first_bound_s(r) for r in results]
    found = [s for s in seconds if s is not None]
    rows = [
        Row("exact phi3-medium T=5: first bound", "10 s", wall_s=found or [float("nan")]),
        Row("exact phi3-medium T=5 R=6", "", results),
    ]
    instances = _drawn("hyperion-phi3-medium", fast, tiers=5, objective="bottleneck")
    rows.append(Row("bottleneck-dp phi3-medium T=5", "1 s", run(instances, "bottleneck-dp")))
    return rows


def _first_bound_s(result: Result) -> float | None:
    return next((point.t_s for point in result.trace if point.bound is not None), None)


def bottleneck(fast: bool) -> list[Row]:
    """P0: the dynamic programme, and the linear programme on both backends."""
    rows = []
    for model in MODELS:
        instances = _drawn(f"hyperion-{model}", fast, objective="bottleneck")
        for solver in ("bottleneck-dp", "direct/highs", "direct/cbc", "direct/cp-sat"):
            target = "0.04 to 0.5 s" if solver in ("direct/highs", "direct/cbc") else ""
            rows.append(Row(f"{solver} {model}", target, run(instances, solver)))
    for preset in ("stress", "random"):
        size = {"blocks": 10_000, "tiers": 64, "objective": "bottleneck"}
        instances = _drawn(preset, True, **size)
        what = f"{preset} N=10000 T=64"
        rows.append(Row(f"bottleneck-dp {what}", "", run(instances, "bottleneck-dp")))
        rows.append(Row(f"bsdp {what}", "3 s", run(instances, "bsdp")))
    return rows


def many_requests(fast: bool) -> list[Row]:
    """ARTS' decisions, whole runs: plan, checker and evaluator included."""
    rows = []
    sizes = [(100_000, 16), (1_000_000, 16), (100_000, 1000), (1_000_000, 1000)]
    for requests, nodes in sizes[: 1 if fast else None]:
        instance = _make("hyperion-llama3-8b", seed=0, requests=requests, nodes=nodes, load=0.5)
        what = f"arts R={requests:,} K={nodes}"
        rows.append(Row(what, "", run([instance], "arts")))
    return rows


def any_size(fast: bool) -> list[Row]:
    """`exact` far beyond what it can prove: there is a plan and a bound all the same."""
    rows = []
    for requests in (100, 1000) if fast else (50, 100, 1000, 10_000, 100_000):
        for preset, options in (("stress", {}), ("hyperion-llama3-8b", {"load": 1.0})):
            instance = _make(preset, seed=0, requests=requests, **options)
            results = run([instance], "exact")
            rows.append(Row(f"exact {preset} R={requests:,}", "a bound", results))
    return rows


def heuristics(fast: bool) -> list[Row]:
    """Our heuristics beside the published two stages: their value and their time."""
    rows = []
    for preset, options in (
        ("stress", {"requests": 20}),
        ("hyperion-llama3-8b", {"requests": 100}),
        ("hyperion-llama3-8b", {"requests": 1000}),
        ("hyperion-phi3-medium", {"requests": 1000, "tiers": 5}),
    ):
        instances = _drawn(preset, True, **options)
        published = run(instances, "bsdp+arts")
        what = f"{preset} {' '.join(f'{k}={v}' for k, v in options.items())}"
        rows.append(Row(f"bsdp+arts {what}", "", published))
        for solver in ours():
            results = run(instances, solver, time_limit=HEURISTIC_LIMIT_S)
            shares = [
                r.objective / p.objective
                for r, p in zip(results, published, strict=True)
                if r.objective is not None and p.objective is not None
            ]
            note = f"{min(shares):.2f} to {max(shares):.2f} of its value" if shares else ""
            rows.append(Row(f"{solver} {what}", "", results, note=note))
    return rows


def gaps(fast: bool) -> Table:
    """Heuristics and baselines against `exact` on many draws of every preset."""
    return gap_table(instance_count(fast))


def prices(fast: bool) -> Table:
    """The same gaps, split into the price of two stages and the price of being online."""
    return price_table(instance_count(fast))


CASES: Cases = {
    "golden": golden,
    "testbeds": testbeds,
    "stress": stress,
    "cp-sat": cp_sat,
    "largest": largest,
    "fixed-cuts": fixed_cuts,
    "five-tiers": five_tiers,
    "bottleneck": bottleneck,
    "many-requests": many_requests,
    "any-size": any_size,
    "heuristics": heuristics,
    "gaps": gaps,
    "prices": prices,
}
