"""`partition-schedule`: the baselines `gpipe` and `heft`, on equal cuts and on BSDP's.

Published is that arXiv 2511.14450 compares with them; how they apply here is ours (spec
section 6). HEFT is Topcuoglu et al. (2002).
"""

from __future__ import annotations

from shardopt.models.partition_schedule.data import Instance
from shardopt.models.result import Result
from shardopt.solvers.partition_schedule.dispatch import (
    gpipe_schedule,
    heft_schedule,
    with_bsdp_cuts,
    with_equal_cuts,
)
from shardopt.solvers.partition_schedule.first_stage import Capacity, MemoryRule


def gpipe(instance: Instance, *, time_limit: float | None = 60.0) -> Result:
    """Deal requests out to the nodes in order of arrival, on equal cuts."""
    return with_equal_cuts(instance, "gpipe", gpipe_schedule, time_limit)


def gpipe_bsdp(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    capacity: Capacity = "mean",
    memory: MemoryRule = "any",
) -> Result:
    """Deal requests out to the nodes in order of arrival, on BSDP's cuts."""
    return with_bsdp_cuts(instance, "gpipe@bsdp", gpipe_schedule, time_limit, capacity, memory)


def heft(instance: Instance, *, time_limit: float | None = 60.0) -> Result:
    """Place the longest to go first, each where it ends first, on equal cuts.

    It ranks without looking at arrivals, which `mean-latency` punishes.
    """
    return with_equal_cuts(instance, "heft", heft_schedule, time_limit)


def heft_bsdp(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    capacity: Capacity = "mean",
    memory: MemoryRule = "any",
) -> Result:
    """Place the longest to go first, each where it ends first, on BSDP's cuts."""
    return with_bsdp_cuts(instance, "heft@bsdp", heft_schedule, time_limit, capacity, memory)
