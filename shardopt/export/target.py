"""The model that an engine is to load, as far as the user names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shardopt.instances.catalogue.config_json import transformer
from shardopt.instances.catalogue.load import models, unknown
from shardopt.instances.catalogue.transformer import Transformer
from shardopt.instances.strict import read_json
from shardopt.models.errors import InputError


@dataclass(frozen=True)
class Target:
    """What stands for the model in commands, and its sizes where they are known.

    ``nested`` tells that the text model is a part of a larger one.
    """

    location: str | None = None
    sizes: Transformer | None = None
    nested: bool = False


def target(name: str | None) -> Target:
    """Return the model of a catalogue name, a ``config.json``, or an ``owner/model`` id."""
    if name is None:
        return Target()
    entries = models().entries
    if name in entries:
        return Target(entries[name].huggingface, transformer(entries[name].config))
    if name.endswith(".json"):
        config = read_json(name)
        try:
            sizes = transformer(config)
        except InputError as error:
            raise error.in_file(name) from None
        return Target(str(Path(name).parent), sizes, nested="text_config" in config)
    if "/" in name:
        return Target(name)
    raise unknown(name, entries, "a model of the catalogue, a config.json or owner/model")


def require_blocks(model: Target, blocks: int) -> None:
    """Raise `InputError` if the model is known and has another number of blocks."""
    if model.sizes is not None and len(model.sizes.blocks) != blocks:
        expected = f"{len(model.sizes.blocks)}, as the model has"
        raise InputError(f"a plan of {blocks} blocks", expected, "solution")
