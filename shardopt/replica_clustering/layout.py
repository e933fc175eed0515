"""`replica-clustering`: what pictures and tables of a plan say of each replica and stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shardopt.models.replica_clustering.data import Instance, Replica, Role, Solution
from shardopt.models.replica_clustering.evaluate import (
    need_bytes,
    replica_times,
    requests_per_s,
    stage_s,
)
from shardopt.units import printable

ROLES: tuple[Role, ...] = ("prefill", "decode")


@dataclass(frozen=True)
class StageRow:
    """One stage: its time by blocks and head, and the hop to the next stage if there is one."""

    device: str
    start: int
    stop: int
    is_master: bool
    blocks_s: float
    head_s: float
    hop_s: float | None
    memory_share: float


@dataclass(frozen=True)
class ReplicaRow:
    """One replica: its place in the plan, its speed and its stages."""

    number: int
    role: Role
    batch: int
    slowest_s: float
    requests_per_s: float
    stages: tuple[StageRow, ...]

    @property
    def tokens_per_s(self) -> float | None:
        """Return the tokens/s that each request gets in decode."""
        return 1.0 / (len(self.stages) * self.slowest_s) if self.role == "decode" else None


def replica_rows(instance: Instance, solution: Solution) -> list[ReplicaRow]:
    """Return the replicas, those for prefill first."""
    rows = [_replica_row(instance, n, r) for n, r in enumerate(solution.replicas)]
    return sorted(rows, key=lambda row: ROLES.index(row.role))


def _replica_row(instance: Instance, number: int, replica: Replica) -> ReplicaRow:
    times = replica_times(instance, replica)
    at = instance.device_index()
    requests = replica.batch * len(replica.stages)
    stages = []
    for stage, total_s, hop in zip(
        replica.stages, times.stage_s, (*times.hop_s, None), strict=True
    ):
        device, count = instance.devices[at[stage.device]], stage.stop - stage.start
        is_master = stage.device == replica.master
        blocks_s = stage_s(instance, device, replica.role, replica.batch, count, False)
        need = need_bytes(instance, replica.role, requests, count, is_master)
        row = StageRow(
            device=stage.device,
            start=stage.start,
            stop=stage.stop,
            is_master=is_master,
            blocks_s=blocks_s,
            head_s=total_s - blocks_s,
            hop_s=hop,
            memory_share=need / device.memory_bytes,
        )
        stages.append(row)
    return ReplicaRow(
        number=number,
        role=replica.role,
        batch=replica.batch,
        slowest_s=times.slowest_s,
        requests_per_s=requests_per_s(instance, replica),
        stages=tuple(stages),
    )


def first_rows(rows: Sequence[ReplicaRow], most: int) -> list[ReplicaRow]:
    """Return the first replicas with at most so many stages together, but at least one."""
    shown: list[ReplicaRow] = []
    lines = 0
    for row in rows:
        lines += len(row.stages)
        if shown and lines > most:
            break
        shown.append(row)
    return shown


def hidden_text(rows: Sequence[ReplicaRow], shown: Sequence[ReplicaRow]) -> str:
    """Return what is left out, in words, empty if nothing is."""
    rest = rows[len(shown) :]
    count = {role: sum(row.role == role for row in rest) for role in ROLES}
    parts = [f"{number} {role}" for role, number in count.items() if number]
    noun = "replica" if len(rest) == 1 else "replicas"
    return f"and {' and '.join(parts)} {noun} more" if rest else ""


def replica_title(row: ReplicaRow) -> str:
    """Return a replica's figures on one line."""
    text = f"{row.role} (replicas[{row.number}])"
    if row.role == "decode":
        held = row.batch * len(row.stages)
        text += f", q = {row.batch}, {held} request{'s' * (held > 1)}"
    text += f": T = {row.slowest_s:.4g} s, {row.requests_per_s:.4g} requests/s"
    rate = row.tokens_per_s
    return text if rate is None else f"{text}, {rate:.4g} tokens/s each"


def phases_text(rows: Sequence[ReplicaRow]) -> str:
    """Return replicas and requests/s of both phases, the slower one marked."""
    rate = {
        role: math.fsum(row.requests_per_s for row in rows if row.role == role) for role in ROLES
    }
    slower = min(ROLES, key=lambda role: rate[role])
    parts = []
    for role in ROLES:
        count = sum(row.role == role for row in rows)
        mark = " (slower)" if role == slower else ""
        parts.append(f"{count} {role}: {rate[role]:.4g} requests/s{mark}")
    return "; ".join(parts)


def unused_text(instance: Instance, solution: Solution, most: int = 6) -> str:
    """Return one line on the devices in no replica, empty if there are none."""
    used = {stage.device for replica in solution.replicas for stage in replica.stages}
    names = [printable(d.name, 24) for d in instance.devices if d.name not in used]
    if not names:
        return ""
    if len(names) <= most:
        return "not used: " + ", ".join(names)
    listed = ", ".join(names[: most - 1])
    more = len(names) - most + 1
    return f"not used: {listed} and {more} more ({len(names)} of {len(instance.devices)} devices)"
