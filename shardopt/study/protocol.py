"""Under which conditions a study's runs are made: what heads every report."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import psutil

import shardopt
from shardopt.models.result import OPTIMALITY_TOLERANCE
from shardopt.study.host import GRACE_S
from shardopt.study.planning import Plan, choices_of
from shardopt.study.version import PACKAGES


def protocol_of(plan: Plan, problems: Iterable[str], jobs: int | None, executor: str) -> Any:
    """Return the protocol of a study as the store keeps it."""
    choices = {problem: choices_of(plan, problem) for problem in sorted(set(problems))}
    return {
        "machine": processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "shardopt": shardopt.__version__,
        "code": {
            problem: {choice.row.name: choice.version for choice in chosen}
            for problem, chosen in choices.items()
        },
        "time_limit_s": plan.time_limit_s,
        "grace_s": GRACE_S,
        "memory_limit_bytes": plan.memory_limit_bytes,
        "threads": plan.threads,
        "jobs": jobs,
        "executor": executor,
        "seeds": list(plan.seeds),
        "reference": plan.reference,
        "references": {
            problem: choice.row.name
            for problem, chosen in choices.items()
            for choice in chosen[:1]
            if plan.reference is not None
        },
        "tolerance": OPTIMALITY_TOLERANCE,
        "build_time_included": True,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()
