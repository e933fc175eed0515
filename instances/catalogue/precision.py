"""Bits of a parameter, as ``config.json`` tells them."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from shardopt.instances.catalogue.transformer import Precision
from shardopt.instances.strict import StrictModel, shown
from shardopt.models.errors import InputError

PLAIN_BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "float8_e4m3fn": 1.0}
METHODS = ("gptq", "awq", "fp8", "mxfp4", "bitsandbytes")
MXFP4_BITS = 4 + 8 / 32
"""Four bits, and eight for the scale of each 32 (OCP Microscaling Formats, version 1.0)."""


class Quantisation(StrictModel):
    """``quantization_config``; what it says of the matrices' size."""

    model_config = ConfigDict(extra="ignore")

    quant_method: str | None = None
    bits: Annotated[int | None, Field(ge=1, le=16)] = None
    group_size: int | None = None
    weight_block_size: list[int] | None = None
    load_in_4bit: bool | None = None
    load_in_8bit: bool | None = None
    bnb_4bit_use_double_quant: bool | None = None


def precision(quantised: Quantisation | None, dtype: str | None) -> Precision:
    """Return the bits of the matrices in blocks; all the rest stays as the dtype says."""
    name = (dtype or "bfloat16").removeprefix("torch.")
    if name not in PLAIN_BYTES:
        raise InputError(shown(name), "one of " + ", ".join(PLAIN_BYTES), "torch_dtype")
    plain = PLAIN_BYTES[name]
    if quantised is None:
        return Precision(name, plain, 8 * plain, 8 * plain)
    if quantised.quant_method == "mxfp4":  # the experts only
        return Precision("mxfp4", plain, 8 * plain, MXFP4_BITS)
    bits = _bits(quantised)
    return Precision(quantised.quant_method or "bitsandbytes", plain, bits, bits)


def _bits(q: Quantisation) -> float:
    match q.quant_method:
        case "gptq" | "awq":  # a scale of 16 bits and a zero of so many for each group
            bits, group = q.bits or 4, q.group_size or 0
            return bits + (16 + bits) / group if group > 0 else float(bits)
        case "fp8":  # a scale of 32 bits for each tile
            tile = q.weight_block_size
            return 8 + 32 / (tile[0] * tile[1]) if tile and len(tile) == 2 else 8.0
        case "bitsandbytes" | None if q.load_in_8bit:
            return 8.0
        case "bitsandbytes" | None if q.load_in_4bit:  # a scale for 64 numbers (QLoRA, section 3)
            return 4 + (8 / 64 + 32 / (64 * 256) if q.bnb_4bit_use_double_quant else 32 / 64)
    found = shown(q.quant_method)
    expected = "one of " + ", ".join(METHODS)
    raise InputError(found, expected, "quantization_config.quant_method")
