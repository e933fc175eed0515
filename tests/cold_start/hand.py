"""Instances of `cold-start` small enough to be worked out by hand (spec section 7)."""

from __future__ import annotations

from collections.abc import Sequence

from shardopt.models.cold_start.data import Block, Device, Instance, Loading


def make(
    blocks: Sequence[tuple[float, float, float]],
    devices: Sequence[tuple[float, ...]],
    loading: Loading = "whole-run",
    **more,
) -> Instance:
    """Make an instance of (flops, weights, activation) and (compute, load, memory, up, down)."""
    return Instance(
        name="hand-made",
        source="spec section 7",
        blocks=tuple(Block(*block) for block in blocks),
        devices=tuple(Device(f"d{k}", *device) for k, device in enumerate(devices)),
        loading=loading,
        **more,
    )


def one_device(loading: Loading = "whole-run") -> Instance:
    """W = 10, 20, 30 and P = 2, 4, 6 on c = 10 and r = 2: 12 s whole-run, 9 s layerwise."""
    return make([(10, 2, 0), (20, 4, 0), (30, 6, 0)], [(10, 2, 100, 1, 1)], loading)


def three_equal_devices() -> Instance:
    """1 s to load and 1 s to compute each of 7 blocks: runs 1, 2, 4 and T = 8."""
    return make([(1, 1, 0)] * 7, [(1, 1, 100, 1, 1)] * 3)


def two_stages(loading: Loading = "whole-run") -> Instance:
    """Load 2 and 6, Comp 1 and 2, X 0.5: 8.5 s whole-run, 8 s layerwise."""
    return make([(1, 2, 0.5), (2, 6, 0)], [(1, 1, 100, 1, 1)] * 2, loading)


def no_plan_fits(loading: Loading = "whole-run") -> Instance:
    """Weights 6, 1, 6, 1, 6 on memories 8, 8, 5: 21 in all, 20 needed, and yet no plan."""
    memories = (8, 8, 5)
    devices = [(1, 1, memory, 1, 1) for memory in memories]
    return make([(1, weight, 0) for weight in (6, 1, 6, 1, 6)], devices, loading)
