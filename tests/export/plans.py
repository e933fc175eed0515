"""Small deployments, and scripts run with stand-ins for the engines' commands."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from shardopt.export.deployment import Deployment, Holding, Pipeline, deployment_of

SHOW = """#!/bin/sh
echo "partition=${VLLM_PP_LAYER_PARTITION-}${SGLANG_PP_LAYER_PARTITION-}"
printf '%s\\n' "${0##*/}" "$@"
"""


def chain(*counts: int, names: str = "abcdefghijklmnopqrst", **about: object) -> Pipeline:
    """Return a chain of devices with so many blocks each."""
    starts = [sum(counts[:n]) for n in range(len(counts))]
    stages = (Holding(names[n], a, a + counts[n]) for n, a in enumerate(starts))
    return Pipeline(tuple(stages), **about)  # type: ignore[arg-type]


def plan(*pipelines: Pipeline) -> Deployment:
    """Return a deployment of chains."""
    return deployment_of(pipelines[0].stages[-1].stop, pipelines)


def run_script(text: str, device: str, folder: Path, **variables: str) -> list[str]:
    """Run the script for a device; return the layer counts and the words of its command."""
    done = start_script(text, device, folder, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def start_script(
    text: str, device: str, folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the script for a device with commands that show what they are given."""
    for name in ("vllm", "python3", "python", "rpc-server", "llama-server"):
        command = folder / name
        command.write_text(SHOW, encoding="utf-8")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", text, "plan.sh", device],
        capture_output=True,
        encoding="utf-8",
        env={"PATH": path} | variables,
        timeout=20,
        check=False,
    )


def option(words: list[str], name: str) -> str:
    """Return the word after an option."""
    return words[words.index(name) + 1]
