"""`partition-schedule`: its solvers, a row each, and their aliases."""

from __future__ import annotations

from shardopt.solvers.registry import SolverRow

PAPER = "arXiv 2511.14450"
HEFT = "Topcuoglu et al. 2002; its use here ours"

SOLVERS = (
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
