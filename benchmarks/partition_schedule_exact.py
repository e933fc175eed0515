"""`partition-schedule`: how far `exact` gets, alone and beside CP-SAT."""

from __future__ import annotations

from typing import Any

from harness import LIMIT_S, Row, run
from rich.table import Table

from shardopt import generate
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result, relative_gap

MODELS = ("llama3-8b", "phi3-medium")


def make(preset: str, **options: Any) -> Any:
    """Return one instance."""
    return generate("partition-schedule", preset, **options)


def drawn(preset: str, fast: bool, *, most: int = 8, **options: Any) -> list[Any]:
    """Return the instances of the first seeds."""
    return [make(preset, seed=seed, **options) for seed in range(2 if fast else most)]


def named(preset: str, options: dict[str, Any]) -> str:
    """Return what a row is about."""
    return " ".join([preset, *(f"{name}={value}" for name, value in options.items())])


def testbeds(fast: bool) -> list[Row]:
    """`exact` on drawn testbeds, from little to too much load."""
    rows = []
    for model in MODELS:
        for objective in ("mean-latency", "makespan"):
            for load in (0.25, 1.0, 3.0) if fast else (0.25, 0.5, 1.0, 2.0, 3.0):
                options = {"load": load, "objective": objective}
                instances = drawn(f"hyperion-{model}", fast, **options)
                what = f"exact {model} R=6 load {load:g} {objective}"
                rows.append(Row(what, "10 s", run(instances, "exact")))
        for load, target in ((0.25, "60 s"), (1.0, "most in 60 s")):
            instances = drawn(f"hyperion-{model}", fast, load=load, requests=12)
            what = f"exact {model} R=12 load {load:g}"
            rows.append(Row(what, target, run(instances, "exact")))
    return rows


def stress(fast: bool) -> list[Row]:
    """`exact` on instances made to be hard, up to where only a bound is left."""
    rows = []
    sizes = ((5, "10 s"), (8, "30 s"), (10, "most in 60 s"), (20, "gap 15%"))
    for objective in ("mean-latency", "makespan"):
        for requests, target in sizes:
            most = 8 if requests < 20 else 4
            instances = drawn("stress", fast, most=most, requests=requests, objective=objective)
            what = f"exact stress R={requests} {objective}"
            rows.append(Row(what, target, run(instances, "exact")))
    instances = drawn("stress", fast, most=4, requests=20, nodes=3)
    rows.append(Row("exact stress R=20 K=3", "moonshot: 60 s", run(instances, "exact")))
    return rows


def cp_sat(fast: bool) -> list[Row]:
    """The textbook constraint programme beside `exact`, on the same files."""
    sizes: list[tuple[str, dict[str, Any]]] = [
        *(("stress", {"requests": requests}) for requests in (3, 5, 8)),
        *((f"hyperion-{model}", {"load": load}) for model in MODELS for load in (0.25, 1.0)),
    ]
    rows = []
    for preset, options in sizes[1:3] if fast else sizes:
        instances = drawn(preset, fast, most=2, **options)
        quick, slow = run(instances, "exact"), run(instances, "direct/cp-sat")
        what = named(preset, options)
        rows.append(Row(f"exact {what}", "", quick, slow))
        note = f"{_contradictions(quick, slow)} contradictions"
        rows.append(Row(f"direct/cp-sat {what}", "", slow, note=note))
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
            instances = drawn(preset, fast, most=2, **size)
            rows.append(Row(f"exact {named(preset, size)}", "", run(instances, "exact")))
    return rows


SIZES = (*range(1, 7), *range(8, 21, 2), 24, 28, 32, 40, 48, 64, 80, 100, 150, 200, 300, 500, 1000)


def largest(fast: bool) -> Table:
    """The largest number of requests whose optimum is proven within the limit."""
    seeds = range(1 if fast else 2)
    families: list[tuple[str, dict[str, Any]]] = [
        ("stress", {}),
        ("hyperion-llama3-8b", {"load": 1.0}),
        ("hyperion-llama3-8b", {"load": 0.25}),
    ]
    table = Table(title_justify="left")
    for heading in ("instances", "solver", *(f"seed {seed}" for seed in seeds)):
        table.add_column(heading)
    for preset, options in families:
        for solver in ("exact", "direct/cp-sat"):
            cells = [_largest(preset, options | {"seed": seed}, solver) for seed in seeds]
            table.add_row(named(preset, options), solver, *cells)
    table.caption = (
        f"requests proven within {LIMIT_S:g} s, and the gap at the first size that is not"
    )
    return table


def _largest(preset: str, options: dict[str, Any], solver: str) -> str:
    """Try ever more requests until the optimum is not proven."""
    proven = 0
    for requests in SIZES:
        result = run([make(preset, requests=requests, **options)], solver)[0]
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
        instances = drawn(preset, fast, **options)
        own = run(instances, "exact@bsdp")
        rows.append(Row(f"exact@bsdp {preset} R=6", "", own, note=f"{_proven(own)} proven"))
        results = run(instances, "fixed-cuts/cp-sat", cuts="bsdp")
        note = f"{_proven(results)} proven, {_contradictions(own, results)} contradictions"
        rows.append(Row(f"fixed-cuts/cp-sat {preset} R=6", "the same optima", results, note=note))
    return rows


def _bound(result: Result) -> float | None:
    """Return the bound of what the solver searches: all schedules, or those under its cuts."""
    return result.extra.get("fixed_cuts_bound", result.bound)


def _proven(results: list[Result]) -> int:
    """Return how often what the solver searches holds nothing better."""
    return sum(
        r.objective is not None
        and (bound := _bound(r)) is not None
        and relative_gap(r.objective, bound) <= OPTIMALITY_TOLERANCE
        for r in results
    )


def _contradictions(ones: list[Result], others: list[Result]) -> int:
    """Return how many objectives are below the bound of another solver of the same instance."""
    pairs = [*zip(ones, others, strict=True), *zip(others, ones, strict=True)]
    return sum(
        objective < bound and relative_gap(objective, bound) > OPTIMALITY_TOLERANCE
        for a, b in pairs
        if (objective := a.objective) is not None and (bound := _bound(b)) is not None
    )


def five_tiers(fast: bool) -> list[Row]:
    """82,251 cut vectors: when there is a bound on all of them, and the optimum of P0."""
    rows = []
    for load in (0.25, 3.0):
        instances = drawn("hyperion-phi3-medium", fast, tiers=5, load=load)
        results = run(instances, "exact")
        what = f"exact phi3-medium T=5 R=6 load {load:g}"
        seconds = [s for r in results if (s := _first_bound_s(r)) is not None]
        rows.append(Row(f"{what}: first bound", "10 s", wall_s=seconds or [float("nan")]))
        rows.append(Row(what, "", results))
    instances = drawn("hyperion-phi3-medium", fast, tiers=5, objective="bottleneck")
    rows.append(Row("bottleneck-dp phi3-medium T=5", "1 s", run(instances, "bottleneck-dp")))
    return rows


def _first_bound_s(result: Result) -> float | None:
    return next((point.t_s for point in result.trace if point.bound is not None), None)


def any_size(fast: bool) -> list[Row]:
    """`exact` far beyond what it can prove: there is a plan and a bound all the same."""
    rows = []
    for requests in (100, 1000) if fast else (50, 100, 1000, 10_000, 100_000):
        for preset, options in (("stress", {}), ("hyperion-llama3-8b", {"load": 1.0})):
            instance = make(preset, seed=0, requests=requests, **options)
            results = run([instance], "exact")
            rows.append(Row(f"exact {preset} R={requests:,}", "a bound", results))
    return rows
