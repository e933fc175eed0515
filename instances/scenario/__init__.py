"""Scenario files: a model, a workload and the machines at hand, from which instances are made."""

from __future__ import annotations

from pathlib import Path


def is_scenario(path: str | Path) -> bool:
    """Tell by its name whether a file is a scenario rather than an instance."""
    return Path(path).suffix.lower() == ".toml"
