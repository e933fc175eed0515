"""`partition-schedule`: every row of the spec page's section 10, and the study of gaps.

``BENCH_GAPS=200`` draws so many instances of every family in the groups `gaps` and `prices`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gap_study import instance_count
from harness import LIMIT_S, Cases, Row, run
from partition_schedule_anomalies import anomaly_table
from partition_schedule_gaps import BEST_AT_ITS_CUTS, gap_table, ours, price_table
from rich.table import Table

from shardopt import generate
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result, relative_gap
from shardopt.solvers.partition_schedule import Arts

MODELS = ("llama3-8b", "phi3-medium")
HEURISTIC_LIMIT_S = 10.0
"""What a heuristic may take: beam search would use a minute on a thousand requests."""


def _make(preset: str, **options: Any) -> Any:
    return generate("partition-schedule", preset, **options)


def _drawn(preset: str, fast: bool, *, most: int = 8, **options: Any) -> list[Any]:
    return [_make(preset, seed=seed, **options) for seed in range(2 if fast else most)]


def _named(preset: str, options: dict[str, Any]) -> str:
    return " ".join([preset, *(f"{name}={value}" for name, value in options.items())])


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
    """The textbook constraint programme beside `exact`, on the same files."""
    sizes: list[tuple[str, dict[str, Any]]] = [
        *(("stress", {"requests": requests}) for requests in (3, 5, 8, 10, 20)),
        *((f"hyperion-{model}", {"load": load}) for model in MODELS for load in (0.25, 1.0)),
    ]
    rows = []
    for preset, options in sizes[1:3] if fast else sizes:
        instances = _drawn(preset, fast, most=4, **options)
        quick, slow = run(instances, "exact"), run(instances, "direct/cp-sat")
        what = _named(preset, options)
        rows.append(Row(f"exact {what}", "", quick, slow))
        rows.append(Row(f"direct/cp-sat {what}", "", slow))
    return rows


def beyond(fast: bool) -> list[Row]:
    """`exact` with more requests and more nodes than the page names."""
    rows = []
    for requests, nodes in ((20, 3), (40, 2), (12, 10), (100, 2)):
        for preset, options in (
            ("hyperion-llama3-8b", {"load": 0.25}),
            ("hyperion-llama3-8b", {"load": 1.0}),
            ("hyperion-phi3-medium", {"load": 1.0, "tiers": 5}),
            ("stress", {}),
        ):
            size = {"requests": requests, "nodes": nodes} | options
            instances = _drawn(preset, fast, most=4, **size)
            rows.append(Row(f"exact {_named(preset, size)}", "", run(instances, "exact")))
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
    """82,251 cut vectors: when there is a bound on all of them, and the optimum of P0."""
    rows = []
    for load in (0.25, 3.0):
        instances = _drawn("hyperion-phi3-medium", fast, tiers=5, load=load)
        results = run(instances, "exact")
        what = f"exact phi3-medium T=5 R=6 load {load:g}"
        seconds = [s for r in results if (s := _first_bound_s(r)) is not None]
        rows.append(Row(f"{what}: first bound", "10 s", wall_s=seconds or [float("nan")]))
        rows.append(Row(what, "", results))
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
    """ARTS: its decisions, compiled, and whole runs; and the policy by itself, in plain Python."""
    rows = []
    sizes = [(100_000, 16, ""), (1_000_000, 16, "3 s"), (1_000_000, 1000, "60 s")]
    for requests, nodes, target in sizes[: 1 if fast else None]:
        instance = _make("hyperion-llama3-8b", seed=0, requests=requests, nodes=nodes, load=0.5)
        results = run([instance], "arts")
        what = f"arts R={requests:,} K={nodes}"
        seconds = [r.extra["dispatch_s"] for r in results]
        rows.append(Row(f"{what}: decisions", target, wall_s=seconds))
        rows.append(Row(f"{what}: with tables, plan and checker", "", results))
    rows.append(Row("policy, 100,000 decisions, 10 nodes", "1 s", wall_s=[_policy_s(100_000, 10)]))
    return rows


def _policy_s(decisions: int, nodes: int) -> float:
    """Return the seconds that the policy object takes, as a simulator would call it."""
    policy = Arts([1.0 + k / nodes for k in range(nodes)])
    outstanding, eligible = [0.0] * nodes, range(nodes)
    began = time.perf_counter()
    for n in range(decisions):
        k = policy.choose(outstanding, 1.0, eligible)
        outstanding[k] += 1.0
        outstanding[n % nodes] *= 0.5
    return time.perf_counter() - began


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
        what = _named(preset, options)
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


def anomalies(fast: bool) -> Table:
    """More of something, and a worse plan."""
    return anomaly_table(40 if fast else 400)


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
    "beyond": beyond,
    "largest": largest,
    "fixed-cuts": fixed_cuts,
    "five-tiers": five_tiers,
    "bottleneck": bottleneck,
    "many-requests": many_requests,
    "any-size": any_size,
    "heuristics": heuristics,
    "anomalies": anomalies,
    "gaps": gaps,
    "prices": prices,
}
