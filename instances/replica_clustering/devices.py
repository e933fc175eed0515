"""gpt-oss-20b, and how fast devices run it: a roofline of ours (spec section 9).

The sizes are those of the model's public configuration file. The published testbed tells devices
and memory, but not their speeds; what a device reaches of its bandwidth and peak is our choice.
"""

from __future__ import annotations

from shardopt.models.replica_clustering.data import Device, Link, Model, Workload

GB, MB = 1e9, 1e6

HIDDEN = 2880
HEAD_SIZE, QUERY_HEADS, KV_HEADS = 64, 64, 8
EXPERTS, ACTIVE_EXPERTS = 32, 4
VOCABULARY = 201_088
BYTES_PER_NUMBER = 2
MXFP4_BITS = 4.25
"""Of each parameter of an expert, its share of the scales included."""
BLOCKS = 24

ATTENTION = 2 * HIDDEN * HEAD_SIZE * (QUERY_HEADS + KV_HEADS)
"""Parameters of attention in a block: q and o, k and v."""
EXPERT = 3 * HIDDEN * HIDDEN
"""Parameters of one expert."""
EXPERT_BYTES = EXPERT * MXFP4_BITS / 8
CACHE_BYTES = 2 * KV_HEADS * HEAD_SIZE * BYTES_PER_NUMBER
"""Keys and values of one token in one block; sliding windows are ignored."""
HEAD_BYTES = BYTES_PER_NUMBER * HIDDEN * VOCABULARY
"""The output layer; the embedding is as large."""

REACHED_BANDWIDTH = 0.35
"""Share of the memory bandwidth: one M2 Max then holds 5 requests at 15 tokens/s, as published."""
REACHED_PEAK = 0.40
"""Share of the peak at 16 bits without tensor cores: a guess."""
CALL_S = 2e-5
"""Overhead of every call of a block or head: a guess."""

LAN = Link(bytes_per_s=115 * MB, latency_s=0.0005)
"""920 Mb/s as published; the latency is ours."""

TESTBED: tuple[tuple[str, float, float, float], ...] = (
    ("rtx5070", 672, 30.9, 12),
    ("m1-a", 68.25, 2.6, 12),
    ("m1-b", 68.25, 2.6, 12),
    ("rtx3060m", 336, 10.9, 6),
    ("m2max-a", 400, 13.6, 22),
    ("m2max-b", 400, 13.6, 22),
    ("orin", 204.8, 6.66, 25),
)
"""Name, memory bandwidth in GB/s, peak in TFLOP/s, memory in GB.

Memory as published (arXiv 2606.03770, Table II). Bandwidth and peak are the makers' figures;
where the table names no variant: M2 Max with 38 GPU cores, Orin with 32 GB.
"""


def gpt_oss_20b(blocks: int = BLOCKS) -> Model:
    """Return the model; embedding and output layer are both on the master."""
    return Model(
        blocks=blocks,
        block_weight_bytes=float(round(EXPERTS * EXPERT_BYTES + BYTES_PER_NUMBER * ATTENTION)),
        head_weight_bytes=float(2 * HEAD_BYTES),
        cache_bytes_per_token_per_block=float(CACHE_BYTES),
        activation_bytes_per_token=float(BYTES_PER_NUMBER * HIDDEN),
    )


def roofline(
    name: str,
    bytes_per_s: float,
    flops_per_s: float,
    memory_bytes: float,
    workload: Workload,
) -> Device:
    """Return a device with the times that its memory bandwidth and its peak allow."""
    bandwidth, peak = REACHED_BANDWIDTH * bytes_per_s, REACHED_PEAK * flops_per_s
    prompt, context = workload.input_tokens, workload.input_tokens + workload.output_tokens / 2
    attention_bytes = BYTES_PER_NUMBER * ATTENTION
    block_flops = 2 * (ATTENTION + ACTIVE_EXPERTS * EXPERT)

    def decode_s(q: int) -> float:
        touched = EXPERTS * (1 - ((EXPERTS - ACTIVE_EXPERTS) / EXPERTS) ** q)
        read = attention_bytes + touched * EXPERT_BYTES + q * context * CACHE_BYTES
        return CALL_S + read / bandwidth + q * block_flops / peak

    def head_s(q: int) -> float:
        return CALL_S + HEAD_BYTES / bandwidth + q * 2 * HIDDEN * VOCABULARY / peak

    weights_s = (attention_bytes + EXPERTS * EXPERT_BYTES) / bandwidth
    batches = range(1, workload.max_batch + 1)
    return Device(
        name=name,
        memory_bytes=memory_bytes,
        prefill_s_per_token_per_block=(CALL_S + weights_s) / prompt + block_flops / peak,
        decode_s_per_block=tuple(decode_s(q) for q in batches),
        head_prefill_s_per_token=head_s(1) / prompt,
        head_decode_s=tuple(head_s(q) for q in batches),
    )
