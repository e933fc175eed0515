"""`replica-clustering`: every row of the spec page's section 12, and the study of gaps.

``BENCH_SEEDS`` is the number of seeds per size in the group `gaps`, 40 without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness import Cases, Row, run
from replica_clustering_gaps import gap_table
from replica_clustering_online import speed
from rich.table import Table

from shardopt import generate

MASTERS = ("columns/highs", "columns/cbc", "columns/cp-sat")


def make(preset: str, **options: Any) -> Any:
    """Return one instance."""
    return generate("replica-clustering", preset, **options)


def drawn(preset: str, fast: bool, *, most: int = 10, **options: Any) -> list[Any]:
    """Return the instances of the first seeds."""
    return [make(preset, seed=seed, **options) for seed in range(2 if fast else most)]


def packing(fast: bool) -> list[Row]:
    """`packing-dp`: all sets of devices, equal ones merged."""
    rows = []
    for devices, target in ((12, "1 s"), (16, "5 s"), (20, "40 s")):
        instances = drawn("random-edge", fast, devices=devices)
        rows.append(Row(f"packing-dp M={devices}", target, run(instances, "packing-dp")))
    for devices, types, target in (
        (30, 5, "3 s"),
        (24, 8, "10 s"),
        (60, 4, "15 s"),
        (50, 5, "30 s"),
    ):
        instances = drawn("typed", fast, devices=devices, types=types)
        what = f"packing-dp typed M={devices} types={types}"
        rows.append(Row(what, target, run(instances, "packing-dp")))
    return rows


def columns(fast: bool) -> list[Row]:
    """The MILP over all sets on every backend; the ratio is to `packing-dp`."""
    rows = []
    for devices, target in ((12, "5 s"), (14, "20 s")):
        instances = drawn("random-edge", fast, devices=devices)
        reference = run(instances, "packing-dp")
        for solver in MASTERS:
            results = run(instances, solver)
            rows.append(Row(f"{solver} M={devices}", target, results, reference))
    return rows


def price(fast: bool) -> list[Row]:
    """`columns/price`, from sizes that it proves to sizes where it leaves a gap."""
    rows = []
    for devices, limit_s, target in (
        (20, 30.0, "30 s on 8 of 10"),
        (24, 30.0, "30 s on 8 of 10"),
        (28, 60.0, "60 s on most"),
        (40, 40.0, "1.5% in 40 s"),
        (60, 60.0, "1% in 60 s"),
    ):
        instances = drawn("random-edge", fast, devices=devices)
        results = run(instances, "columns/price", time_limit=limit_s)
        rows.append(Row(f"columns/price M={devices}", target, results))
    return rows


def exact(fast: bool) -> list[Row]:
    """`exact` up to 20 devices with plenty of memory and with little, and beyond."""
    rows = []
    for memory in (1.0, 0.5):
        for devices in (8, 12, 16, 18, 20):
            instances = drawn("random-edge", fast, devices=devices, memory=memory)
            what = f"exact M={devices} memory={memory:g}"
            rows.append(Row(what, "proven in 60 s", run(instances, "exact")))
    for options in ({"devices": 100}, {"devices": 1000}, {"devices": 12, "blocks": 10_000}):
        instances = drawn("random-edge", True, **options)
        what = " ".join(["exact", *(f"{name}={value}" for name, value in options.items())])
        rows.append(Row(what, "a plan and a bound", run(instances, "exact")))
    return rows


def direct(fast: bool) -> list[Row]:
    """`direct` beside `columns/highs` on tiny instances and on the testbed; the ratio is to it."""
    rows = []
    for devices, target in ((4, "1 s"), (5, "3 s")):
        instances = [_tiny(seed, devices) for seed in range(2 if fast else 10)]
        reference = run(instances, "columns/highs")
        for solver in ("direct/highs", "direct/cbc"):
            results = run(instances, solver)
            rows.append(Row(f"{solver} M={devices} B=4 N=24", target, results, reference))
    testbed = [make("e2llm-testbed")]
    reference = run(testbed, "columns/highs")
    rows.append(Row("columns/highs e2llm-testbed", "", reference))
    for solver in () if fast else ("direct/highs", "direct/cbc"):
        rows.append(Row(f"{solver} e2llm-testbed", "", run(testbed, solver), reference))
    return rows


def _tiny(seed: int, devices: int) -> Any:
    """Return a random instance that `direct` can solve: at most four requests per replica."""
    made = make("random-edge", seed=seed, devices=devices)
    return replace(made, workload=replace(made.workload, max_batch=4))


def searches(fast: bool) -> list[Row]:
    """The searches beside `exact`'s bound on more devices than it proves; note: mean excess."""
    rows = []
    for devices in (24, 40, 60):
        instances = drawn("random-edge", fast, devices=devices)
        bounds = [result.bound for result in run(instances, "columns/price")]
        for solver in ("ga", "packing-search", "splitwise", "two-pipelines"):
            results = run(instances, solver)
            above = [
                r.objective / bound - 1
                for r, bound in zip(results, bounds, strict=True)
                if r.objective is not None and bound is not None
            ]
            note = f"{sum(above) / len(above):.2%} above the bound in the mean" if above else ""
            rows.append(Row(f"{solver} M={devices}", "", results, note=note))
    return rows


def gaps(fast: bool) -> Table:
    """All searches against the optimum, by the number of devices."""
    return gap_table(fast)


CASES: Cases = {
    "packing": packing,
    "columns": columns,
    "price": price,
    "exact": exact,
    "direct": direct,
    "searches": searches,
    "gaps": gaps,
    "online-speed": speed,
}
