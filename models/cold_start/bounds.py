"""`cold-start`: bounds in closed form."""

from __future__ import annotations

from shardopt.models.cold_start.data import Instance


def work_bound(instance: Instance) -> float:
    """Return total work on the fastest device: stages compute one after the other."""
    return sum(b.flops for b in instance.blocks) / max(d.flops_per_s for d in instance.devices)
