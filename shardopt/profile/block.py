"""One block of a transformer with random weights, in plain PyTorch.

It computes what a block of its shape computes: attention with shared key-value heads or with a
latent, rotary positions, norms, and an MLP or routed experts. Left out is what costs next to
nothing: biases, norms of heads, sinks, ALiBi; and windows of attention.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import gelu, linear, scaled_dot_product_attention, silu

from shardopt.instances.catalogue.shapes import BlockShape, Grouped, Latent, matrices

Tensor = Any
"""PyTorch is not installed where types are checked."""
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Cache:
    """Keys and values, ``[heads, tokens, size]`` each; the last token's place is the new one's.

    Latent attention keeps one thing for both: its values are the first part of its keys.
    """

    keys: Tensor
    values: Tensor


def random_weights(shape: BlockShape, dtype: Any, device: str) -> Weights:
    """Return normal weights with a deviation of 0.02, so that nothing overflows at 16 bits."""
    return {
        name: torch.empty(size, dtype=dtype, device=device).normal_(0, 0.02)
        for name, size in matrices(shape).items()
    }


def empty_cache(shape: BlockShape, context: int, like: Tensor) -> Cache:
    """Return random keys and values of ``context`` tokens, and a place for one more."""
    attention = shape.attention
    if isinstance(attention, Grouped):
        keys = like.new_empty(attention.kv_heads, context + 1, attention.head).normal_()
        return Cache(keys, keys.clone().normal_())
    keys = like.new_empty(1, context + 1, attention.latent + attention.rope).normal_()
    return Cache(keys, keys[..., : attention.latent])


def prefill(shape: BlockShape, weights: Weights, x: Tensor) -> Tensor:
    """Return the block's output for a prompt, ``x[token, hidden]``."""
    if isinstance(shape.attention, Grouped):
        attended = _prefill_grouped(shape.attention, weights, _norm(x))
    else:
        attended = _prefill_latent(shape.attention, weights, _norm(x))
    return _rest(shape, weights, x + linear(attended, weights["output"]))


def decode(shape: BlockShape, weights: Weights, x: Tensor, cache: Cache) -> Tensor:
    """Return the block's output for one token, ``x[1, hidden]``, and keep its key and value."""
    if isinstance(shape.attention, Grouped):
        attended = _decode_grouped(shape.attention, weights, _norm(x), cache)
    else:
        attended = _decode_latent(shape.attention, weights, _norm(x), cache)
    return _rest(shape, weights, x + linear(attended, weights["output"]))


def _prefill_grouped(a: Grouped, weights: Weights, x: Tensor) -> Tensor:
    query, key, value = _project(a, weights, x, 0)
    group = a.heads // a.kv_heads
    key, value = (part.repeat_interleave(group, 0) for part in (key, value))
    attended = scaled_dot_product_attention(query[None], key[None], value[None], is_causal=True)
    return attended[0].transpose(0, 1).flatten(1)


