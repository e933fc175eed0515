"""`partition-schedule`: `fixed-cuts/cp-sat`, intervals of constant length (spec section 4.4).

The cuts are given, so every service and transfer is a number. Its bound holds for plans with
these cuts only. Times are integers, rounded down as in `intervals`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from ortools.sat.python import cp_model

from shardopt.models.formulation import CpFormulation, require_size
from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.formulations.common import layout, plan_in_order
from shardopt.models.partition_schedule.formulations.intervals import (
    HORIZON,
    hinted_times,
    objective,
    rounded_transfer,
    scale,
    starts_and_ends,
)
from shardopt.models.partition_schedule.formulations.windows import windows
from shardopt.models.partition_schedule.tables import Cuts, Tables, make_tables

IntVar = cp_model.IntVar


@dataclass(frozen=True)
class Program:
    """The model being built; lists are by tier, then by request.

    ``service[j][r][k]`` and ``y[j][r][k]`` are of eligible nodes only; ``transfer[j][r]``.
    """

    tables: Tables
    cuts: Cuts
    sigma: Fraction
    model: cp_model.CpModel
    service: list[list[dict[int, int]]]
    transfer: list[list[int]]
    y: list[list[dict[int, IntVar]]]
    S: list[list[IntVar]]
    E: list[list[IntVar]]

    @property
    def requests(self) -> range:
        """All requests."""
        return range(self.tables.request_count)

    @property
    def tiers(self) -> range:
        """All tiers."""
        return range(self.tables.tier_count)


def build(instance: Instance, *, cuts: Cuts, upper_bound: float) -> CpFormulation:
    """Build the model.

    Parameters
    ----------
    cuts
        p_1 .. p_{T-1}; each of their runs fits on some node.
    upper_bound
        Seconds, the objective of a known plan. Worse ones are cut off.
    """
    tables = make_tables(instance)
    require_size(10.0 * tables.request_count * sum(len(speed) for speed in tables.speed))
    p = _program(tables, cuts, upper_bound)
    node_of_tier(p)
    if instance.objective != "bottleneck":
        service(p)
        precedence(p)
        no_overlap(p)
        capacity(p)
    of_one = [_served(p, j, 0) for j in p.tiers], [times[0] for times in p.transfer]
    served, transferred = of_one if instance.objective == "bottleneck" else ([], [])
    p.model.minimize(objective(p.model, tables, p.sigma, p.E, served, transferred))
    share = tables.request_count if instance.objective == "mean-latency" else 1
    return CpFormulation(
        p.model,
        lambda values: _decode(p, values),
        lambda plan: _encode(p, plan),
        unit=float(1 / (p.sigma * share)),
    )


def _program(tables: Tables, cuts: Cuts, upper_bound: float) -> Program:
    limits = windows(tables, upper_bound, cuts)
    sigma = scale(tables, limits)
    model = cp_model.CpModel()
    timed = tables.instance.objective != "bottleneck"
    starts, ends = starts_and_ends(model, tables, limits, sigma) if timed else ([], [])
    lengths = [_services(tables, sigma, j, *run) for j, run in enumerate(tables.runs(cuts))]
    return Program(
        tables=tables,
        cuts=cuts,
        sigma=sigma,
        model=model,
        service=lengths,
        transfer=[
            [rounded_transfer(tables, sigma, r, j, cut) for r in range(tables.request_count)]
            for j, cut in enumerate(cuts)
        ],
        y=[[{k: model.new_bool_var("") for k in nodes} for nodes in tier] for tier in lengths],
        S=starts,
        E=ends,
    )


def _services(tables: Tables, sigma: Fraction, j: int, a: int, b: int) -> list[dict[int, int]]:
    """Return s(r, j, k) in integers, by request and eligible node."""
    flops = sigma * (tables.exact_flops_before[b] - tables.exact_flops_before[a])
    eligible = np.flatnonzero(tables.eligible(j, a, b)).tolist()
    per_token = {k: flops / Fraction(tables.speed[j][k]) for k in eligible}
    return [
        {k: min(math.floor(request.tokens * time), HORIZON + 1) for k, time in per_token.items()}
        for request in tables.instance.requests
    ]


def node_of_tier(p: Program) -> None:
    """Serve each request by one eligible node of each tier, `memory` included."""
    for tier in p.y:
        for nodes in tier:
            p.model.add_exactly_one(nodes.values())


def service(p: Program) -> None:
    """E[r,j] = S[r,j] + s(r, j, k) of the node that is chosen."""
    for j in p.tiers:
        for r in p.requests:
            p.model.add(p.E[j][r] == p.S[j][r] + _served(p, j, r))


def _served(p: Program, j: int, r: int) -> cp_model.LinearExprT:
    return sum(p.service[j][r][k] * chosen for k, chosen in p.y[j][r].items())


def precedence(p: Program) -> None:
    """S[r,j+1] >= E[r,j] + x(r, j)."""
    for j in p.tiers[:-1]:
        for r in p.requests:
            p.model.add(p.S[j + 1][r] >= p.E[j][r] + p.transfer[j][r])


def no_overlap(p: Program) -> None:
    """A node serves one request at a time."""
    for j in p.tiers:
        for k in p.y[j][0]:
            p.model.add_no_overlap(
                p.model.new_optional_fixed_size_interval_var(
                    p.S[j][r], p.service[j][r][k], p.y[j][r][k], ""
                )
                for r in p.requests
            )


def capacity(p: Program) -> None:
    """A tier serves as many requests at a time as it has nodes (implied)."""
    for j in p.tiers:
        served = [
            p.model.new_interval_var(p.S[j][r], _served(p, j, r), p.E[j][r], "") for r in p.requests
        ]
        p.model.add_cumulative(served, [1] * len(served), len(p.y[j][0]))


def _decode(p: Program, values: list[int]) -> Solution:
    node = np.array(
        [[next(k for k, y in nodes.items() if values[y.index]) for nodes in tier] for tier in p.y]
    ).T
    when = np.zeros(node.shape)
    if p.S:
        when = np.array([[float(values[s.index]) for s in starts] for starts in p.S]).T
    return plan_in_order(p.tables, p.cuts, node, when)


def _encode(p: Program, solution: Solution) -> dict[int, int]:
    """Return hints for nodes and times; a plan with other cuts gives none."""
    cuts, node, start = layout(p.tables, solution)
    if cuts != p.cuts:
        return {}
    hints = {
        y.index: int(k == node[r, j])
        for j in p.tiers
        for r in p.requests
        for k, y in p.y[j][r].items()
    }
    if p.S:
        services = [[p.service[j][r][int(node[r, j])] for r in p.requests] for j in p.tiers]
        hints |= hinted_times(p.S, p.E, services, p.transfer, node, start)
    return hints
