"""`replica-clustering`: the instance file and the solution file (spec sections 2 and 3)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from shardopt.instances.strict import (
    MAX_NUMBER,
    AbsentOr,
    Finite,
    NonEmptyText,
    NonNegative,
    Number,
    StrictModel,
    require_unique_names,
    shown,
    whole_if_exact,
)
from shardopt.models.errors import InputError
from shardopt.models.replica_clustering.data import (
    Device,
    Instance,
    Link,
    Links,
    Model,
    Replica,
    Role,
    Solution,
    Stage,
    Workload,
)

MAX_BLOCKS = 10_000
MAX_DEVICES = 1_000
MAX_BATCH = 1_024
LEAST = 1e-15
"""The least number that counts as more than nothing."""

Positive = Annotated[float, Field(ge=LEAST, le=MAX_NUMBER), Finite]


class ModelEntry(StrictModel):
    """The model: equal blocks and a head."""

    blocks: Annotated[int, Field(ge=1, le=MAX_BLOCKS)]
    block_weight_bytes: Positive
    head_weight_bytes: NonNegative
    cache_bytes_per_token_per_block: NonNegative
    activation_bytes_per_token: NonNegative


class DeviceEntry(StrictModel):
    """One device; entry q - 1 of a list is for micro-batch q."""

    name: NonEmptyText
    memory_bytes: Positive
    prefill_s_per_token_per_block: Positive
    decode_s_per_block: Annotated[list[Positive], Field(min_length=1)]
    head_prefill_s_per_token: NonNegative
    head_decode_s: Annotated[list[NonNegative], Field(min_length=1)]

    def to_device(self) -> Device:
        """Return the device as plain data."""
        return Device(
            name=self.name,
            memory_bytes=self.memory_bytes,
            prefill_s_per_token_per_block=self.prefill_s_per_token_per_block,
            decode_s_per_block=tuple(self.decode_s_per_block),
            head_prefill_s_per_token=self.head_prefill_s_per_token,
            head_decode_s=tuple(self.head_decode_s),
        )


class LinkEntry(StrictModel):
    """The uniform LAN."""

    bytes_per_s: Positive
    latency_s: NonNegative


class LinksEntry(StrictModel):
    """Row = sender, column = receiver, in device order; the diagonal is unused."""

    bytes_per_s: list[list[Number | None]]
    latency_s: list[list[Number | None]]


class WorkloadEntry(StrictModel):
    """What is asked of the devices; mean tokens may be fractions."""

    input_tokens: Positive
    output_tokens: Positive
    arrival_period_s: Positive
    min_tokens_per_s: NonNegative
    max_batch: Annotated[int, Field(ge=1, le=MAX_BATCH)]


class Data(StrictModel):
    """The ``data`` object of a `replica-clustering` instance, with either `link` or `links`."""

    model: ModelEntry
    devices: Annotated[list[DeviceEntry], Field(min_length=1, max_length=MAX_DEVICES)]
    link: Annotated[LinkEntry | None, AbsentOr] = None
    links: Annotated[LinksEntry | None, AbsentOr] = None
    workload: WorkloadEntry


class InstanceFile(StrictModel):
    """A `replica-clustering` instance file."""

    format: Literal["shardopt/1"]
    problem: Literal["replica-clustering"]
    name: NonEmptyText
    source: NonEmptyText
    data: Data

    def to_instance(self) -> Instance:
        """Return the instance; raises `InputError` where entries contradict each other."""
        data = self.data
        require_unique_names(data.devices, "data.devices")
        _require_profiles(data)
        if data.link is None and data.links is None:
            raise InputError("nothing", "link, or links in its place", "data.link")
        if data.link is not None and data.links is not None:
            raise InputError("links beside link", "one of both", "data.links")
        return Instance(
            name=self.name,
            source=self.source,
            model=Model(**data.model.model_dump()),
            devices=tuple(entry.to_device() for entry in data.devices),
            link=None if data.link is None else Link(**data.link.model_dump()),
            links=None if data.links is None else _links(data.links, len(data.devices)),
            workload=Workload(**data.workload.model_dump()),
        )


WholeNumber = Annotated[int, Field(ge=-(2**53), le=2**53)]
"""Any number that a float can hold exactly: one out of range is the checker's matter."""


