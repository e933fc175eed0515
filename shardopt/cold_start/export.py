"""`cold-start`: a plan as one chain for an engine."""

from __future__ import annotations

from shardopt.export.deployment import Deployment, Holding, Pipeline, deployment_of
from shardopt.models.cold_start.data import Instance, Solution

NOTE = "Engines load before they compute: that loading hides behind work is not in here."


def deployment(instance: Instance, solution: Solution) -> Deployment:
    """Return the chain of the plan's stages."""
    stages = tuple(Holding(s.device, s.start, s.stop) for s in solution.stages)
    return deployment_of(len(instance.blocks), [Pipeline(stages)], [NOTE])
