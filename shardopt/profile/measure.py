"""A profile: a block's times on this machine, the device entry that fits them, and how well."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import shardopt
from shardopt.instances.catalogue.config_json import fields, transformer
from shardopt.instances.catalogue.precision import precision
from shardopt.instances.catalogue.shapes import BlockShape, block_shape
from shardopt.instances.catalogue.transformer import Block, Transformer
from shardopt.models.errors import InputError
from shardopt.profile import block as blocks
from shardopt.profile import machine
from shardopt.profile.disk import Reading, read_speed
from shardopt.profile.fit import Phase, Timing, fit
from shardopt.profile.roofline import Rates, Work, decode_work, prefill_work
from shardopt.units import si

DTYPES = ("float32", "float16", "bfloat16")
FITTED_PROMPTS = (1 / 8, 1 / 4, 1 / 2, 1)
TESTED_PROMPTS = (3 / 8, 3 / 4)
"""Lengths of prompts, as shares of ``input_tokens``."""
BEYOND_CACHES = 1 << 29
"""So many bytes of weights take turns: a model's next block is not in a cache either."""
MOST_BLOCKS = 16
Report = Callable[[str], None]


@dataclass(frozen=True)
class Profile:
    """What was measured, and the rates that explain it.

    ``copies_bytes_per_s`` has the memory's copies, each byte counted as read and as written, and
    those from the processor's memory to the device's, counted once.
    """

    device: str
    title: str
    dtype: str
    threads: int | None
    block_bytes: float
    timings: Sequence[Timing]
    rates: Rates
    free_bytes: float
    total_bytes: float
    copies_bytes_per_s: Mapping[str, float]
    reading: Reading
    versions: Mapping[str, str]


def measure(
    config: Any,
    *,
    device: str | None = None,
    dtype: str | None = None,
    input_tokens: int = 512,
    output_tokens: int = 128,
    folder: Path = Path(),
    report: Report = lambda line: None,
) -> Profile:
    """Time a block of a parsed ``config.json`` with random weights, and fit a device to it.

    Parameters
    ----------
    config
        What ``config.json`` says.
    device
        ``cpu``, ``cuda`` or ``mps``; the fastest that is there unless given.
    dtype
        Precision of weights and arithmetic; the config's unless given.
    input_tokens, output_tokens
        Of the requests that the device is to serve: prompts are at most so long, and decode
        steps look back at up to both together.
    folder
        Where a file is written and read back.
    report
        Gets a line before each step.
    """
    device = machine.choose_device(device)
    dtype = dtype or _dtype(config)
    # What is measured is not quantised, whatever the config says.
    model = replace(transformer(config), precision=precision(None, dtype))
    block, shape = model.blocks[-1], block_shape(config)
    size = model.block_weight_bytes(block)
    free, total = machine.memory(device)
    copies = max(1, min(MOST_BLOCKS, int(BEYOND_CACHES // size)))
    _require_memory(model, copies * size, input_tokens + output_tokens, free, device)

    report(f"writing a file to {folder} and reading it back")
    reading = read_speed(folder, int(size))
    report(f"copying in the memory of {device}")
    copied = _copies(device)
    tokens = (input_tokens, output_tokens)
    with machine.memory_shortage_as_input_error():
        timings = _timings(model, shape, copies, device, dtype, tokens, report)
    return Profile(
        device=device,
        title=machine.title(device),
        dtype=dtype,
        threads=machine.threads(device),
        block_bytes=size,
        timings=timings,
        rates=fit(timings),
        free_bytes=free,
        total_bytes=total,
        copies_bytes_per_s=copied,
        reading=reading,
        versions={"shardopt": shardopt.__version__} | machine.versions(),
    )


def steps(input_tokens: int, output_tokens: int) -> Sequence[tuple[Phase, int, bool]]:
    """Return what is timed: phase, tokens, and whether the rates come from it.

    The others lie between those: what the rates say of them is a prediction.
    """
    most = input_tokens + output_tokens
    fitted = {int(share * input_tokens) for share in FITTED_PROMPTS}
    tested = {int(share * input_tokens) for share in TESTED_PROMPTS} - fitted
    contexts = {1, input_tokens, most}
    between = {input_tokens // 2, (input_tokens + most) // 2} - contexts
    rows: list[tuple[Phase, int, bool]] = []
    rows += [("prefill", n, n in fitted) for n in sorted(fitted | tested)]
    rows += [("decode", n, n in contexts) for n in sorted(contexts | between)]
    return rows


def _dtype(config: Any) -> str:
    named = fields(config)
    name = (named.torch_dtype or named.dtype or "bfloat16").removeprefix("torch.")
    return name if name in DTYPES else "bfloat16"


def _require_memory(
    model: Transformer, weights: float, tokens: int, free: float, device: str
) -> None:
    """Refuse blocks that do not fit: better one line than a machine that swaps."""
    block = model.blocks[-1]
    cache = 2 * tokens * block.cache_numbers * model.precision.plain_bytes
    needed = 1.1 * (weights + cache)
    if needed > free:
        found = f"{si(needed, 'B')} for a block"
        raise InputError(found, f"at most {si(free, 'B')}, as {device} has free", "config")


def _copies(device: str) -> dict[str, float]:
    times = machine.copy_times(device, device)
    rates = {device: 2 * machine.COPY_BYTES / sorted(times)[len(times) // 2]}
    if device != "cpu":
        times = machine.copy_times("cpu", device)
        rates[f"cpu to {device}"] = machine.COPY_BYTES / sorted(times)[len(times) // 2]
    return rates


def _timings(
    model: Transformer,
    shape: BlockShape,
    copies: int,
    device: str,
    dtype: str,
    tokens: tuple[int, int],
    report: Report,
) -> list[Timing]:
    block = model.blocks[-1]
    timings = []
    with torch.inference_mode():
        torch.manual_seed(0)
        torch_dtype = getattr(torch, dtype)
        weights = [blocks.random_weights(shape, torch_dtype, device) for _ in range(copies)]
        for phase, count, fitted in steps(*tokens):
            report(f"{phase}, {count} tokens")
            x = torch.randn(count if phase == "prefill" else 1, shape.hidden, device=device)
            step = _step(shape, weights, phase, count, x.to(torch_dtype))
            work = _work(model, block, phase, count)
            timings.append(Timing(phase, count, fitted, work, machine.take_times(step, device)))
    return timings


def _work(model: Transformer, block: Block, phase: Phase, tokens: int) -> Work:
    return (prefill_work if phase == "prefill" else decode_work)(model, block, tokens)


def _step(
    shape: BlockShape, weights: Sequence[blocks.Weights], phase: Phase, tokens: int, x: Any
) -> Callable[[], object]:
    """Return a function that lets the next of some blocks do its step."""
    turns = itertools.cycle(weights)
    if phase == "prefill":
        return lambda: blocks.prefill(shape, next(turns), x)
    cache = blocks.empty_cache(shape, tokens, x)
    return lambda: blocks.decode(shape, next(turns), x, cache)
