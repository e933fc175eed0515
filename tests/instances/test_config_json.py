"""A model's sizes follow from its config.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shardopt.instances.catalogue.config_json import read_config, transformer
from shardopt.instances.catalogue.load import find, models
from shardopt.instances.cold_start.presets import QWEN3_14B
from shardopt.models.errors import InputError

CONFIGS = Path(__file__).parents[1] / "data" / "configs"
FILES = sorted(CONFIGS.glob("*.json"))
LLAMA = find(models(), "llama-3-8b", "a model").config


def in_file(name):
    return json.loads((CONFIGS / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", models().entries)
def test_that_the_parameters_of_a_catalogue_model_are_the_published_ones(name):
    entry = models().entries[name]
    model = transformer(entry.config)
    assert model.parameters == pytest.approx(entry.parameters.value, rel=0.005)
    if entry.active_parameters is not None:  # cards count the embedding in, or not
        known = entry.active_parameters.value
        least, most = model.active_parameters, model.active_parameters + model.embedding
        assert 0.995 * least <= known <= 1.005 * most


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_that_the_parameters_of_a_config_file_are_the_published_ones(path):
    entry = in_file(path.stem)
    assert transformer(entry["config"]).parameters == pytest.approx(entry["parameters"], rel=0.005)


def test_that_the_embedding_of_a_tied_model_is_counted_once():
    tied = transformer(LLAMA | {"tie_word_embeddings": True})
    untied = transformer(LLAMA)
    assert untied.parameters - tied.parameters == untied.head
    assert tied.head_bytes == untied.head_bytes


def test_that_grouped_queries_share_keys_and_values():
    model = transformer(LLAMA)
    assert model.cache_bytes_per_token() == 2 * 32 * 2 * 8 * 128
    ungrouped = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"}
    assert transformer(ungrouped).cache_bytes_per_token() == 4 * model.cache_bytes_per_token()


def test_that_latent_attention_keeps_the_latent_and_the_rotary_key_only():
    model = transformer(in_file("deepseek-v2-lite")["config"])
    assert model.cache_bytes_per_token() == 2 * 27 * (512 + 64)


def test_that_dense_blocks_come_before_those_with_experts():
    blocks = transformer(in_file("deepseek-v2-lite")["config"]).blocks
    assert blocks[0].experts.count == 0
    assert [block.experts.count for block in blocks[1:]] == [64] * 26


def test_that_the_work_of_a_prompt_is_that_of_the_cold_start_presets():
    block = transformer(find(models(), "qwen3-14b", "a model").config).blocks[0]
    assert block.prefill_flops(2048) == QWEN3_14B.flops(2048)


def test_that_decoding_token_by_token_costs_what_the_pairs_say():
    block = transformer(LLAMA).blocks[0]
    base = block.decode_flops(0)
    assert base == 2 * block.dense.matrices
    assert block.decode_flops(100) - base == 2 * 100 * 2 * 32 * 128


def test_that_only_active_experts_work():
    model = transformer(find(models(), "mixtral-8x7b", "a model").config)
    block = model.blocks[0]
    idle = 6 * block.experts.expert.matrices
    assert block.decode_flops(0) == 2 * (block.parameters - idle - block.dense.others)


def test_that_a_nested_text_model_takes_the_dtype_of_the_whole():
    config = in_file("mistral-small-3.1-24b")["config"]
    assert transformer(config | {"torch_dtype": "float32"}).precision.plain_bytes == 4


def test_that_groups_of_quantised_weights_have_a_scale_and_a_zero():
    plain = transformer(in_file("qwen2.5-7b")["config"])
    quantised = transformer(in_file("qwen2.5-7b-gptq-int4")["config"])
    block = plain.blocks[0]
    expected = block.dense.matrices * (4 + (16 + 4) / 128) / 8 + block.dense.others * 2
    assert quantised.block_weight_bytes(block) == pytest.approx(expected)
    assert quantised.embedding_bytes == plain.embedding_bytes


def test_that_microscaling_touches_experts_only():
    model = transformer(find(models(), "gpt-oss-20b", "a model").config)
    block = model.blocks[0]
    experts = 32 * block.experts.expert.matrices * 4.25 / 8
    rest = 2 * (block.dense.parameters + 32 * block.experts.expert.others)
    assert model.block_weight_bytes(block) == pytest.approx(experts + rest)


@pytest.mark.parametrize(
    ("quantised", "bits"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 64}, 4 + 20 / 64),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, 8),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 8 + 32 / 128**2),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, 8),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, 4.5),
        ({"load_in_4bit": True, "bnb_4bit_use_double_quant": True}, 4.126953125),
    ],
)
def test_that_a_quantisation_has_so_many_bits(quantised, bits):
    assert transformer(LLAMA | {"quantization_config": quantised}).precision.dense_bits == bits


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "lama"}, r"model_type: .*did you mean llama"),
        ({"hidden_size": None}, r"hidden_size: found nothing"),
        ({"num_hidden_layers": 0}, r"num_hidden_layers: found 0, expected a number >= 1"),
        ({"num_hidden_layers": "32"}, r'num_hidden_layers: found "32", expected an integer'),
        ({"torch_dtype": "int7"}, r'torch_dtype: found "int7"'),
        ({"quantization_config": {"quant_method": "hqq"}}, r"quantization_config.quant_method"),
    ],
)
def test_that_a_bad_config_is_refused_with_its_place(change, message, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA | change), encoding="utf-8")
    with pytest.raises(InputError, match=rf"config\.json: {message}"):
        read_config(path)


def test_that_what_is_no_object_is_refused():
    with pytest.raises(InputError, match="expected an object"):
        transformer([1])
