"""`cold-start`: the instance file and the solution file (spec sections 2 and 3)."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import Field

from shardopt.instances.strict import (
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
from shardopt.models.cold_start.data import Block, Device, Instance, Solution, Stage
from shardopt.models.errors import InputError

MAX_BLOCKS = 10_000
MAX_DEVICES = 1_000


class BlockEntry(StrictModel):
    """``repeat`` equal blocks in a row."""

    repeat: Annotated[int, Field(ge=1), AbsentOr] = 1
    flops: NonNegative
    weight_bytes: NonNegative
    activation_bytes: NonNegative


class DeviceEntry(StrictModel):
    """One device; the link fields may be left out only when ``links`` is given."""

    name: NonEmptyText
    flops_per_s: Positive
    load_bytes_per_s: Positive
    memory_bytes: Positive
    uplink_bytes_per_s: Annotated[Positive | None, AbsentOr] = None
    downlink_bytes_per_s: Annotated[Positive | None, AbsentOr] = None


class LinksEntry(StrictModel):
    """Row = sender, column = receiver, in device order; ``null`` or 0 on the diagonal."""

    bytes_per_s: list[list[Number | None]]


class Data(StrictModel):
    """The ``data`` object of a `cold-start` instance."""

    blocks: Annotated[list[BlockEntry], Field(min_length=1)]
    devices: Annotated[list[DeviceEntry], Field(min_length=1, max_length=MAX_DEVICES)]
    loading: Literal["whole-run", "layerwise"]
    links: Annotated[LinksEntry | None, AbsentOr] = None
    link_latency_s: Annotated[NonNegative, AbsentOr] = 0.0


class InstanceFile(StrictModel):
    """A `cold-start` instance file."""

    format: Literal["shardopt/1"]
    problem: Literal["cold-start"]
    name: NonEmptyText
    source: NonEmptyText
    data: Data

    def to_instance(self) -> Instance:
        """Return the instance; raises `InputError` where entries contradict each other."""
        data = self.data
        count = sum(entry.repeat for entry in data.blocks)
        if count > MAX_BLOCKS:  # before anything of that size is allocated
            raise InputError(f"{shown(count)} blocks", f"at most {MAX_BLOCKS}", "data.blocks")
        require_unique_names(data.devices, "data.devices")
        if data.links is None:
            _link_fields_present(data.devices)
        return Instance(
            name=self.name,
            source=self.source,
            blocks=tuple(
                block
                for e in data.blocks
                for block in [Block(e.flops, e.weight_bytes, e.activation_bytes)] * e.repeat
            ),
            devices=tuple(Device(**entry.model_dump()) for entry in data.devices),
            loading=data.loading,
            links_bytes_per_s=None if data.links is None else _matrix(data),
            link_latency_s=data.link_latency_s,
        )


BlockNumber = Annotated[int, Field(ge=-(2**53), le=2**53)]
"""Any number that a float can hold exactly: one beyond the blocks is the checker's matter."""


class StageEntry(StrictModel):
    """One stage: a device and its run ``[start, stop)``."""

    device: str
    start: BlockNumber
    stop: BlockNumber


class SolutionEntry(StrictModel):
    """The ``solution`` object: stages in pipeline order."""

    stages: list[StageEntry]

    def to_solution(self) -> Solution:
        """Return the solution as plain data."""
        return Solution(tuple(Stage(s.device, s.start, s.stop) for s in self.stages))


def _link_fields_present(devices: list[DeviceEntry]) -> None:
    for k, device in enumerate(devices):
        for field in ("uplink_bytes_per_s", "downlink_bytes_per_s"):
            if getattr(device, field) is None:
                path = f"data.devices[{k}].{field}"
                raise InputError("nothing", "a rate, as there is no data.links", path)


def _matrix(data: Data) -> tuple[tuple[float, ...], ...]:
    assert data.links is not None
    rows, size = data.links.bytes_per_s, len(data.devices)
    path = "data.links.bytes_per_s"
    if len(rows) != size:
        raise InputError(f"{len(rows)} rows", f"{size}, one per device", path)
    for d, row in enumerate(rows):
        if len(row) != size:
            raise InputError(f"{len(row)} entries", f"{size}, one per device", f"{path}[{d}]")
        for e, rate in enumerate(row):
            where = f"{path}[{d}][{e}]"
            if d == e:
                if rate:
                    raise InputError(shown(rate), "null or 0 on the diagonal", where)
            elif rate is None or not 1e-9 <= rate <= 1e30:
                raise InputError(shown(rate), "a number between 1e-09 and 1e+30", where)
    return tuple(tuple(rate or 0.0 for rate in row) for row in rows)


def data_to_json(instance: Instance) -> dict[str, Any]:
    """Return the ``data`` object of an instance, equal blocks in a row written once."""
    blocks = []
    for block, group in groupby(instance.blocks):
        count = sum(1 for _ in group)
        entry: dict[str, Any] = {"repeat": count} if count > 1 else {}
        blocks.append(entry | {key: whole_if_exact(v) for key, v in vars(block).items()})
    devices = [
        {
            k: v if isinstance(v, str) else whole_if_exact(v)
            for k, v in vars(d).items()
            if v is not None
        }
        for d in instance.devices
    ]
    data: dict[str, Any] = {"blocks": blocks, "devices": devices, "loading": instance.loading}
    if instance.links_bytes_per_s is not None:
        rates = [
            [None if d == e else whole_if_exact(rate) for e, rate in enumerate(row)]
            for d, row in enumerate(instance.links_bytes_per_s)
        ]
        data["links"] = {"bytes_per_s": rates}
    if instance.link_latency_s:
        data["link_latency_s"] = whole_if_exact(instance.link_latency_s)
    return data
