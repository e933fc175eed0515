"""The matrices of one block, by name and size: what a program that builds the block needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shardopt.instances.catalogue.config_json import ConfigFile, fields, need, transformer


@dataclass(frozen=True)
class Grouped:
    """Attention whose query heads share ``kv_heads`` heads of keys and values."""

    heads: int
    kv_heads: int
    head: int


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).

    ``query_rank`` is ``None`` where queries are not compressed.
    """

    heads: int
    query_rank: int | None
    latent: int
    nope: int
    rope: int
    value: int


@dataclass(frozen=True)
class BlockShape:
    """The last block of a model.

    ``width`` is that of the MLP which every token passes (0: there is none), ``gated`` whether
    it has a gate; of ``experts`` a token visits ``active``, each with a gate and
    ``expert_width`` wide.
    """

    hidden: int
    attention: Grouped | Latent
    width: int
    gated: bool = True
    experts: int = 0
    active: int = 0
    expert_width: int = 0


def block_shape(config: Any) -> BlockShape:
    """Return the shape of the last block of a parsed ``config.json``.

    The last one, because where blocks differ the first few are the odd ones.
    """
    block = transformer(config).blocks[-1]
    c = fields(config)
    hidden = need(c, "hidden_size", "n_embed")
    if c.model_type == "bloom":
        return BlockShape(hidden, _attention(c), 4 * hidden, gated=False)
    attention = _attention(c)
    # What the reader counts and is neither attention nor an expert is the gated MLP.
    width = (block.dense.matrices - attention_size(attention, hidden)) // (3 * hidden)
    expert_width = block.experts.expert.matrices // (3 * hidden)
    return BlockShape(
        hidden=hidden,
        attention=attention,
        width=width,
        experts=block.experts.count,
        active=block.experts.active,
        expert_width=expert_width,
    )


def _attention(c: ConfigFile) -> Grouped | Latent:
    heads = need(c, "num_attention_heads", "n_head")
    if c.model_type.startswith("deepseek"):
        return Latent(
            heads=heads,
            query_rank=c.q_lora_rank,
            latent=need(c, "kv_lora_rank"),
            nope=need(c, "qk_nope_head_dim"),
            rope=need(c, "qk_rope_head_dim"),
            value=need(c, "v_head_dim"),
        )
    head = c.head_dim or need(c, "hidden_size", "n_embed") // heads
    return Grouped(heads, c.num_key_value_heads or heads, head)


def attention_matrices(attention: Grouped | Latent, hidden: int) -> Mapping[str, tuple[int, ...]]:
    """Return the matrices of attention: rows, then columns; by heads where they work so."""
    a = attention
    if isinstance(a, Grouped):
        return {
            "query": (a.heads * a.head, hidden),
            "key_value": (2 * a.kv_heads * a.head, hidden),
            "output": (hidden, a.heads * a.head),
        }
    queries = a.heads * (a.nope + a.rope)
    compressed = {} if a.query_rank is None else {"query_down": (a.query_rank, hidden)}
    return compressed | {
        "query": (queries, a.query_rank or hidden),
        "latent": (a.latent + a.rope, hidden),
        "unfold_key": (a.heads, a.nope, a.latent),
        "unfold_value": (a.heads, a.value, a.latent),
        "output": (hidden, a.heads * a.value),
    }


def attention_size(attention: Grouped | Latent, hidden: int) -> int:
    """Return the number of parameters in the matrices of attention."""
    return sum(math.prod(size) for size in attention_matrices(attention, hidden).values())


def matrices(shape: BlockShape) -> Mapping[str, tuple[int, ...]]:
    """Return all matrices of a block; gate and first matrix of an MLP are one."""
    hidden, sizes = shape.hidden, dict(attention_matrices(shape.attention, shape.hidden))
    if shape.width:
        sizes["up"] = ((2 if shape.gated else 1) * shape.width, hidden)
        sizes["down"] = (hidden, shape.width)
    if shape.experts:
        sizes["router"] = (shape.experts, hidden)
        sizes["experts_up"] = (shape.experts, 2 * shape.expert_width, hidden)
        sizes["experts_down"] = (shape.experts, hidden, shape.expert_width)
    return sizes
