"""`replica-clustering`: a plan as a chain for each replica."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from shardopt.export.deployment import Deployment, Holding, Pipeline, deployment_of
from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.data import Instance, Replica, Solution, Stage

MOVED = "Some stages stand in another order than in the plan, at the same time per request:"
MOVED += " engines have the output layer on the last device."


def deployment(instance: Instance, solution: Solution) -> Deployment:
    """Return the chains of the replicas, with role, batch and the device that has the head.

    Where it makes no plan slower, a chain ends with that device: on a uniform network the order
    of a replica's devices does not matter, on others a few orders are tried.
    """
    moved = solution
    for n, replica in enumerate(solution.replicas):
        for other in _with_head_last(replica):
            changed = Solution((*moved.replicas[:n], other, *moved.replicas[n + 1 :]))
            if _no_worse(instance, changed, solution):
                moved = changed
                break
    notes = [] if moved == solution else [MOVED]
    return deployment_of(instance.model.blocks, map(_pipeline, moved.replicas), notes)


def _pipeline(replica: Replica) -> Pipeline:
    stages = tuple(Holding(s.device, s.start, s.stop) for s in replica.stages)
    return Pipeline(stages, replica.role, replica.batch, replica.master)


def _with_head_last(replica: Replica) -> Iterator[Replica]:
    """Yield orders of a replica's devices, each with its blocks, that end with the head."""
    stages = replica.stages
    if stages[-1].device == replica.master:
        return
    if stages[0].device == replica.master:
        yield _in_order(replica, stages[::-1])  # over the same hops, the other way
    head = [stage for stage in stages if stage.device == replica.master]
    yield _in_order(replica, [*(s for s in stages if s.device != replica.master), *head])


def _in_order(replica: Replica, stages: Sequence[Stage]) -> Replica:
    made, start = [], 0
    for stage in stages:
        stop = start + stage.stop - stage.start
        made.append(Stage(stage.device, start, stop))
        start = stop
    return replace(replica, stages=tuple(made))


def _no_worse(instance: Instance, changed: Solution, solution: Solution) -> bool:
    new, old = check(instance, changed), check(instance, solution)
    if not new.feasible or new.objective is None or old.objective is None:
        return False
    return new.objective <= old.objective * (1 + 1e-9)
