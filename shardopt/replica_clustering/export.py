"""`replica-clustering`: a plan as a chain for each replica."""

from __future__ import annotations

from shardopt.export.deployment import Deployment, Holding, Pipeline, deployment_of
from shardopt.models.replica_clustering.data import Instance, Replica, Solution


def deployment(instance: Instance, solution: Solution) -> Deployment:
    """Return the chains of the replicas, with role, batch and the device that has the head."""
    return deployment_of(instance.model.blocks, map(_pipeline, solution.replicas))


def _pipeline(replica: Replica) -> Pipeline:
    stages = tuple(Holding(s.device, s.start, s.stop) for s in replica.stages)
    return Pipeline(stages, replica.role, replica.batch, replica.master)