class StageEntry(StrictModel):
    """One stage: a device and its run ``[start, stop)``."""

    device: str
    start: WholeNumber
    stop: WholeNumber


class ReplicaEntry(StrictModel):
    """One replica, its stages in pipeline order."""

    role: Role
    batch: WholeNumber
    master: str
    stages: list[StageEntry]


class SolutionEntry(StrictModel):
    """The ``solution`` object."""

    replicas: list[ReplicaEntry]

    def to_solution(self) -> Solution:
        """Return the solution as plain data."""
        return Solution(
            tuple(
                Replica(
                    role=r.role,
                    batch=r.batch,
                    master=r.master,
                    stages=tuple(Stage(s.device, s.start, s.stop) for s in r.stages),
                )
                for r in self.replicas
            )
        )


def _require_profiles(data: Data) -> None:
    batches = data.workload.max_batch
    for i, device in enumerate(data.devices):
        for field in ("decode_s_per_block", "head_decode_s"):
            length = len(getattr(device, field))
            if length < batches:
                expected = f"at least {batches}, which is max_batch"
                raise InputError(f"a list of {length}", expected, f"data.devices[{i}].{field}")


def _links(entry: LinksEntry, size: int) -> Links:
    path = "data.links"
    return Links(
        bytes_per_s=_matrix(entry.bytes_per_s, size, LEAST, f"{path}.bytes_per_s"),
        latency_s=_matrix(entry.latency_s, size, 0.0, f"{path}.latency_s"),
    )


def _matrix(
    rows: list[list[float | None]], size: int, least: float, path: str
) -> tuple[tuple[float, ...], ...]:
    """Return a matrix with zeros on the diagonal, whatever stood there."""
    if len(rows) != size:
        raise InputError(f"{len(rows)} rows", f"{size}, one per device", path)
    for i, row in enumerate(rows):
        if len(row) != size:
            raise InputError(f"{len(row)} entries", f"{size}, one per device", f"{path}[{i}]")
        for j, value in enumerate(row):
            _require_entry(value, i == j, least, f"{path}[{i}][{j}]")
    return tuple(
        tuple(0.0 if i == j or value is None else value for j, value in enumerate(row))
        for i, row in enumerate(rows)
    )


def _require_entry(value: float | None, diagonal: bool, least: float, path: str) -> None:
    if diagonal:
        if value is not None and not 0.0 <= value <= MAX_NUMBER:
            raise InputError(shown(value), "null or a number >= 0 on the diagonal", path)
    elif value is None or not least <= value <= MAX_NUMBER:
        raise InputError(shown(value), f"a number between {least:g} and {MAX_NUMBER:g}", path)


def data_to_json(instance: Instance) -> dict[str, Any]:
    """Return the ``data`` object of an instance."""
    data: dict[str, Any] = {
        "model": _numbers(instance.model),
        "devices": [_numbers(device) for device in instance.devices],
    }
    if instance.link is not None:
        data["link"] = _numbers(instance.link)
    if instance.links is not None:
        data["links"] = {
            key: [
                [None if i == j else whole_if_exact(value) for j, value in enumerate(row)]
                for i, row in enumerate(matrix)
            ]
            for key, matrix in vars(instance.links).items()
        }
    return data | {"workload": _numbers(instance.workload)}


def _numbers(entry: Model | Device | Link | Workload) -> dict[str, Any]:
    """Return an entry's fields, whole numbers without a decimal point."""
    fields: dict[str, Any] = {}
    for key, value in vars(entry).items():
        if isinstance(value, tuple):
            fields[key] = [whole_if_exact(v) for v in value]
        else:
            fields[key] = value if isinstance(value, str) else whole_if_exact(value)
    return fields
