"""The machines of a scenario: devices of the catalogue or own figures, and what is reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shardopt.instances.catalogue import load as catalogue
from shardopt.instances.catalogue.schema import DeviceEntry, Figure, StorageEntry
from shardopt.instances.scenario.data import Machine
from shardopt.instances.scenario.names import find_at, reached
from shardopt.instances.scenario.schema import Assumptions, MachineEntry, ScenarioFile
from shardopt.instances.strict import shown
from shardopt.models.errors import InputError

MAX_MACHINES = 1000
OWN_FIGURES = {
    "name": 'a name such as "old server"',
    "memory": 'a size such as "16 GB"',
    "memory_bandwidth": 'a rate such as "68 GB/s"',
    "speed": 'a speed such as "2.6 TFLOP/s"',
}
"""What an entry without a device has to say."""


def machines_of(file: ScenarioFile, folder: Path) -> tuple[Machine, ...]:
    """Return all machines, equal ones numbered from 1.

    Files that `shardopt profile` wrote are sought beside the scenario.
    """
    count = sum(entry.count for entry in file.machines)
    if count > MAX_MACHINES:
        raise InputError(f"{count} machines", f"at most {MAX_MACHINES}", "machines")
    machines = tuple(
        machine
        for n, entry in enumerate(file.machines)
        for machine in _equal_ones(entry, file, folder, f"machines[{n}]")
    )
    _require_own_names(machines)
    _require_all_or_no_tiers(file.machines)
    return machines


def link_rate(link: float | str, assumed: Assumptions, place: str) -> float:
    """Return the rate of a link: one that is given as it is, of a catalogue's a share."""
    if not isinstance(link, str):
        return link
    entry = find_at(catalogue.links(), link, "a rate or a link of the catalogue", place)
    share = assumed.reached_wifi if link.startswith("wifi") else assumed.reached_link
    return reached(entry.bytes_per_s, share)


def _equal_ones(entry: MachineEntry, file: ScenarioFile, folder: Path, place: str) -> list[Machine]:
    """Return the machines of an entry; what is given in it counts more than the catalogue."""
    assumed = file.assumptions
    device, storage = _described(entry.device, folder, f"{place}.device")
    if device is None:
        _require_own_figures(entry, place)
    memory = _figure(entry.memory, device, "memory_bytes")
    bandwidth = _figure(entry.memory_bandwidth, device, "memory_bytes_per_s")
    speed = _figure(entry.speed, device, "fp16_flops_per_s")
    usable = assumed.usable_memory if entry.usable is None else entry.usable
    machine = Machine(
        place=place,
        name=entry.name or (device.name if device else ""),
        title=device.title if device else "own figures",
        memory_bytes=usable * memory.value,
        memory_bytes_per_s=reached(bandwidth, assumed.reached_bandwidth),
        flops_per_s=reached(speed, assumed.reached_peak),
        load_bytes_per_s=_load_rate(entry.storage, storage, assumed, f"{place}.storage"),
        link_bytes_per_s=_own_link_or(entry.link, file, f"{place}.link"),
        tier=entry.tier,
    )
    if entry.count == 1:
        return [machine]
    return [replace(machine, name=f"{machine.name}-{n}") for n in range(1, entry.count + 1)]


def _described(
    name: str | None, folder: Path, place: str
) -> tuple[DeviceEntry | None, StorageEntry | None]:
    """Return the device of the catalogue or of a profile's file, and the storage in the latter."""
    if name is None:
        return None, None
    if not name.endswith(".toml"):
        what = "a device of the catalogue, or a file that `shardopt profile` wrote"
        return find_at(catalogue.devices(), name, what, place), None
    entries = catalogue.read_machine(folder / name).entries.values()
    devices = [entry for entry in entries if isinstance(entry, DeviceEntry)]
    if len(devices) > 1:
        raise InputError(f"{len(devices)} devices in {name}", "one", place)
    storage = (entry for entry in entries if isinstance(entry, StorageEntry))
    return devices[0], next(storage, None)


def _require_own_figures(entry: MachineEntry, place: str) -> None:
    for field, example in OWN_FIGURES.items():
        if getattr(entry, field) is None:
            expected = f"{example}, or a device of the catalogue"
            raise InputError("nothing", expected, f"{place}.{field}")


def _figure(own: float | None, device: DeviceEntry | None, field: str) -> Figure:
    """Return the entry's own figure, a peak like those of the makers, or else the device's."""
    if own is not None:
        return Figure(value=own, flag="specified", source="the scenario")
    figure: Figure = getattr(device, field)
    return figure


def _own_link_or(own: float | str | None, file: ScenarioFile, place: str) -> float:
    if own is None:
        return link_rate(file.network.link, file.assumptions, "network.link")
    return link_rate(own, file.assumptions, place)


def _load_rate(
    given: float | str | None, measured: StorageEntry | None, assumed: Assumptions, place: str
) -> float | None:
    if isinstance(given, float):
        return given
    if given is not None:
        what = "a rate or a storage of the catalogue"
        measured = find_at(catalogue.storage(), given, what, place)
    return reached(measured.read_bytes_per_s, assumed.reached_storage) if measured else None


def _require_own_names(machines: Sequence[Machine]) -> None:
    first: dict[str, str] = {}
    for machine in machines:
        if machine.name in first:
            expected = f"a name other than that of {first[machine.name]}"
            raise InputError(shown(machine.name), expected, f"{machine.place}.name")
        first[machine.name] = machine.place


def _require_all_or_no_tiers(entries: Sequence[MachineEntry]) -> None:
    without = [n for n, entry in enumerate(entries) if entry.tier is None]
    if without and len(without) < len(entries):
        expected = "a tier for every machine, or for none"
        raise InputError("nothing", expected, f"machines[{without[0]}].tier")
