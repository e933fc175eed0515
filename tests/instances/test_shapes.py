"""The matrices of a block are those that the catalogue counts."""

from __future__ import annotations

import math

import pytest

from shardopt.instances.catalogue.config_json import transformer
from shardopt.instances.catalogue.load import models
from shardopt.instances.catalogue.shapes import Latent, block_shape, matrices


@pytest.mark.parametrize("name", models().entries)
def test_that_a_block_is_made_of_the_matrices_that_are_counted(name):
    config = models().entries[name].config
    block, sizes = transformer(config).blocks[-1], matrices(block_shape(config))
    counted = block.dense.matrices + block.experts.count * block.experts.expert.matrices
    made = sum(math.prod(size) for part, size in sizes.items() if part != "router")
    assert made == counted


@pytest.mark.parametrize("name", models().entries)
def test_that_attention_keeps_as_many_numbers_as_are_counted(name):
    config = models().entries[name].config
    attention = block_shape(config).attention
    if isinstance(attention, Latent):
        kept = attention.latent + attention.rope
    else:
        kept = 2 * attention.kv_heads * attention.head
    assert kept == transformer(config).blocks[-1].cache_numbers


def test_that_the_last_block_is_taken_where_the_first_ones_are_dense():
    shape = block_shape(models().entries["deepseek-v3"].config)
    assert (shape.experts, shape.active, shape.expert_width) == (256, 8, 2048)
    assert shape.width == 2048  # the shared expert
