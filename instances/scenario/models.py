"""The model of a scenario: its sizes in the precision that the scenario asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from shardopt.instances.catalogue import load as catalogue
from shardopt.instances.catalogue.config_json import read_config, transformer
from shardopt.instances.catalogue.precision import PLAIN_BYTES, Quantisation, precision
from shardopt.instances.catalogue.transformer import Precision, Transformer
from shardopt.instances.scenario.data import Model
from shardopt.instances.scenario.names import find_at
from shardopt.instances.scenario.schema import ModelSection
from shardopt.models.errors import InputError

GROUP = 128
"""Weights that share a scale: what published GPTQ and AWQ checkpoints mostly use."""
QUANTISATIONS = {
    "gptq": Quantisation(quant_method="gptq", bits=4, group_size=GROUP),
    "awq": Quantisation(quant_method="awq", bits=4, group_size=GROUP),
    "fp8": Quantisation(quant_method="fp8"),
    "bitsandbytes-8": Quantisation(quant_method="bitsandbytes", load_in_8bit=True),
    "bitsandbytes-4": Quantisation(quant_method="bitsandbytes", load_in_4bit=True),
}
CACHE_BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "fp8": 1.0}


def model_of(section: ModelSection, folder: Path) -> Model:
    """Return the model; a ``config.json`` is sought beside the scenario."""
    if (section.name is None) == (section.config is None):
        found = "nothing" if section.name is None else "name and config"
        raise InputError(found, "either name, of the catalogue, or config, a file", "model")
    if section.name is not None:
        called = section.name
        entry = find_at(catalogue.models(), called, "a model of the catalogue", "model.name")
        sizes = transformer(entry.config)
    else:
        called = str(folder / str(section.config))
        sizes = read_config(called)
    sizes = replace(sizes, precision=_precision(sizes, section))
    return Model(called, sizes, CACHE_BYTES[section.cache_dtype])


def _precision(sizes: Transformer, section: ModelSection) -> Precision:
    """Return the precision of the file itself, or what the scenario says in its place."""
    if section.quantisation is not None and section.weight_bits is not None:
        raise InputError("weight_bits beside quantisation", "one of both", "model.weight_bits")
    own = sizes.precision
    is_plain = own.dense_bits == own.expert_bits == 8 * own.plain_bytes
    plain_bytes = own.plain_bytes if section.dtype is None else PLAIN_BYTES[section.dtype]
    if section.weight_bits is not None:
        name = f"{section.weight_bits:g} bits"
        return Precision(name, plain_bytes, section.weight_bits, section.weight_bits)
    if section.quantisation == "none" or (section.quantisation is None and is_plain):
        name = section.dtype or (own.name if is_plain else f"{8 * plain_bytes:g} bits")
        return Precision(name, plain_bytes, 8 * plain_bytes, 8 * plain_bytes)
    if section.quantisation is None:
        return replace(own, plain_bytes=plain_bytes)
    return replace(precision(QUANTISATIONS[section.quantisation], None), plain_bytes=plain_bytes)
