"""What a block has to compute and to read, and how long a device takes for both.

As in scenarios, reading and computing are added up: bytes over the memory's bandwidth, plus FLOP
over the speed of arithmetic. The arithmetic is the catalogue's
(`shardopt.instances.catalogue.transformer`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shardopt.instances.catalogue.transformer import NO_EXPERTS, Block, Transformer


@dataclass(frozen=True)
class Work:
    """Arithmetic, and bytes that are read from memory for it."""

    flops: float
    read_bytes: float


@dataclass(frozen=True)
class Rates:
    """What a device computes and reads in a second."""

    flops_per_s: float
    bytes_per_s: float

    def seconds(self, work: Work) -> float:
        """Return the time for some work."""
        return work.flops / self.flops_per_s + work.read_bytes / self.bytes_per_s


def prefill_work(model: Transformer, block: Block, tokens: int) -> Work:
    """Return the work of a block on a prompt, which reads all weights once."""
    return Work(block.prefill_flops(tokens), model.block_weight_bytes(block))


def decode_work(model: Transformer, block: Block, context: int) -> Work:
    """Return the work of a block on one token that looks back at ``context`` tokens."""
    dense = model.block_weight_bytes(replace(block, experts=NO_EXPERTS))
    experts = model.block_weight_bytes(block) - dense
    visited = block.experts.active / block.experts.count if block.experts.count else 0.0
    cache = context * block.cache_numbers * model.precision.plain_bytes
    return Work(block.decode_flops(context), dense + visited * experts + cache)
