"""What the catalogue's TOML files may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from shardopt.instances.strict import AbsentOr, NonEmptyText, Positive, StrictModel

Flag = Literal["measured", "specified", "derived"]
"""Somebody measured it; its maker says so; or it follows from what its maker says."""
DeviceKind = Literal["data-centre", "mig", "consumer", "jetson", "apple", "board", "machine"]
"""``machine``: one of the reader's own, as `shardopt profile` writes it."""
SourceKey = Annotated[str, Field(min_length=1)]


class Figure(StrictModel):
    """One number, where it comes from, and what it is worth."""

    value: Positive
    flag: Flag
    source: SourceKey
    note: Annotated[NonEmptyText | None, AbsentOr] = None


class Entry(StrictModel):
    """What every entry has."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    title: NonEmptyText


class DeviceEntry(Entry):
    """A device.

    ``fp16_flops_per_s`` is dense and sums at 32 bits, on matrix units where there are any;
    ``vector_flops_per_s`` is what the device reaches at 16 bits without them.
    """

    kind: DeviceKind
    memory_bytes: Figure
    memory_bytes_per_s: Figure
    fp16_flops_per_s: Figure
    vector_flops_per_s: Annotated[Figure | None, AbsentOr] = None


class LinkEntry(Entry):
    """A kind of link, one direction.

    There is no latency here: it depends on what stands between the machines, and no maker
    states it.
    """

    bytes_per_s: Figure


class StorageEntry(Entry):
    """A kind of storage that weights are loaded from."""

    read_bytes_per_s: Figure


class ModelEntry(Entry):
    """A model: its published number of parameters and the fields of its ``config.json``."""

    huggingface: NonEmptyText
    parameters: Figure
    active_parameters: Annotated[Figure | None, AbsentOr] = None
    config_source: SourceKey
    config: dict[str, Any]


class _File(StrictModel):
    """Sources by key, for the figures to name."""

    sources: dict[str, NonEmptyText]


class DevicesFile(_File):
    """``devices.toml``."""

    devices: Annotated[list[DeviceEntry], Field(min_length=1)]


class LinksFile(_File):
    """``links.toml``."""

    links: Annotated[list[LinkEntry], Field(min_length=1)]


class StorageFile(_File):
    """``storage.toml``."""

    storage: Annotated[list[StorageEntry], Field(min_length=1)]


class MachineFile(_File):
    """What `shardopt profile` writes of a machine: devices, and what they load weights from."""

    devices: Annotated[list[DeviceEntry], Field(min_length=1)]
    storage: Annotated[list[StorageEntry], Field(default_factory=list)]


class ModelsFile(_File):
    """``models.toml``."""

    models: Annotated[list[ModelEntry], Field(min_length=1)]