def _decode_grouped(a: Grouped, weights: Weights, x: Tensor, cache: Cache) -> Tensor:
    """Let all queries of a group look at its keys at once: nothing of the cache is copied."""
    query, key, value = _project(a, weights, x, cache.keys.shape[1] - 1)
    cache.keys[:, -1:], cache.values[:, -1:] = key, value
    grouped = query.reshape(1, a.kv_heads, a.heads // a.kv_heads, a.head)
    return scaled_dot_product_attention(grouped, cache.keys[None], cache.values[None]).reshape(
        1, -1
    )


def _project(a: Grouped, weights: Weights, x: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values ``[head, token, size]``; the first token's place is given."""
    query = linear(x, weights["query"]).unflatten(-1, (a.heads, a.head)).transpose(0, 1)
    both = linear(x, weights["key_value"]).unflatten(-1, (2 * a.kv_heads, a.head))
    key, value = both.transpose(0, 1).chunk(2)
    return _rotate(query, first), _rotate(key, first), value


def _prefill_latent(a: Latent, weights: Weights, x: Tensor) -> Tensor:
    nope, rope = _latent_query(a, weights, x, 0)
    latent, key_rope = _latent_key(a, weights, x, 0)
    # Keys and values are unfolded from the latent: [head, token, size].
    key_nope = torch.einsum("tl,hnl->htn", latent, weights["unfold_key"])
    value = torch.einsum("tl,hvl->htv", latent, weights["unfold_value"])
    query = torch.cat((nope, rope), -1)
    key = torch.cat((key_nope, key_rope.expand(a.heads, -1, -1)), -1)
    attended = scaled_dot_product_attention(query[None], key[None], value[None], is_causal=True)
    return attended[0].transpose(0, 1).flatten(1)


def _decode_latent(a: Latent, weights: Weights, x: Tensor, cache: Cache) -> Tensor:
    """Work on the latent itself, with the unfolding absorbed into query and output."""
    place = cache.keys.shape[1] - 1
    nope, rope = _latent_query(a, weights, x, place)
    latent, key_rope = _latent_key(a, weights, x, place)
    cache.keys[:, -1:] = torch.cat((latent[None], key_rope), -1)
    absorbed = torch.einsum("htn,hnl->thl", nope, weights["unfold_key"])
    query = torch.cat((absorbed, rope.transpose(0, 1)), -1)
    scale = (a.nope + a.rope) ** -0.5
    attended = scaled_dot_product_attention(
        query[None], cache.keys[None], cache.values[None], scale=scale
    )
    return torch.einsum("bthl,hvl->thv", attended, weights["unfold_value"]).flatten(1)


def _latent_query(a: Latent, weights: Weights, x: Tensor, first: int) -> tuple[Tensor, Tensor]:
    if a.query_rank is not None:
        x = _norm(linear(x, weights["query_down"]))
    query = linear(x, weights["query"]).unflatten(-1, (a.heads, a.nope + a.rope)).transpose(0, 1)
    nope, rope = query.split((a.nope, a.rope), -1)
    return nope, _rotate(rope, first)


def _latent_key(a: Latent, weights: Weights, x: Tensor, first: int) -> tuple[Tensor, Tensor]:
    latent, rope = linear(x, weights["latent"]).split((a.latent, a.rope), -1)
    return _norm(latent), _rotate(rope[None], first)


def _rest(shape: BlockShape, weights: Weights, x: Tensor) -> Tensor:
    """Return the output after the MLP that every token passes and the experts that it visits."""
    normed = _norm(x)
    if shape.width:
        x = x + _mlp(normed, weights["up"], weights["down"], shape.gated)
    return x + _experts(shape, weights, normed) if shape.experts else x


def _mlp(x: Tensor, up: Tensor, down: Tensor, gated: bool) -> Tensor:
    inner = linear(x, up)
    if not gated:
        return linear(gelu(inner), down)
    gate, value = inner.chunk(2, -1)
    return linear(silu(gate) * value, down)


def _experts(shape: BlockShape, weights: Weights, x: Tensor) -> Tensor:
    """Send each token to its experts, one expert after the other."""
    shares, chosen = linear(x, weights["router"]).softmax(-1).topk(shape.active, -1)
    order = chosen.flatten().argsort()
    tokens = order // shape.active
    counts = torch.bincount(chosen.flatten(), minlength=shape.experts).tolist()
    result = torch.zeros_like(x)
    start = 0
    for expert, count in enumerate(counts):
        if count:
            mine = slice(start, start + count)
            up, down = weights["experts_up"][expert], weights["experts_down"][expert]
            said = _mlp(x[tokens[mine]], up, down, gated=True)
            result.index_add_(0, tokens[mine], said * shares.flatten()[order[mine], None])
        start += count
    return result


def _norm(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6).to(x.dtype)


def _rotate(x: Tensor, first: int) -> Tensor:
    """Turn halves of ``x[head, token, size]`` by their token's position (arXiv 2104.09864)."""
    half = x.shape[-1] // 2
    places = torch.arange(first, first + x.shape[1], device=x.device, dtype=torch.float32)
    rates = 10_000 ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = places[:, None] * rates
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half : 2 * half]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)
