r"""How long a machine takes for a block of any model: its bandwidth and its peak.

With W the memory bandwidth and F the arithmetic that are reached, o the overhead of a call:

.. math::

    prefill(t) = o + weights / W + flops(t) / F

    decode(q) = o + (dense + X(q) expert + q c K) / W + q flops(c) / F

for a prompt of t tokens, and for one token of each of q requests that look back at c tokens,
of which each keeps K bytes in the block. X(q) = E (1 - (1 - A / E)^q) of a block's E experts
are touched when each token visits A of them at random. Reading and computing are added up,
which is at most twice what overlapping them would take.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shardopt.instances.catalogue.transformer import NO_EXPERTS, Block
from shardopt.instances.scenario.data import Machine, Scenario


@dataclass(frozen=True)
class Times:
    """The times of one machine in seconds; all blocks of a model are asked for one by one."""

    scenario: Scenario
    machine: Machine

    def prefill_s(self, block: Block) -> float:
        """Return the time of a block for a whole prompt."""
        weights = self.scenario.model.sizes.block_weight_bytes(block)
        flops = block.prefill_flops(self.scenario.workload.input_tokens)
        return self._call_s(weights, flops)

    def decode_s(self, block: Block, batch: int) -> float:
        """Return the time of a block for a token of each of ``batch`` requests."""
        model, asked = self.scenario.model, self.scenario.workload
        context = asked.input_tokens + asked.output_tokens / 2  # in the mean
        dense = model.sizes.block_weight_bytes(replace(block, experts=NO_EXPERTS))
        experts = model.sizes.block_weight_bytes(block) - dense
        read = dense + _touched(block, batch) * experts
        read += batch * context * model.cache_bytes_per_token(block)
        return self._call_s(read, batch * block.decode_flops(round(context)))

    def head_s(self, batch: int) -> float:
        """Return the time of the output matrix for a token of each of ``batch`` requests."""
        sizes = self.scenario.model.sizes
        return self._call_s(sizes.head_bytes, batch * sizes.head_flops_per_token)

    def prefill_flops_per_s(self) -> float:
        """Return the rate at which all blocks together prefill, reading included."""
        blocks = self.scenario.model.sizes.blocks
        tokens = self.scenario.workload.input_tokens
        work = sum(block.prefill_flops(tokens) for block in blocks)
        return work / sum(self.prefill_s(block) for block in blocks)

    def _call_s(self, bytes_read: float, flops: float) -> float:
        machine = self.machine
        return (
            self.scenario.call_overhead_s
            + bytes_read / machine.memory_bytes_per_s
            + flops / machine.flops_per_s
        )


def _touched(block: Block, batch: int) -> float:
    """Return the mean share of a block's experts that ``batch`` tokens visit."""
    count, active = block.experts.count, block.experts.active
    return 1 - (1 - active / count) ** batch if count else 0.0
