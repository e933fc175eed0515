"""`partition-schedule`: the independent checker. It shares only the data and the evaluator."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import numpy as np

from shardopt.models.checking import CheckReport, Violation
from shardopt.models.partition_schedule.data import Instance, Solution
from shardopt.models.partition_schedule.evaluate import (
    FloatArray,
    Timeline,
    objective_of,
    timeline,
)

RELATIVE_TOLERANCE = 2e-9
"""Times may be early by this share of the time from the first arrival to the last completion."""
TOLERANCE_ULPS = 4
"""... or by so many units in the last place of the last completion, if that is more."""


def check(instance: Instance, solution: Solution) -> CheckReport:
    """Check a plan against every rule of the problem's page, section 3.

    A plan that breaks only `memory`, `arrival`, `precedence` or `no-overlap` still has an
    objective; any other violation leaves none, and these four are not looked at.
    """
    violations = (
        *_cut_order(instance, solution),
        *_served_once(instance, solution),
        *_node_of_tier(instance, solution),
        *_start(solution),
    )
    if violations:
        return CheckReport(None, violations)
    with np.errstate(over="ignore"):  # starts of 1e308 are allowed
        times = timeline(instance, solution)
        eps = tolerance_s(times)
        violations = (
            *_memory(instance, solution, times),
            *_ready(solution, times, eps),
            *_no_overlap(solution, times, eps),
        )
        return CheckReport(objective_of(instance, times), violations)


def tolerance_s(times: Timeline) -> float:
    """Return eps, the seconds that a start may be early by."""
    last = times.end_s[:, -1]
    ulp = math.ulp(float(np.abs(last + times.origin_s).max()))
    return max(RELATIVE_TOLERANCE * float(last.max()), TOLERANCE_ULPS * ulp)


def _cut_order(instance: Instance, solution: Solution) -> Iterator[Violation]:
    count, expected = len(instance.blocks), len(instance.tiers) - 1
    if len(solution.cuts) != expected:
        message = f"{len(solution.cuts)} cuts, expected {expected}, one less than tiers"
        yield Violation("cut-order", "cuts", float(abs(len(solution.cuts) - expected)), message)
    before = 0
    for n, cut in enumerate(solution.cuts):
        where = f"cuts[{n}]"
        if not math.isfinite(cut) or cut != int(cut):
            amount = abs(cut - round(cut)) if math.isfinite(cut) else 1.0
            yield Violation("cut-order", where, amount, f"{cut} is not an integer")
            continue
        if not 1 <= cut <= count - 1:
            amount = float(max(1 - cut, cut - count + 1))
            message = f"cut {cut} is not within 1 to {count - 1}"
            yield Violation("cut-order", where, amount, message)
        elif cut <= before:
            message = f"cut {cut} does not come after {before}, the cut before it"
            yield Violation("cut-order", where, float(before - cut + 1), message)
        before = int(cut)


def _served_once(instance: Instance, solution: Solution) -> Iterator[Violation]:
    count = len(instance.requests)
    first: dict[int, int] = {}
    for n, assignment in enumerate(solution.assignments):
        r, where = assignment.request, f"assignments[{n}].request"
        if not 0 <= r < count:
            amount = float(max(-r, r - count + 1))
            message = f"request {r} is not among 0 to {count - 1}"
            yield Violation("served-once", where, amount, message)
        elif r in first:
            message = f"request {r} is already served by assignments[{first[r]}]"
            yield Violation("served-once", where, 1.0, message)
        first.setdefault(r, n)
    for r in range(count):
        if r not in first:
            message = f"request {r} is in no assignment"
            yield Violation("served-once", "assignments", 1.0, message)


def _node_of_tier(instance: Instance, solution: Solution) -> Iterator[Violation]:
    tier_of = {node.name: j for j, tier in enumerate(instance.tiers) for node in tier.nodes}
    expected = len(instance.tiers)
    in_order = list(range(expected))
    for n, assignment in enumerate(solution.assignments):
        where = f"assignments[{n}]"
        for key, entries in (("nodes", assignment.nodes), ("start_s", assignment.start_s)):
            if len(entries) != expected:
                message = f"{len(entries)} entries, expected {expected}, one per tier"
                amount = float(abs(len(entries) - expected))
                yield Violation("node-of-tier", f"{where}.{key}", amount, message)
        found = [tier_of.get(name) for name in assignment.nodes]
        if found == in_order:
            continue
        for j, (name, tier) in enumerate(zip(assignment.nodes, found, strict=True)):
            if tier is None:
                message = f"no node is named {name!r}"
                yield Violation("node-of-tier", f"{where}.nodes[{j}]", 1.0, message)
            elif j < expected and tier != j:
                message = f"{name!r} is a node of tier {tier}, expected one of tier {j}"
                yield Violation("node-of-tier", f"{where}.nodes[{j}]", 1.0, message)


def _start(solution: Solution) -> Iterator[Violation]:
    for n, assignment in enumerate(solution.assignments):
        if all(map(math.isfinite, assignment.start_s)):
            continue
        for j, start in enumerate(assignment.start_s):
            if not math.isfinite(start):
                where = f"assignments[{n}].start_s[{j}]"
                yield Violation("start", where, 1.0, f"{start} is not a finite number")


def _memory(instance: Instance, solution: Solution, times: Timeline) -> Iterator[Violation]:
    """Compare whole bytes, without tolerance. Each node is named once, where it is first used."""
    for j, (a, b) in enumerate(times.runs):
        need = sum(block.weight_bytes for block in instance.blocks[a:b])
        memory = {node.name: node.memory_bytes for node in instance.tiers[j].nodes}
        _, first_use = np.unique(times.node[:, j], return_index=True)
        for n in sorted(first_use.tolist()):
            name = solution.assignments[n].nodes[j]
            if need > memory[name]:
                message = f"{name!r} needs {need} bytes and has {memory[name]}"
                where = f"assignments[{n}].nodes[{j}]"
                yield Violation("memory", where, float(need - memory[name]), message)


def _ready(solution: Solution, times: Timeline, eps: float) -> Iterator[Violation]:
    """`arrival` on the first tier, `precedence` on the others."""
    yield from _early("arrival", solution, 0, times.arrival_s - times.start_s[:, 0], eps)
    ready_s = times.end_s[:, :-1] + times.transfer_s
    for j in range(1, len(times.runs)):
        early_s = ready_s[:, j - 1] - times.start_s[:, j]
        yield from _early("precedence", solution, j, early_s, eps)


def _early(
    constraint: str, solution: Solution, j: int, early_s: FloatArray, eps: float
) -> Iterator[Violation]:
    for n in np.flatnonzero(early_s > eps).tolist():
        amount = min(float(early_s[n]), sys.float_info.max)
        request = solution.assignments[n].request
        message = f"request {request} starts on tier {j} {amount:.9g} s before it is there"
        yield Violation(constraint, f"assignments[{n}].start_s[{j}]", amount, message)


def _no_overlap(solution: Solution, times: Timeline, eps: float) -> Iterator[Violation]:
    """Of two services on a node, one comes after the other, early by eps at most.

    Whichever order leaves the later one less early counts: that is the order of start + end.
    Then it is enough to compare each start with the latest end before it.
    """
    for j in range(len(times.runs)):
        start, end, node = times.start_s[:, j], times.end_s[:, j], times.node[:, j]
        # Halves, because the sum of two large numbers may not be a number.
        order = np.lexsort((start / 2 + end / 2, node))
        for rows in np.split(order, np.flatnonzero(np.diff(node[order])) + 1):
            latest = np.maximum.accumulate(end[rows])
            holder = np.maximum.accumulate(np.where(end[rows] == latest, np.arange(len(rows)), 0))
            early_s = latest[:-1] - start[rows[1:]]
            for i in np.flatnonzero(early_s > eps).tolist():
                later, before = int(rows[i + 1]), int(rows[holder[i]])
                yield _overlap(solution, j, later, before, float(early_s[i]))


def _overlap(solution: Solution, j: int, later: int, before: int, early_s: float) -> Violation:
    late, amount = solution.assignments[later], min(early_s, sys.float_info.max)
    message = (
        f"request {late.request} starts on {late.nodes[j]!r} {amount:.9g} s before"
        f" request {solution.assignments[before].request} ends"
    )
    return Violation("no-overlap", f"assignments[{later}].start_s[{j}]", amount, message)
