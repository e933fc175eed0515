"""`partition-schedule`: every row of the spec page's section 10, and the study of gaps.

``BENCH_GAPS=200`` draws so many instances of every preset in the groups `gaps` and `prices`.
"""

from __future__ import annotations

import time

from gap_study import instance_count
from harness import Cases, Row, run
from partition_schedule_anomalies import anomaly_table
from partition_schedule_exact import (
    MODELS,
    any_size,
    beyond,
    cp_sat,
    drawn,
    five_tiers,
    fixed_cuts,
    largest,
    make,
    named,
    stress,
    testbeds,
)
from partition_schedule_gaps import BEST_AT_ITS_CUTS, gap_table, ours, price_table
from partition_schedule_online import speed
from rich.table import Table

from shardopt.solvers.partition_schedule import Arts

HEURISTIC_LIMIT_S = 10.0
"""What a heuristic may take: beam search would use a minute on a thousand requests."""


def golden(fast: bool) -> Table:
    """The fixed testbed: the optimum of each objective, and what the others make of it."""
    solvers = ("exact", "exact@bsdp", "exact@equal", *BEST_AT_ITS_CUTS, *ours())
    table = Table(title_justify="left")
    table.add_column("solver", no_wrap=True)
    instances = [
        make(f"hyperion-{model}", objective=objective)
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


def bottleneck(fast: bool) -> list[Row]:
    """P0: the dynamic programme, and the linear programme on both backends."""
    rows = []
    for model in MODELS:
        instances = drawn(f"hyperion-{model}", fast, objective="bottleneck")
        for solver in ("bottleneck-dp", "direct/highs", "direct/cbc", "direct/cp-sat"):
            target = "0.04 to 0.5 s" if solver in ("direct/highs", "direct/cbc") else ""
            rows.append(Row(f"{solver} {model}", target, run(instances, solver)))
    for preset in ("stress", "random"):
        size = {"blocks": 10_000, "tiers": 64, "objective": "bottleneck"}
        instances = drawn(preset, True, **size)
        what = f"{preset} N=10000 T=64"
        rows.append(Row(f"bottleneck-dp {what}", "", run(instances, "bottleneck-dp")))
        rows.append(Row(f"bsdp {what}", "3 s", run(instances, "bsdp")))
    return rows


def many_requests(fast: bool) -> list[Row]:
    """ARTS: its decisions, compiled, and whole runs; and the policy by itself, in plain Python."""
    rows = []
    sizes = [(100_000, 16, ""), (1_000_000, 16, "3 s"), (1_000_000, 1000, "60 s")]
    for requests, nodes, target in sizes[: 1 if fast else None]:
        instance = make("hyperion-llama3-8b", seed=0, requests=requests, nodes=nodes, load=0.5)
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


def heuristics(fast: bool) -> list[Row]:
    """Our heuristics beside the published two stages: their value and their time."""
    rows = []
    for preset, options in (
        ("stress", {"requests": 20}),
        ("hyperion-llama3-8b", {"requests": 100}),
        ("hyperion-llama3-8b", {"requests": 1000}),
        ("hyperion-phi3-medium", {"requests": 1000, "tiers": 5}),
    ):
        instances = drawn(preset, True, **options)
        published = run(instances, "bsdp+arts")
        what = named(preset, options)
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
    "online-speed": speed,
}
