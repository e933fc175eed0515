"""`cold-start`: lower bounds in closed form (spec section 5, ours)."""

from __future__ import annotations

from fractions import Fraction

from shardopt.models.cold_start.data import Instance


def work_bound(instance: Instance) -> float:
    """Return total work on the fastest device: a bound for every instance.

    Proof: a stage computes only after the one before it has finished and handed over, so the
    stages' compute times add up; each is at least its work at the fastest rate.
    """
    return sum(b.flops for b in instance.blocks) / max(d.flops_per_s for d in instance.devices)


def closed_form_bound(instance: Instance) -> float | None:
    """Return the optimum of the divisible relaxation, or ``None`` where it is not defined.

    Whole-run only, when weights are the same multiple of work for all blocks: blocks divisible,
    transfers free, memory unlimited.

    Proof: a run of work ``w`` that ends at ``F`` holds ``w (kappa + rho) <= F`` and starts after
    the rest at ``F - w kappa``; with all tight ``F_{n-1} = F_n / q``, hence the sum below, and
    of two neighbours in an order the exchange shows that the slower compute must come first.
    """
    if instance.loading != "whole-run" or not _proportional(instance):
        return None
    work = sum(b.flops for b in instance.blocks)
    weight = sum(b.weight_bytes for b in instance.blocks)
    if weight == 0.0:
        return work_bound(instance)
    shares, after = 0.0, 1.0  # after: product of 1/q over the devices later in the pipeline
    for device in sorted(instance.devices, key=lambda d: -d.flops_per_s):
        compute_s = work / device.flops_per_s
        load_s = weight / device.load_bytes_per_s
        shares += after / (compute_s + load_s)
        after *= load_s / (load_s + compute_s)  # 1/q, q = 1 + kappa/rho
    return 1.0 / shares


def lower_bound(instance: Instance) -> float:
    """Return the best of the bounds in closed form."""
    return max(work_bound(instance), closed_form_bound(instance) or 0.0)


def _proportional(instance: Instance) -> bool:
    """Whether all work is positive and ``P_i / W_i`` is one number, exactly."""
    first = instance.blocks[0]
    if any(b.flops <= 0.0 for b in instance.blocks):
        return False
    ratio = Fraction(first.weight_bytes) / Fraction(first.flops)
    return all(
        b is first or Fraction(b.weight_bytes) == ratio * Fraction(b.flops) for b in instance.blocks
    )
