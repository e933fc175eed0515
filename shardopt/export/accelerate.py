"""Hugging Face accelerate: a ``device_map`` for the devices of one machine."""

from __future__ import annotations

import json
from dataclasses import dataclass

from shardopt.export.deployment import Deployment, refusal, require_one_pipeline
from shardopt.export.target import Target
from shardopt.models.errors import InputError


@dataclass(frozen=True)
class Modules:
    """What a family calls its parts: before the blocks, the blocks, and after them."""

    before: tuple[str, ...]
    block: str
    after: tuple[str, ...]


USUAL = Modules(("model.embed_tokens", "model.rotary_emb"), "model.layers", ("model.norm",))
BLOOM = Modules(
    ("transformer.word_embeddings", "transformer.word_embeddings_layernorm"),
    "transformer.h",
    ("transformer.ln_f",),
)
HEAD = "lm_head"


def accelerate(plan: Deployment, model: Target) -> str:
    """Return the map: device n is the plan's n-th, so that ``cuda:n`` has to be that one."""
    pipeline = require_one_pipeline(plan, "accelerate")
    if model.sizes is None:
        raise InputError("no sizes", "a model of the catalogue or a config.json", "--model")
    if model.nested:
        raise refusal("a text model inside another", "accelerate", "a model of text alone")
    modules = BLOOM if model.sizes.family == "bloom" else USUAL
    last = len(pipeline.stages) - 1
    devices = dict.fromkeys(modules.before, 0)
    for n, stage in enumerate(pipeline.stages):
        devices |= {f"{modules.block}.{block}": n for block in range(stage.start, stage.stop)}
    devices |= dict.fromkeys(modules.after, last)
    # One tensor cannot be on two devices.
    devices[HEAD] = 0 if model.sizes.tied else last
    return json.dumps(devices, indent=1) + "\n"
