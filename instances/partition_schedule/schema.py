"""`partition-schedule`: the instance file and the solution file (spec sections 2 and 3)."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from shardopt.instances.strict import (
    MAX_NUMBER,
    AbsentOr,
    NonEmptyText,
    NonNegative,
    Number,
    Positive,
    StrictModel,
    require_unique_names,
    shown,
    whole_if_exact,
)
from shardopt.models.errors import InputError
from shardopt.models.partition_schedule.data import (
    Assignment,
    Block,
    Instance,
    Link,
    Node,
    Objective,
    Request,
    Solution,
    Tier,
)

MAX_BLOCKS = 10_000
MAX_TIERS = 100
MAX_NODES = 10_000
MAX_REQUESTS = 1_000_000


def _whole(value: Any) -> Any:
    """Take 8e9 for the integer that it is."""
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError("a whole number of bytes")
        return int(value)
    return value


# The limits stand before `_whole`, or they would be missing from the JSON Schema.
Bytes = Annotated[int, Field(ge=0, le=int(MAX_NUMBER)), BeforeValidator(_whole)]
PositiveBytes = Annotated[int, Field(ge=1, le=int(MAX_NUMBER)), BeforeValidator(_whole)]


class BlockEntry(StrictModel):
    """``repeat`` equal blocks in a row."""

    repeat: Annotated[int, Field(ge=1), AbsentOr] = 1
    flops_per_token: Positive
    weight_bytes: Bytes
    activation_bytes_per_token: Bytes


class NodeEntry(StrictModel):
    """One node; its name is unique over all tiers."""

    name: NonEmptyText
    flops_per_s: Positive
    memory_bytes: PositiveBytes


class TierEntry(StrictModel):
    """One tier with its nodes."""

    name: NonEmptyText
    nodes: Annotated[list[NodeEntry], Field(min_length=1)]


class LinkEntry(StrictModel):
    """From a tier to the next one."""

    latency_s: NonNegative
    bytes_per_s: Positive


class RequestEntry(StrictModel):
    """One request, named by its index."""

    arrival_s: NonNegative
    tokens: Annotated[int, Field(ge=1, le=int(MAX_NUMBER))]


class Data(StrictModel):
    """The ``data`` object of a `partition-schedule` instance."""

    blocks: Annotated[list[BlockEntry], Field(min_length=1)]
    tiers: Annotated[list[TierEntry], Field(min_length=1, max_length=MAX_TIERS)]
    links: list[LinkEntry]
    requests: Annotated[list[RequestEntry], Field(min_length=1, max_length=MAX_REQUESTS)]
    objective: Objective


class InstanceFile(StrictModel):
    """A `partition-schedule` instance file."""

    format: Literal["shardopt/1"]
    problem: Literal["partition-schedule"]
    name: NonEmptyText
    source: NonEmptyText
    data: Data

    def to_instance(self) -> Instance:
        """Return the instance; raises `InputError` where entries contradict each other."""
        data = self.data
        _require_counts(data)
        require_unique_names(data.tiers, "data.tiers")
        _require_unique_nodes(data.tiers)
        return Instance(
            name=self.name,
            source=self.source,
            blocks=tuple(block for entry in data.blocks for block in _blocks(entry)),
            tiers=tuple(
                Tier(tier.name, tuple(Node(**vars(node)) for node in tier.nodes))
                for tier in data.tiers
            ),
            links=tuple(Link(**vars(entry)) for entry in data.links),
            requests=tuple(Request(entry.arrival_s, entry.tokens) for entry in data.requests),
            objective=data.objective,
        )


Integer = Annotated[int, Field(ge=-(2**53), le=2**53)]
"""Any number that a float can hold exactly: one out of range is the checker's matter."""


class AssignmentEntry(StrictModel):
    """One request, its node on each tier and when it starts there."""

    request: Integer
    nodes: list[str]
    start_s: list[Number]


class SolutionEntry(StrictModel):
    """The ``solution`` object. Fractional cuts and starts that are no numbers are let pass.

    They are for the checker to report.
    """

    cuts: list[Number]
    assignments: list[AssignmentEntry]

    def to_solution(self) -> Solution:
        """Return the solution as plain data."""
        return Solution(
            tuple(int(cut) if cut.is_integer() else cut for cut in self.cuts),
            tuple(
                Assignment(entry.request, tuple(entry.nodes), tuple(entry.start_s))
                for entry in self.assignments
            ),
        )


def _blocks(entry: BlockEntry) -> list[Block]:
    block = Block(entry.flops_per_token, entry.weight_bytes, entry.activation_bytes_per_token)
    return [block] * entry.repeat


def _require_counts(data: Data) -> None:
    """Check what the lengths of lists say, before anything of that size is allocated."""
    blocks = sum(entry.repeat for entry in data.blocks)
    if blocks > MAX_BLOCKS:
        raise InputError(f"{shown(blocks)} blocks", f"at most {MAX_BLOCKS}", "data.blocks")
    nodes = sum(len(tier.nodes) for tier in data.tiers)
    if nodes > MAX_NODES:
        raise InputError(f"{nodes} nodes", f"at most {MAX_NODES} in all tiers", "data.tiers")
    links, expected = len(data.links), len(data.tiers) - 1
    if links != expected:
        text = f"{expected} entries, one less than tiers"
        raise InputError(f"a list of {links}", text, "data.links")
    requests = len(data.requests)
    if data.objective == "bottleneck" and requests != 1:
        text = 'exactly one request where the objective is "bottleneck"'
        raise InputError(f"a list of {requests}", text, "data.requests")


def _require_unique_nodes(tiers: list[TierEntry]) -> None:
    first: dict[str, str] = {}
    for j, tier in enumerate(tiers):
        for k, node in enumerate(tier.nodes):
            path = f"data.tiers[{j}].nodes[{k}]"
            if node.name in first:
                other = f"a name other than that of {first[node.name]}"
                raise InputError(shown(node.name), other, f"{path}.name")
            first[node.name] = path


def data_to_json(instance: Instance) -> dict[str, Any]:
    """Return the ``data`` object of an instance, equal blocks in a row written once."""
    blocks = []
    for block, group in groupby(instance.blocks):
        count = sum(1 for _ in group)
        entry: dict[str, Any] = {"repeat": count} if count > 1 else {}
        blocks.append(entry | _entry(block))
    return {
        "blocks": blocks,
        "tiers": [
            {"name": tier.name, "nodes": [_entry(node) for node in tier.nodes]}
            for tier in instance.tiers
        ],
        "links": [_entry(link) for link in instance.links],
        "requests": [_entry(request) for request in instance.requests],
        "objective": instance.objective,
    }


def _entry(part: Block | Node | Link | Request) -> dict[str, Any]:
    return {
        key: whole_if_exact(value) if isinstance(value, float) else value
        for key, value in vars(part).items()
    }
