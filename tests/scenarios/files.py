"""A small scenario as text, and the scenario and the instances that it stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shardopt.instances.scenario.build import instance_of
from shardopt.instances.scenario.data import Scenario
from shardopt.instances.scenario.read import read_scenario

TEXT = """
problem = "cold-start"
[model]
name = "llama-3.2-1b"
[workload]
input_tokens = 512
output_tokens = 128
sessions = 2
[[machines]]
name = "box"
device = "rtx-3060"
storage = "nvme-gen3"
[[machines]]
name = "jetson"
device = "orin-nano-8"
storage = "1 GB/s"
[[machines]]
name = "old"
memory = "16 GB"
memory_bandwidth = "40 GB/s"
speed = "2 TFLOP/s"
storage = "sata-ssd"
[network]
link = "ethernet-1g"
latency = "1 ms"
"""
"""Three machines, each of which has room for the model."""


def write(folder: Path, text: str = TEXT, *changes: tuple[str, str]) -> Path:
    """Write a scenario with some texts replaced; each has to occur in it."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "home.toml"
    path.write_text(text, encoding="utf-8")
    return path


def scenario(folder: Path, *changes: tuple[str, str]) -> Scenario:
    """Return the small scenario with some texts replaced."""
    return read_scenario(write(folder, TEXT, *changes))


def instance(folder: Path, problem: str, *changes: tuple[str, str]) -> Any:
    """Return a problem's instance of the small scenario with some texts replaced."""
    return instance_of(scenario(folder, *changes), problem)
