"""`partition-schedule`: ARTS on equal cuts and on BSDP's (spec sections 5 and 6).

`bsdp+arts` is the two stages of arXiv 2511.14450, in the spirit of its abstract.
"""

from __future__ import annotations

from shardopt.models.partition_schedule.data import Instance
from shardopt.models.result import Result
from shardopt.solvers.partition_schedule.dispatch import (
    arts_schedule,
    with_bsdp_cuts,
    with_equal_cuts,
)
from shardopt.solvers.partition_schedule.first_stage import Capacity, MemoryRule


def arts(instance: Instance, *, time_limit: float | None = 60.0) -> Result:
    """Dispatch online on equal cuts."""
    return with_equal_cuts(instance, "arts", arts_schedule, time_limit)


def bsdp_arts(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    capacity: Capacity = "mean",
    memory: MemoryRule = "any",
) -> Result:
    """Balance the tiers, then dispatch online.

    Parameters
    ----------
    capacity
        What stands for the speed of a tier.
    memory
        Whether a tier's run must fit some node, or all of them.
    """
    return with_bsdp_cuts(instance, "bsdp+arts", arts_schedule, time_limit, capacity, memory)
