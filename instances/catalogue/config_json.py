"""A model from its Hugging Face ``config.json``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from shardopt.instances.catalogue.precision import Quantisation, precision
from shardopt.instances.catalogue.transformer import (
    NO_EXPERTS,
    Block,
    Experts,
    Part,
    Transformer,
)
from shardopt.instances.strict import StrictModel, read_json, shown, validate
from shardopt.models.errors import InputError

Size = Annotated[int | None, Field(ge=1, le=10**9)]
Count = Annotated[int | None, Field(ge=0, le=10**9)]


class ConfigFile(StrictModel):
    """The fields of a ``config.json`` that say how large what is; all others are ignored."""

    model_config = ConfigDict(extra="ignore")

    model_type: str
    torch_dtype: str | None = None
    dtype: str | None = None
    hidden_size: Size = None
    n_embed: Size = None
    intermediate_size: Size = None
    num_hidden_layers: Size = None
    n_layer: Size = None
    num_attention_heads: Size = None
    n_head: Size = None
    num_key_value_heads: Size = None
    head_dim: Size = None
    vocab_size: Size = None
    tie_word_embeddings: bool | None = None
    attention_bias: bool | None = None
    mlp_bias: bool | None = None
    num_local_experts: Size = None
    num_experts: Size = None
    num_experts_per_tok: Size = None
    moe_intermediate_size: Size = None
    decoder_sparse_step: Size = None
    mlp_only_layers: list[int] | None = None
    n_routed_experts: Size = None
    n_shared_experts: Count = None
    first_k_dense_replace: Count = None
    moe_layer_freq: Size = None
    topk_method: str | None = None
    q_lora_rank: Size = None
    kv_lora_rank: Size = None
    qk_nope_head_dim: Size = None
    qk_rope_head_dim: Size = None
    v_head_dim: Size = None
    quantization_config: Quantisation | None = None


@dataclass(frozen=True)
class _Family:
    """What a ``model_type`` says by itself, beside its fields.

    ``reads_bias``: the field ``attention_bias`` means something to it.
    """

    block: Callable[[ConfigFile, _Family, int], Block]
    tied: bool = False
    norms: int = 2
    reads_bias: bool = False
    qkv_bias: bool = False
    head_norms: bool = False


def read_config(path: str | Path) -> Transformer:
    """Read a ``config.json``; raises `InputError` with the file and the place in it."""
    try:
        return transformer(read_json(path))
    except InputError as error:
        raise error.in_file(str(path)) from None


def transformer(config: Any) -> Transformer:
    """Return the text model that a parsed ``config.json`` describes.

    Where the model has other senses (``text_config``), it is the text model inside it.
    """
    c = fields(config)
    family = _family(c)
    hidden, vocabulary = need(c, "hidden_size", "n_embed"), need(c, "vocab_size")
    count = need(c, "num_hidden_layers", "n_layer")
    tied = family.tied if c.tie_word_embeddings is None else c.tie_word_embeddings
    is_bloom = c.model_type == "bloom"
    return Transformer(
        family=c.model_type,
        blocks=tuple(family.block(c, family, layer) for layer in range(count)),
        hidden=hidden,
        vocabulary=vocabulary,
        tied=tied,
        embedding=vocabulary * hidden,
        head=vocabulary * hidden,
        norms=4 * hidden if is_bloom else hidden,  # BLOOM: two with bias, one on the embedding
        precision=precision(c.quantization_config, c.torch_dtype or c.dtype),
    )


def fields(config: Any) -> ConfigFile:
    """Return the fields of a parsed ``config.json`` that sizes follow from."""
    return validate(ConfigFile, _text_config(config))


def _text_config(config: Any) -> Any:
    """Return the nested text model with what only the outer object says."""
    if not isinstance(config, Mapping) or not isinstance(config.get("text_config"), Mapping):
        return config
    shared = ("torch_dtype", "dtype", "quantization_config", "tie_word_embeddings")
    outer = {key: config[key] for key in shared if key in config}
    return outer | dict(config["text_config"])


def _family(c: ConfigFile) -> _Family:
    if c.model_type in FAMILIES:
        return FAMILIES[c.model_type]
    close = difflib.get_close_matches(c.model_type, FAMILIES, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    known = ", ".join(FAMILIES)
    raise InputError(shown(c.model_type) + hint, f"one of {known}", "model_type")


def need(c: ConfigFile, *names: str) -> int:
    """Return the first of some fields that is there."""
    for name in names:
        value = getattr(c, name)
        if isinstance(value, int):
            return value
    raise InputError("nothing", f"this key: {c.model_type} needs it", names[0])


def _attention(c: ConfigFile, family: _Family) -> tuple[Part, int, int]:
    """Return attention with shared key-value heads, cached numbers, multiply-adds a pair."""
    hidden, heads = need(c, "hidden_size", "n_embed"), need(c, "num_attention_heads", "n_head")
    kv_heads = c.num_key_value_heads or heads
    head = c.head_dim or hidden // heads
    query, key_value = heads * head, kv_heads * head
    biased = bool(c.attention_bias) and family.reads_bias
    biases = query + 2 * key_value if biased or family.qkv_bias else 0
    biases += hidden if biased else 0
    biases += 2 * head if family.head_norms else 0
    matrices = 2 * hidden * (query + key_value)
    return Part(matrices, biases), 2 * key_value, 2 * query


def _gated_mlp(hidden: int, width: int) -> Part:
    return Part(3 * hidden * width)


def _block(c: ConfigFile, family: _Family, dense: list[Part], experts: Experts) -> Block:
    """Put a block together; ``dense`` is what every token passes beside attention and norms."""
    hidden = need(c, "hidden_size")
    attention, cached, pair = _attention(c, family)
    return Block(
        _sum([attention, Part(0, family.norms * hidden), *dense]), experts, cached, pair, pair
    )


def _sum(parts: list[Part]) -> Part:
    return Part(sum(p.matrices for p in parts), sum(p.others for p in parts))


def _dense_block(c: ConfigFile, family: _Family, layer: int) -> Block:
    hidden, width = need(c, "hidden_size"), need(c, "intermediate_size")
    biased = bool(c.mlp_bias) and c.model_type == "llama"
    biases = Part(0, 2 * width + hidden if biased else 0)
    return _block(c, family, [_gated_mlp(hidden, width), biases], NO_EXPERTS)


def _mixtral_block(c: ConfigFile, family: _Family, layer: int) -> Block:
    hidden, count = need(c, "hidden_size"), need(c, "num_local_experts")
    expert = _gated_mlp(hidden, need(c, "intermediate_size"))
    experts = Experts(count, need(c, "num_experts_per_tok"), expert)
    return _block(c, family, [Part(0, hidden * count)], experts)


def _qwen_moe_block(c: ConfigFile, family: _Family, layer: int) -> Block:
    if layer in (c.mlp_only_layers or ()) or (layer + 1) % (c.decoder_sparse_step or 1):
        return _dense_block(c, family, layer)
    hidden, count = need(c, "hidden_size"), need(c, "num_experts", "num_local_experts")
    expert = _gated_mlp(hidden, need(c, "moe_intermediate_size"))
    experts = Experts(count, need(c, "num_experts_per_tok"), expert)
    return _block(c, family, [Part(0, hidden * count)], experts)


def _gpt_oss_block(c: ConfigFile, family: _Family, layer: int) -> Block:
    """Experts, router and attention have biases; each head has a sink."""
    hidden, width = need(c, "hidden_size"), need(c, "intermediate_size")
    count, heads = need(c, "num_local_experts"), need(c, "num_attention_heads")
    expert = Part(3 * hidden * width, 2 * width + hidden)
    experts = Experts(count, need(c, "num_experts_per_tok"), expert)
    return _block(c, family, [Part(0, (hidden + 1) * count + heads)], experts)


def _bloom_block(c: ConfigFile, family: _Family, layer: int) -> Block:
    """One matrix for queries, keys and values; a plain MLP four times as wide; biases all over."""
    hidden = need(c, "hidden_size", "n_embed")
    dense = Part(12 * hidden**2, 13 * hidden)
    return Block(dense, NO_EXPERTS, 2 * hidden, 2 * hidden, 2 * hidden)


def _deepseek_block(c: ConfigFile, family: _Family, layer: int) -> Block:
    """Multi-head latent attention, and experts after the first dense blocks (DeepSeek-V2, V3)."""
    hidden = need(c, "hidden_size")
    attention, cached, pair, decode_pair = _latent_attention(c, hidden)
    dense, experts = [attention, Part(0, family.norms * hidden)], NO_EXPERTS
    first = c.first_k_dense_replace or 0
    if c.n_routed_experts is None or layer < first or layer % (c.moe_layer_freq or 1):
        dense.append(_gated_mlp(hidden, need(c, "intermediate_size")))
    else:
        width, count = need(c, "moe_intermediate_size"), c.n_routed_experts
        correction = count if c.model_type == "deepseek_v3" else 0
        dense.append(_gated_mlp(hidden, width * (c.n_shared_experts or 0)))
        dense.append(Part(0, hidden * count + correction))
        experts = Experts(count, need(c, "num_experts_per_tok"), _gated_mlp(hidden, width))
    return Block(_sum(dense), experts, cached, pair, decode_pair)


def _latent_attention(c: ConfigFile, hidden: int) -> tuple[Part, int, int, int]:
    """Return latent attention, cached numbers, and the multiply-adds of a pair of tokens.

    Decode works on the latent itself, the matrices that unfold it being absorbed.
    """
    heads, latent = need(c, "num_attention_heads"), need(c, "kv_lora_rank")
    nope, rope = need(c, "qk_nope_head_dim"), need(c, "qk_rope_head_dim")
    value = need(c, "v_head_dim")
    query = heads * (nope + rope)
    if c.q_lora_rank is None:
        queries = Part(hidden * query)
    else:
        queries = Part(c.q_lora_rank * (hidden + query), c.q_lora_rank)
    key_value = Part(hidden * (latent + rope) + latent * heads * (nope + value), latent)
    biases = (c.q_lora_rank or 0) + latent + rope + hidden if c.attention_bias else 0
    whole = _sum([queries, key_value, Part(heads * value * hidden, biases)])
    return whole, latent + rope, heads * (nope + rope + value), heads * (2 * latent + rope)


FAMILIES: dict[str, _Family] = {
    "llama": _Family(_dense_block, reads_bias=True),
    "mistral": _Family(_dense_block),
    "phi3": _Family(_dense_block),
    "qwen2": _Family(_dense_block, qkv_bias=True),
    "qwen3": _Family(_dense_block, head_norms=True, reads_bias=True),
    "gemma2": _Family(_dense_block, tied=True, norms=4, reads_bias=True),
    "gemma3_text": _Family(_dense_block, tied=True, norms=4, head_norms=True, reads_bias=True),
    "mixtral": _Family(_mixtral_block),
    "qwen3_moe": _Family(_qwen_moe_block, head_norms=True, reads_bias=True),
    "gpt_oss": _Family(_gpt_oss_block, reads_bias=True),
    "bloom": _Family(_bloom_block, tied=True),
    "deepseek_v2": _Family(_deepseek_block),
    "deepseek_v3": _Family(_deepseek_block),
}
"""How a block of each ``model_type`` is made."""
