"""`partition-schedule`: a plan as chains, where its requests keep to separate ones."""

from __future__ import annotations

from itertools import pairwise

from shardopt.export.deployment import Deployment, Holding, Pipeline, deployment_of
from shardopt.models.partition_schedule.data import Instance, Solution

NOTE = "When a request starts is the engine's business: the times of the plan are not in here."


def deployment(instance: Instance, solution: Solution) -> Deployment:
    """Return a chain for each path of requests, or the nodes' blocks if paths share a node.

    Tiers without blocks take no part.
    """
    blocks = len(instance.blocks)
    cuts = [0, *(int(cut) for cut in solution.cuts), blocks]
    runs = [(j, a, b) for j, (a, b) in enumerate(pairwise(cuts)) if a < b]
    paths = {
        tuple(Holding(assignment.nodes[j], a, b) for j, a, b in runs)
        for assignment in solution.assignments
    }
    ordered = sorted(paths, key=lambda path: [holding.device for holding in path])
    holdings = dict.fromkeys(holding for path in ordered for holding in path)
    if len(holdings) == sum(map(len, ordered)):
        return deployment_of(blocks, map(Pipeline, ordered), [NOTE])
    shared = next(h for h in holdings if sum(h in path for path in ordered) > 1)
    tangle = f"requests that part before or after {shared.device!r}"
    return Deployment(blocks, tuple(holdings), (), (NOTE,), tangle)
