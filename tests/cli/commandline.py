"""Runs commands as a person would, and makes the files that they read."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from shardopt.cli import commands

INSTANCE: dict[str, Any] = {
    "format": "shardopt/1",
    "problem": "cold-start",
    "name": "three-blocks",
    "source": "by hand",
    "data": {
        "blocks": [
            {"flops": 10, "weight_bytes": 2, "activation_bytes": 1},
            {"repeat": 2, "flops": 20, "weight_bytes": 4, "activation_bytes": 1},
        ],
        "devices": [
            {
                "name": name,
                "flops_per_s": 10,
                "load_bytes_per_s": 2,
                "memory_bytes": memory,
                "uplink_bytes_per_s": 2,
                "downlink_bytes_per_s": 2,
            }
            for name, memory in (("ann", 9), ("bob", 9), ("cat", 100))
        ],
        "loading": "whole-run",
    },
}
DEVICE = INSTANCE["data"]["devices"][0]
BLOCK = INSTANCE["data"]["blocks"][0]
PLAN = [{"device": "ann", "start": 0, "stop": 1}, {"device": "bob", "start": 1, "stop": 3}]


def instance(**data: Any) -> dict[str, Any]:
    """Return an instance file with some entries of ``data`` replaced."""
    made = copy.deepcopy(INSTANCE)
    made["data"] |= data
    return made


def solution(stages: Any = None) -> dict[str, Any]:
    """Return a solution file."""
    return {
        "format": "shardopt-solution/1",
        "problem": "cold-start",
        "instance": "three-blocks",
        "solution": {"stages": PLAN if stages is None else stages},
    }


def write(path: Path, content: Any) -> str:
    """Write bytes, text or JSON; return the path as text."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
    return str(path)


def run(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(commands, list(arguments))


def run_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, as the console script does."""
    return subprocess.run(
        [sys.executable, "-m", "shardopt", *arguments],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | environment,
        timeout=120,
        check=False,
    )
