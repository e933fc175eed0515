"""`partition-schedule`: the data of an instance and the form of a plan (spec sections 1 to 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from shardopt.models.result import Sense

PROBLEM = "partition-schedule"
SENSE: Sense = "min"
OBJECTIVE_NAME = "bottleneck, mean latency or makespan"
OBJECTIVE_UNIT = "s"

Objective = Literal["bottleneck", "mean-latency", "makespan"]


@dataclass(frozen=True)
class Block:
    """One block: FLOP per token f_i, weight w_i, activation per token a_i handed on.

    Bytes are whole numbers, compared without tolerance.
    """

    flops_per_token: float
    weight_bytes: int
    activation_bytes_per_token: int


@dataclass(frozen=True)
class Node:
    """One node k of a tier j: speed C_jk and memory M_jk."""

    name: str
    flops_per_s: float
    memory_bytes: int


@dataclass(frozen=True)
class Tier:
    """One tier: every request is served by one of its nodes."""

    name: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Link:
    """From a tier to the next one. It takes time but is no resource: there is no contention."""

    latency_s: float
    bytes_per_s: float


@dataclass(frozen=True)
class Request:
    """One request, named by its index: arrival A_r and tokens n_r."""

    arrival_s: float
    tokens: int


@dataclass(frozen=True)
class Instance:
    """A `partition-schedule` instance.

    ``blocks`` holds every block; the file's ``repeat`` is expanded. ``links[j]`` leads from tier
    j to tier j + 1.
    """

    problem: ClassVar[str] = PROBLEM

    name: str
    source: str
    blocks: tuple[Block, ...]
    tiers: tuple[Tier, ...]
    links: tuple[Link, ...]
    requests: tuple[Request, ...]
    objective: Objective


@dataclass(frozen=True)
class Assignment:
    """Request ``request`` is served by ``nodes[j]`` of tier j from ``start_s[j]`` on."""

    request: int
    nodes: tuple[str, ...]
    start_s: tuple[float, ...]


@dataclass(frozen=True)
class Solution:
    """Cuts p_1 .. p_{T-1}, and who serves each request when.

    In a checked plan the cuts are integers; files may hold others, which the checker reports.
    """

    cuts: tuple[float, ...]
    assignments: tuple[Assignment, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the ``solution`` object of a solution file."""
        return {
            "cuts": list(self.cuts),
            "assignments": [
                {"request": a.request, "nodes": list(a.nodes), "start_s": list(a.start_s)}
                for a in self.assignments
            ],
        }
