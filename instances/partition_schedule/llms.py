"""Two language models as blocks: sizes of one transformer block at 16 bit.

From the models' public configuration files (Llama3-8B, Phi-3-medium). Embeddings and head are
left out, as the published problem has no room for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from shardopt.models.partition_schedule.data import Block

BYTES_PER_NUMBER = 2


@dataclass(frozen=True)
class Transformer:
    """A decoder with grouped-query attention and a gated MLP."""

    layers: int
    hidden: int
    key_value: int
    feed_forward: int

    def block(self) -> Block:
        """Return one block: its matrices, two norms, and the hidden state that it hands on."""
        attention = 2 * self.hidden * (self.hidden + self.key_value)
        matrices = attention + 3 * self.hidden * self.feed_forward
        return Block(
            flops_per_token=2.0 * matrices,
            weight_bytes=BYTES_PER_NUMBER * (matrices + 2 * self.hidden),
            activation_bytes_per_token=BYTES_PER_NUMBER * self.hidden,
        )

    def blocks(self) -> tuple[Block, ...]:
        """Return all blocks."""
        return (self.block(),) * self.layers


LLAMA3_8B = Transformer(layers=32, hidden=4096, key_value=1024, feed_forward=14336)
PHI3_MEDIUM = Transformer(layers=40, hidden=5120, key_value=1280, feed_forward=17920)
