"""`replica-clustering`: the data of an instance and the form of a plan (spec sections 1 to 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from shardopt.models.result import Sense

PROBLEM = "replica-clustering"
SENSE: Sense = "min"
OBJECTIVE_NAME = "time per request in the slower phase"
OBJECTIVE_UNIT = "s"

Role = Literal["prefill", "decode"]
TOLERANCE = 1e-9
"""Memory m_i means ``m_i (1 + TOLERANCE)``; a token rate may be short by this share."""


@dataclass(frozen=True)
class Model:
    """N equal blocks and the head (LM head and output layer), which is on the master alone."""

    blocks: int
    block_weight_bytes: float
    head_weight_bytes: float
    cache_bytes_per_token_per_block: float
    activation_bytes_per_token: float


@dataclass(frozen=True)
class Device:
    """One device: memory m_i and measured times; entry q - 1 of a list is for micro-batch q.

    Lists may be longer than the workload's ``max_batch``; the rest is unused.
    """

    name: str
    memory_bytes: float
    prefill_s_per_token_per_block: float
    decode_s_per_block: tuple[float, ...]
    head_prefill_s_per_token: float
    head_decode_s: tuple[float, ...]


@dataclass(frozen=True)
class Link:
    """The uniform LAN: every hop between two devices is the same."""

    bytes_per_s: float
    latency_s: float


@dataclass(frozen=True)
class Links:
    """Hops of their own for every pair: ``[sender][receiver]``, the diagonal unused."""

    bytes_per_s: tuple[tuple[float, ...], ...]
    latency_s: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Workload:
    """Mean tokens I and U per request, least tokens/s R per request, most requests B at once."""

    input_tokens: float
    output_tokens: float
    arrival_period_s: float
    min_tokens_per_s: float
    max_batch: int


@dataclass(frozen=True)
class Instance:
    """A `replica-clustering` instance. Exactly one of ``link`` and ``links`` is there."""

    problem: ClassVar[str] = PROBLEM

    name: str
    source: str
    model: Model
    devices: tuple[Device, ...]
    link: Link | None
    links: Links | None
    workload: Workload

    def device_index(self) -> Mapping[str, int]:
        """Return the position of each device by its name."""
        return self._index

    @cached_property
    def _index(self) -> Mapping[str, int]:
        return {device.name: i for i, device in enumerate(self.devices)}


@dataclass(frozen=True)
class Stage:
    """A device and its run of blocks ``[start, stop)``."""

    device: str
    start: int
    stop: int


@dataclass(frozen=True)
class Replica:
    """One whole copy of the model in one role, its stages in pipeline order.

    ``batch`` is q, requests per stage; the device ``master`` also carries the head.
    """

    role: Role
    batch: int
    master: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Solution:
    """The replicas. Devices in none of them are unused."""

    replicas: tuple[Replica, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the ``solution`` object of a solution file."""
        return {
            "replicas": [
                vars(replica) | {"stages": [vars(stage) for stage in replica.stages]}
                for replica in self.replicas
            ]
        }
