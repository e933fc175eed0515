"""What a scenario file may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shardopt.instances.scenario.quantities import NameOrRate, Rate, Size, Speed, Time
from shardopt.instances.strict import AbsentOr, Finite, NonEmptyText, NonNegative, StrictModel

Tokens = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(ge=0.01, le=1), Finite]
Dtype = Literal["float32", "float16", "bfloat16", "float8_e4m3fn"]
CacheDtype = Literal["float32", "float16", "bfloat16", "fp8"]
Quantisation = Literal["none", "gptq", "awq", "fp8", "bitsandbytes-8", "bitsandbytes-4"]


class ModelSection(StrictModel):
    """The model: of the catalogue, or its ``config.json``, perhaps in another precision."""

    name: Annotated[NonEmptyText | None, AbsentOr] = None
    config: Annotated[NonEmptyText | None, AbsentOr] = None
    dtype: Annotated[Dtype | None, AbsentOr] = None
    quantisation: Annotated[Quantisation | None, AbsentOr] = None
    weight_bits: Annotated[Annotated[float, Field(ge=1, le=32), Finite] | None, AbsentOr] = None
    cache_dtype: Annotated[CacheDtype, AbsentOr] = "float16"


class WorkloadSection(StrictModel):
    """What is asked of the machines."""

    input_tokens: Tokens
    output_tokens: Tokens
    sessions: Annotated[int, Field(ge=1, le=1024), AbsentOr] = 1
    requests: Annotated[Annotated[int, Field(ge=1, le=100_000)] | None, AbsentOr] = None
    arrival_period: Annotated[Time, AbsentOr] = 1.0
    min_tokens_per_s: Annotated[NonNegative, AbsentOr] = 1.0


class MachineEntry(StrictModel):
    """One machine, or ``count`` equal ones: a device of the catalogue, or its own figures."""

    name: Annotated[NonEmptyText | None, AbsentOr] = None
    device: Annotated[NonEmptyText | None, AbsentOr] = None
    count: Annotated[int, Field(ge=1, le=1000), AbsentOr] = 1
    memory: Annotated[Size | None, AbsentOr] = None
    memory_bandwidth: Annotated[Rate | None, AbsentOr] = None
    speed: Annotated[Speed | None, AbsentOr] = None
    usable: Annotated[Share | None, AbsentOr] = None
    storage: Annotated[NameOrRate | None, AbsentOr] = None
    link: Annotated[NameOrRate | None, AbsentOr] = None
    tier: Annotated[NonEmptyText | None, AbsentOr] = None


class PairEntry(StrictModel):
    """Two machines that are connected in another way than the rest."""

    between: Annotated[list[NonEmptyText], Field(min_length=2, max_length=2)]
    link: Annotated[NameOrRate | None, AbsentOr] = None
    latency: Annotated[Time | None, AbsentOr] = None


class NetworkSection(StrictModel):
    """How the machines are connected, and where those who ask are."""

    link: NameOrRate
    latency: Annotated[Time, AbsentOr] = 0.0005
    client: Annotated[NonEmptyText | None, AbsentOr] = None
    pairs: Annotated[tuple[PairEntry, ...], AbsentOr, Field(strict=False)] = ()


class Assumptions(StrictModel):
    """What programs reach of the makers' figures.

    ``usable_memory``, ``reached_peak``, ``reached_bandwidth``, ``call_overhead`` and the latency
    of a network are those of generator presets, where they are choices of ours (docs/scenarios.md
    says of which). ``reached_link`` was measured: 920 Mb/s of a gigabit, arXiv 2606.03770.
    ``reached_wifi`` and ``reached_storage`` are guesses. ``round_trip_overhead`` is what a
    program adds to each round trip of a session; without it a problem takes what was measured
    for the program that it is about.
    """

    usable_memory: Annotated[Share, AbsentOr] = 0.8
    reached_peak: Annotated[Share, AbsentOr] = 0.4
    reached_bandwidth: Annotated[Share, AbsentOr] = 0.35
    reached_link: Annotated[Share, AbsentOr] = 0.92
    reached_wifi: Annotated[Share, AbsentOr] = 0.5
    reached_storage: Annotated[Share, AbsentOr] = 0.8
    call_overhead: Annotated[Time, AbsentOr] = 2e-5
    round_trip_overhead: Annotated[Time | None, AbsentOr] = None


class ScenarioFile(StrictModel):
    """A scenario file."""

    name: Annotated[NonEmptyText | None, AbsentOr] = None
    problem: Annotated[NonEmptyText | None, AbsentOr] = None
    model: ModelSection
    workload: WorkloadSection
    machines: Annotated[list[MachineEntry], Field(min_length=1, max_length=1000)]
    network: NetworkSection
    assumptions: Annotated[Assumptions, AbsentOr] = Assumptions()
