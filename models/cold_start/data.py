"""`cold-start`: the data of an instance and the form of a plan (spec sections 1 to 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from shardopt.models.result import Sense

PROBLEM = "cold-start"
SENSE: Sense = "min"
OBJECTIVE_NAME = "time to first token"
OBJECTIVE_UNIT = "s"

Loading = Literal["whole-run", "layerwise"]
MEMORY_TOLERANCE = 1e-9
"""A run fits when ``Need <= memory_bytes * (1 + MEMORY_TOLERANCE)``."""


@dataclass(frozen=True)
class Block:
    """One block of the model: work ``W_i``, weights ``P_i`` and activation ``A_i``."""

    flops: float
    weight_bytes: float
    activation_bytes: float


@dataclass(frozen=True)
class Device:
    """One device: compute ``c_k``, load rate ``r_k``, memory ``m_k``, uplink and downlink.

    The two link rates are ``None`` only in instances that give a matrix of ``links``.
    """

    name: str
    flops_per_s: float
    load_bytes_per_s: float
    memory_bytes: float
    uplink_bytes_per_s: float | None
    downlink_bytes_per_s: float | None


@dataclass(frozen=True)
class Instance:
    """A `cold-start` instance.

    ``links_bytes_per_s[sender][receiver]``, in device order, replaces the star
    ``min(uplink, downlink)``; its diagonal is unused.
    """

    problem: ClassVar[str] = PROBLEM

    name: str
    source: str
    blocks: tuple[Block, ...]
    devices: tuple[Device, ...]
    loading: Loading
    links_bytes_per_s: tuple[tuple[float, ...], ...] | None = None
    link_latency_s: float = 0.0

    def device_index(self) -> dict[str, int]:
        """Return the position of each device by its name."""
        return {device.name: k for k, device in enumerate(self.devices)}


@dataclass(frozen=True)
class Stage:
    """Device ``device`` holds the run of blocks ``[start, stop)``."""

    device: str
    start: int
    stop: int


@dataclass(frozen=True)
class Solution:
    """A plan: its stages in pipeline order."""

    stages: tuple[Stage, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the ``solution`` object of a solution file."""
        return {"stages": [vars(stage) for stage in self.stages]}


def plan(instance: Instance, stages: Iterable[tuple[int, int, int]]) -> Solution:
    """Make a solution of (device index, start, stop) triples."""
    return Solution(tuple(Stage(instance.devices[k].name, int(a), int(b)) for k, a, b in stages))
