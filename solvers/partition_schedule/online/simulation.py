"""Runs policies on one stream of requests (idea arXiv 2511.14450; formulas ours)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shardopt.models.errors import InputError, NoPlanError
from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.tables import Cuts, FloatArray, Tables, make_tables
from shardopt.models.requests import Requests
from shardopt.solvers.budget import Budget
from shardopt.solvers.online.comparison import side_by_side
from shardopt.solvers.online.disturbances import Disturbances, parse_disturbances
from shardopt.solvers.online.log import Log, named
from shardopt.solvers.online.randomness import stream
from shardopt.solvers.partition_schedule.dispatch import heft_schedule
from shardopt.solvers.partition_schedule.first_stage import bsdp_cuts
from shardopt.solvers.partition_schedule.online.pipeline import Plan, Run
from shardopt.solvers.partition_schedule.online.policies import (
    Policy,
    arts,
    heft,
    least_work,
    random_node,
    round_robin,
)

LIMIT_S = 60.0
"""For what is planned before the first request arrives."""
POLICIES: dict[str, Policy] = {
    "arts": arts,
    "round-robin": round_robin,
    "heft": heft,
    "least-work": least_work,
    "random": random_node,
}


def simulate(
    instance: Instance,
    policies: Sequence[str],
    requests: Requests,
    plan: Solution | None,
    seed: int,
    log: Log | None,
    *,
    fail: str | None = None,
    slow: str | None = None,
    misjudge: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the metrics of each policy; all of them meet the same requests.

    Parameters
    ----------
    plan
        Only its cuts are used; without it they are BSDP's.
    fail, slow, misjudge
        ``a2@100-200``, ``a1:3@50-90``, ``a1:0.5``: nodes that are down, slow, or misjudged.
    """
    names = [node.name for tier in instance.tiers for node in tier.nodes]
    index = {name: number for number, name in enumerate(names)}
    disturbances = parse_disturbances(index, fail, slow, misjudge)
    if "heft" in policies and disturbances.failures:
        expected = "another policy: a schedule made in advance has no answer to a node that leaves"
        raise InputError("heft", expected, "fail")
    tables = _on_stream(make_tables(instance), requests, seed)
    cuts = _cuts(tables, plan)

    def run(name: str) -> tuple[dict[str, Any], FloatArray]:
        made = _heft_plan(tables, cuts, disturbances) if name == "heft" else None
        common = (tables, cuts, POLICIES[name], disturbances, seed)
        done = Run(*common, log=named(log, name), plan=made)
        done.run()
        return {"cuts": list(cuts), **done.metrics()}, done.record.total_s

    return side_by_side(policies, run)


def own_arrivals(instance: Instance) -> Requests:
    """Return the requests of the instance itself, in the order of their arrival."""
    arrival = np.array([request.arrival_s for request in instance.requests], dtype=np.float64)
    tokens = np.array([request.tokens for request in instance.requests], dtype=np.int64)
    order = np.argsort(arrival, kind="stable")
    span = float(np.ptp(arrival))
    rate = (len(arrival) - 1) / span if span > 0 else None
    return Requests(arrival[order], rate, tokens[order])


def _on_stream(tables: Tables, requests: Requests, seed: int) -> Tables:
    """Put a stream in place of the instance's requests; unknown lengths are drawn from these."""
    if requests.input_tokens is None:
        drawn = stream(seed, "lengths").integers(tables.request_count, size=len(requests))
        tokens = tables.tokens[drawn]
    else:
        tokens = requests.input_tokens.astype(np.float64)
    return replace(tables, origin_s=0.0, arrival_s=requests.arrival_s, tokens=tokens)


def _cuts(tables: Tables, plan: Solution | None) -> Cuts:
    if plan is not None:
        return tuple(int(cut) for cut in plan.cuts)
    budget = Budget(LIMIT_S)
    cuts = bsdp_cuts(tables, budget)
    if cuts is None:
        raise NoPlanError("cuts that fit the tiers", proven=not budget.exhausted())
    return cuts


def _heft_plan(tables: Tables, cuts: Cuts, disturbances: Disturbances) -> Plan:
    """Return the schedule that HEFT makes of the whole stream with the believed speeds."""
    first = np.cumsum([0, *(len(speed) for speed in tables.speed)])
    believed = disturbances.believed(int(first[-1]))
    speed = tuple(
        speed / believed[a:b]
        for speed, a, b in zip(tables.speed, first[:-1], first[1:], strict=True)
    )
    schedule = heft_schedule(replace(tables, speed=speed), cuts, Budget(LIMIT_S))
    if schedule is None:
        raise NoPlanError("a schedule of heft within its time limit", proven=False)
    return Plan(*schedule)
