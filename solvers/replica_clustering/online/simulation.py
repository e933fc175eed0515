"""Runs policies on one stream of requests (JSQ: arXiv 2606.03770; mode `physical` is ours)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from shardopt.models.errors import NoPlanError
from shardopt.models.replica_clustering.data import Instance, Solution
from shardopt.models.requests import FloatArray, IntArray, Requests
from shardopt.solvers.online.comparison import side_by_side
from shardopt.solvers.online.disturbances import parse_disturbances
from shardopt.solvers.online.lengths import drawn_lengths
from shardopt.solvers.online.log import Log, named
from shardopt.solvers.replica_clustering.online.fleet import Prompts, Run, replica_names
from shardopt.solvers.replica_clustering.online.policies import (
    Policy,
    jsq,
    least_work,
    random_replica,
    round_robin,
)
from shardopt.solvers.replica_clustering.pricing import exact

LIMIT_S = 20.0
"""For the plan, where none is given."""
POLICIES: dict[str, Policy] = {
    "jsq": jsq,
    "round-robin": round_robin,
    "least-work": least_work,
    "random": random_replica,
}

_log = logging.getLogger("shardopt")


def simulate(
    instance: Instance,
    policies: Sequence[str],
    requests: Requests,
    plan: Solution | None,
    seed: int,
    log: Log | None,
    *,
    mode: Literal["ledger", "physical"] = "ledger",
    actual: str | None = None,
    fail: str | None = None,
    slow: str | None = None,
    misjudge: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the metrics of each policy; all of them meet the same requests.

    Parameters
    ----------
    plan
        Without it the plan is that of `exact`.
    mode
        ``ledger``: each token takes S T. ``physical``: prompts fill the pipeline, and the pace of
        decoding depends on the slots in use.
    actual
        ``uniform:a:b`` or ``exponential``: how long answers are, times what is believed.
    fail, slow, misjudge
        ``decode-1@100-200``, ``prefill-1:3@50-90``, ``decode-2:0.5``: replicas that are down,
        slow, or misjudged.
    """
    if plan is None:
        plan = _best_plan(instance)
    index = {name: number for number, name in enumerate(replica_names(plan))}
    disturbances = parse_disturbances(index, fail, slow, misjudge)
    prompts = _prompts(instance, requests, actual, seed)

    def run(name: str) -> tuple[dict[str, Any], FloatArray]:
        common = (instance, plan, prompts, POLICIES[name], disturbances, seed)
        done = Run(*common, physical=mode == "physical", log=named(log, name))
        done.run()
        return {**_described(plan), **_load(done, requests), **done.metrics()}, done.record.total_s

    found = side_by_side(policies, run)
    first = found[policies[0]]
    if first["overloaded"]:
        _log.warning(
            "%.4g requests arrive per second and the replicas can serve %.4g: "
            "the queue grows without limit",
            requests.rate_per_s,
            first["capacity_per_s"],
        )
    return found


def one_a_period(instance: Instance) -> str:
    """Return the instance's own arrivals: one request each period."""
    return f"period:{instance.workload.arrival_period_s!r}"


def _best_plan(instance: Instance) -> Solution:
    result = exact(instance, time_limit=LIMIT_S)
    if result.solution is None:
        raise NoPlanError("replicas for both roles", proven=result.status == "infeasible")
    assert isinstance(result.solution, Solution)
    return result.solution


def _prompts(instance: Instance, requests: Requests, actual: str | None, seed: int) -> Prompts:
    """Fill in the mean lengths of the instance where a stream has none of its own."""
    workload = instance.workload

    def column(given: IntArray | None, value: float) -> FloatArray:
        if given is None:
            return np.full(len(requests), value)
        return given.astype(np.float64)

    believed = column(requests.output_tokens, workload.output_tokens)
    real = requests.actual_output_tokens
    if actual is not None:
        real = drawn_lengths(actual, believed, seed)
    return Prompts(
        requests.arrival_s,
        column(requests.input_tokens, workload.input_tokens),
        believed,
        believed if real is None else real.astype(np.float64),
    )


def _described(plan: Solution) -> dict[str, Any]:
    """Return which devices the names of the replicas stand for."""
    ordered = sorted(plan.replicas, key=lambda replica: replica.role == "decode")
    devices = ([stage.device for stage in replica.stages] for replica in ordered)
    return {"replicas": dict(zip(replica_names(plan), devices, strict=True))}


def _load(done: Run, requests: Requests) -> dict[str, Any]:
    """Return how many requests per second both phases can serve, and whether more arrive."""
    prompts = done.prompts
    prefill = sum(one.machine.rate for one in done.prefillers) / prompts.input_tokens.mean()
    slots_per_s = sum(one.slots.capacity / one.token_s for one in done.decoders)
    capacity = float(min(prefill, slots_per_s / prompts.actual_tokens.mean()))
    rate = requests.rate_per_s
    overloaded = rate is not None and rate > capacity * (1 + 1e-9)
    return {"capacity_per_s": capacity, "overloaded": overloaded}
