"""`partition-schedule`: its solvers, a row each, and their aliases."""

from __future__ import annotations

from shardopt.solvers.registry import SolverRow

PAPER = "arXiv 2511.14450"
HEFT = "Topcuoglu et al. 2002; its use here ours"

SOLVERS = (
    SolverRow(
        "exact",
        "exact",
        "partition_schedule.exact_search:exact",
        "best-first over cuts, search over schedules inside; bottleneck-dp for that objective",
        "ours (branching after Giffler and Thompson 1960)",
        proves_bounds=True,
        warm_start=True,
        compiled=True,
        verify_with=("direct/cp-sat", "direct/highs"),
    ),
    SolverRow(
        "bottleneck-dp",
        "exact",
        "partition_schedule.bottleneck:bottleneck_dp",
        "dynamic programme over tiers and cuts, for the objective bottleneck only",
        f"{PAPER} P0; method ours",
        proves_bounds=True,
        partial=True,
        compiled=True,
        verify_with=("direct/highs", "direct/cbc"),
    ),
    SolverRow(
        "exact@bsdp",
        "heuristic",
        "partition_schedule.exact_search:exact_under_cuts",
        "the cuts of bsdp+arts with the best schedule, proven for these cuts",
        "ours",
        fixed={"rule": "bsdp"},
        compiled=True,
    ),
    SolverRow(
        "exact@equal",
        "heuristic",
        "partition_schedule.exact_search:exact_under_cuts",
        "equal cuts with the best schedule, proven for these cuts",
        "ours",
        fixed={"rule": "equal"},
        compiled=True,
    ),
    SolverRow(
        "beam",
        "heuristic",
        "partition_schedule.exact_search:beam",
        "beam search over schedules on the cuts of least bound",
        "ours",
        warm_start=True,
        compiled=True,
    ),
    SolverRow(
        "latency-cuts",
        "heuristic",
        "partition_schedule.cut_descent:latency_cuts",
        "cuts moved while online dispatching gains by it, then online dispatching",
        "ours",
        compiled=True,
    ),
    SolverRow(
        "bsdp+arts",
        "heuristic",
        "partition_schedule.two_stage:bsdp_arts",
        "the two stages: cuts that balance the tiers, then online dispatching",
        f"{PAPER}, idea and names; formulas ours",
        compiled=True,
    ),
    SolverRow(
        "arts",
        "online",
        "partition_schedule.two_stage:arts",
        "equal cuts, then online dispatching to the node that ends first",
        f"{PAPER}, idea and name; formulas ours",
        compiled=True,
    ),
    SolverRow(
        "gpipe",
        "heuristic",
        "partition_schedule.baselines:gpipe",
        "equal cuts, requests dealt out to nodes in order of arrival",
        f"{PAPER} baseline; its use here ours",
        compiled=True,
    ),
    SolverRow(
        "gpipe@bsdp",
        "heuristic",
        "partition_schedule.baselines:gpipe_bsdp",
        "gpipe on the cuts of bsdp+arts",
        "ours",
        compiled=True,
    ),
    SolverRow(
        "heft",
        "heuristic",
        "partition_schedule.baselines:heft",
        "equal cuts, the longest to go first, each where it ends first",
        HEFT,
        compiled=True,
    ),
    SolverRow(
        "heft@bsdp",
        "heuristic",
        "partition_schedule.baselines:heft_bsdp",
        "heft on the cuts of bsdp+arts",
        HEFT,
        compiled=True,
    ),
)

ALIASES = {"heuristic": "bsdp+arts", "bsdp": "bsdp+arts"}
