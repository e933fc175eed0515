"""Small random models, as transformers builds them: sizes and ``device_map`` (extra: torch)."""

from __future__ import annotations

import json

import pytest

from export.plans import chain, plan
from shardopt.export.accelerate import accelerate
from shardopt.export.target import Target
from shardopt.instances.catalogue.config_json import FAMILIES, transformer

pytest.importorskip("accelerate", reason="needs torch, transformers and accelerate")
transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # their warnings are not ours

SMALL = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 80,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 24}
LATENT = {
    "num_key_value_heads": 4,
    "q_lora_rank": 20,
    "kv_lora_rank": 12,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 16,
    "head_dim": 8,
    "n_routed_experts": 8,
    "n_shared_experts": 2,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
}
MORE = {
    "bloom": {"n_layer": 4, "n_head": 4},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": {"num_experts": 4, "mlp_only_layers": [2], **EXPERTS},
    "gpt_oss": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "deepseek_v2": EXPERTS | LATENT,
    "deepseek_v3": EXPERTS | LATENT,
}


def small(family, **changes):
    """Return a small random model and what its config.json says."""
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family, **SMALL | MORE.get(family, {}) | changes)
    model = transformers.AutoModelForCausalLM.from_config(config)
    return model.eval(), json.loads(config.to_json_string(use_diff=False))


def parameters(model):
    buffers = sum(b.numel() for n, b in model.named_buffers() if n.endswith("correction_bias"))
    return sum(p.numel() for p in model.parameters()) + buffers


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_that_the_parameters_are_those_that_transformers_makes(family, tied):
    model, config = small(family, tie_word_embeddings=tied)
    assert transformer(config).parameters == parameters(model)


@pytest.mark.parametrize("family", FAMILIES)
def test_that_attention_has_the_biases_that_transformers_makes(family):
    model, config = small(family, attention_bias=True, mlp_bias=family == "llama")
    assert transformer(config).parameters == parameters(model)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_that_a_model_in_two_parts_says_the_same(family, tied, tmp_path):
    model, config = small(family, tie_word_embeddings=tied)
    model.save_pretrained(tmp_path / "model")
    devices = json.loads(accelerate(plan(chain(1, 3)), Target("m", transformer(config))))
    parts = {name: ("cpu", "disk")[n] for name, n in devices.items()}
    split = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", device_map=parts, offload_folder=tmp_path / "offload"
    )
    tokens = torch.arange(3, 13).reshape(1, 10)
    with torch.no_grad():
        expected, found = model(tokens).logits, split(tokens).logits
    assert torch.allclose(expected, found, atol=1e-4)
