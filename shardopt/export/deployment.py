"""What is left of any problem's plan for an engine: which device holds which run of blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from shardopt.models.errors import InputError

Role = Literal["prefill", "decode"]


@dataclass(frozen=True)
class Holding:
    """A device and its run of blocks ``[start, stop)``.

    ``cache_tokens`` is the room for keys and values that the plan counts on, in tokens of which
    each takes its share on all blocks of the run; ``None`` if the plan says nothing of it.
    """

    device: str
    start: int
    stop: int
    cache_tokens: int | None = None

    @property
    def count(self) -> int:
        """How many blocks it has."""
        return self.stop - self.start


@dataclass(frozen=True)
class Pipeline:
    """A chain of devices with every block once, in order.

    ``head`` names the device whose memory holds the output layer, if the plan says so.
    """

    stages: tuple[Holding, ...]
    role: Role | None = None
    batch: int | None = None
    head: str | None = None


@dataclass(frozen=True)
class Deployment:
    """A plan for an engine.

    ``pipelines`` is empty where the plan is no set of separate chains, and ``tangle`` then says
    why. ``notes`` tells what of the plan is not in the holdings.
    """

    blocks: int
    holdings: tuple[Holding, ...]
    pipelines: tuple[Pipeline, ...]
    notes: tuple[str, ...] = ()
    tangle: str = ""


def deployment_of(
    blocks: int, pipelines: Iterable[Pipeline], notes: Iterable[str] = ()
) -> Deployment:
    """Return the deployment of a plan that is a set of separate chains."""
    chains = tuple(pipelines)
    holdings = tuple(stage for pipeline in chains for stage in pipeline.stages)
    return Deployment(blocks, holdings, chains, tuple(notes))


def overlap(holdings: Iterable[Holding]) -> str:
    """Say which two holdings share a block, or nothing if none do."""
    ordered = sorted(holdings, key=lambda h: (h.start, h.stop))
    for first, second in pairwise(ordered):
        if second.start < first.stop:
            return f"block {second.start} is on {first.device!r} and on {second.device!r}"
    return ""


def require_pipelines(plan: Deployment, engine: str) -> tuple[Pipeline, ...]:
    """Return the chains of a plan; raises `InputError` if it is no set of chains."""
    if not plan.pipelines:
        raise refusal(plan.tangle, engine, "separate chains with every block on one device")
    return plan.pipelines


def require_one_pipeline(plan: Deployment, engine: str) -> Pipeline:
    """Return the only chain of a plan; raises `InputError` if there are more, or roles."""
    pipelines = require_pipelines(plan, engine)
    if len(pipelines) > 1:
        raise refusal(f"{len(pipelines)} replicas", engine, "one chain")
    require_no_roles(plan, engine)
    return pipelines[0]


def require_no_roles(plan: Deployment, engine: str) -> None:
    """Raise `InputError` if a replica does only prefill or only decode."""
    for pipeline in plan.pipelines:
        if pipeline.role is not None:
            raise refusal(f"a {pipeline.role} replica", engine, "no separate roles")


def require_head_on_last(pipeline: Pipeline, engine: str) -> None:
    """Raise `InputError` if the plan has the output layer elsewhere than on the last device."""
    last = pipeline.stages[-1].device
    if pipeline.head not in (None, last):
        found = f"the output layer on {pipeline.head!r}"
        raise refusal(found, engine, f"it on the last device, {last!r}")


def refusal(found: str, engine: str, expected: str) -> InputError:
    """Return the error that tells why an engine cannot run a plan."""
    return InputError(found, f"{expected}: {engine} can run nothing else", "solution")
