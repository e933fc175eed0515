"""How large the parts of a transformer are, and what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CACHE_BYTES_PER_NUMBER = 2
"""Engines keep keys and values at 16 bits unless they are told otherwise."""


@dataclass(frozen=True)
class Part:
    """Parameters that may be quantised, and those beside them that are not (norms, biases)."""

    matrices: int
    others: int = 0

    @property
    def parameters(self) -> int:
        """All of them."""
        return self.matrices + self.others


@dataclass(frozen=True)
class Experts:
    """The routed experts of a block: so many of one size, of which a token visits ``active``."""

    count: int
    active: int
    expert: Part


NO_EXPERTS = Experts(0, 0, Part(0))


@dataclass(frozen=True)
class Block:
    """One block.

    ``dense`` is what every token passes: attention, the MLP or shared experts, norms, router.
    ``cache_numbers`` are kept for each token. ``pair`` and ``decode_pair`` are the
    multiply-adds of attention for a pair of tokens, in prefill and in decode.
    """

    dense: Part
    experts: Experts
    cache_numbers: int
    pair: int
    decode_pair: int

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.dense.parameters + self.experts.count * self.experts.expert.parameters

    @property
    def active_parameters(self) -> int:
        """Parameters that one token meets."""
        return self.dense.parameters + self.experts.active * self.experts.expert.parameters

    def prefill_flops(self, tokens: int) -> int:
        """Return the FLOP on a prompt; pairs that the causal mask hides are counted as well."""
        return 2 * tokens * (self._active_matrices + self.pair * tokens)

    def decode_flops(self, context: int) -> int:
        """Return the FLOP for one token that looks back at ``context`` tokens."""
        return 2 * (self._active_matrices + self.decode_pair * context)

    @property
    def _active_matrices(self) -> int:
        return self.dense.matrices + self.experts.active * self.experts.expert.matrices


@dataclass(frozen=True)
class Precision:
    """Bits for each parameter of the matrices of blocks; the rest has ``plain_bytes``."""

    name: str
    plain_bytes: float
    dense_bits: float
    expert_bits: float


@dataclass(frozen=True)
class Transformer:
    """A decoder. ``head`` is the output matrix, also where it is the embedding's (``tied``)."""

    family: str
    blocks: Sequence[Block]
    hidden: int
    vocabulary: int
    tied: bool
    embedding: int
    head: int
    norms: int
    precision: Precision

    @property
    def parameters(self) -> int:
        """All parameters; a tied head is counted once."""
        head = 0 if self.tied else self.head
        return sum(b.parameters for b in self.blocks) + self.embedding + head + self.norms

    @property
    def active_parameters(self) -> int:
        """Parameters that one token meets; of the embedding it reads but a row."""
        return sum(b.active_parameters for b in self.blocks) + self.head + self.norms

    def block_weight_bytes(self, block: Block) -> float:
        """Return the bytes of a block's weights."""
        precision = self.precision

        def size(part: Part, bits: float) -> float:
            return part.matrices * bits / 8 + part.others * precision.plain_bytes

        experts = block.experts.count * size(block.experts.expert, precision.expert_bits)
        return size(block.dense, precision.dense_bits) + experts

    @property
    def embedding_bytes(self) -> float:
        """Bytes of the embedding."""
        return self.embedding * self.precision.plain_bytes

    @property
    def head_bytes(self) -> float:
        """Bytes of the output matrix; a device that has the embedding too may share it if tied."""
        return self.head * self.precision.plain_bytes

    @property
    def head_flops_per_token(self) -> int:
        """FLOP of the output matrix for one token."""
        return 2 * self.head

    @property
    def activation_bytes_per_token(self) -> float:
        """Bytes that a block hands to the next one."""
        return self.hidden * self.precision.plain_bytes

    def weight_bytes(self) -> float:
        """Return the bytes of all weights; a tied head is counted once."""
        head = 0.0 if self.tied else self.head_bytes
        blocks = sum(self.block_weight_bytes(b) for b in self.blocks)
        return blocks + self.embedding_bytes + head + self.norms * self.precision.plain_bytes

    def cache_bytes_per_token(self) -> int:
        """Return the bytes of keys and values of one token in all blocks; windows are ignored."""
        return CACHE_BYTES_PER_NUMBER * sum(b.cache_numbers for b in self.blocks)
