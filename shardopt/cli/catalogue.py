"""``shardopt catalogue``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shardopt.cli.console import stdout_console
from shardopt.models.errors import InputError

if TYPE_CHECKING:
    from shardopt.instances.catalogue.schema import Entry
    from shardopt.instances.catalogue.transformer import Transformer

UNITS = {
    "memory_bytes": "B",
    "memory_bytes_per_s": "B/s",
    "fp16_flops_per_s": "FLOP/s",
    "vector_flops_per_s": "FLOP/s",
    "bytes_per_s": "B/s",
    "read_bytes_per_s": "B/s",
    "parameters": "",
    "active_parameters": "",
}
LISTED = {
    "devices": ("memory_bytes", "memory_bytes_per_s", "fp16_flops_per_s"),
    "links": ("bytes_per_s",),
    "storage": ("read_bytes_per_s",),
    "models": ("parameters",),
}


@click.command(
    epilog="""\b
Example:
  shardopt catalogue devices
  shardopt catalogue show agx-orin-32
  shardopt catalogue show config.json
  shardopt catalogue show device.toml"""
)
@click.argument("what", metavar="models|devices|links|storage|show")
@click.argument("name", required=False)
def command(what: str, name: str | None) -> None:
    """List what the catalogue knows, or show one entry with the source of each figure.

    `show` also takes a model's Hugging Face config.json, or a file of `shardopt profile`.
    """
    from shardopt.instances.catalogue.load import KINDS, unknown

    if what == "show":
        if name is None:
            raise click.UsageError("show needs a NAME")
        _show(name)
    elif what not in KINDS:
        found = unknown(what, [*KINDS, "show"], "").found
        raise InputError(found, "one of " + ", ".join([*KINDS, "show"]), "catalogue")
    elif name is not None:
        raise click.UsageError(f"unexpected argument {name!r}: `show {name}` shows one entry")
    else:
        stdout_console().print(_table(what))


def _table(kind: str) -> Any:
    from rich import box
    from rich.table import Table

    from shardopt.instances.catalogue import load

    shelf = getattr(load, kind)()
    fields = LISTED[kind]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    for field in fields:
        table.add_column(_words(field), justify="right", no_wrap=True)
    table.add_column("what it is")
    for entry in shelf.entries.values():
        row = [_value(field, getattr(entry, field).value) for field in fields]
        table.add_row(entry.name, *row, entry.title)
    return table


def _show(name: str) -> None:
    from shardopt.instances.catalogue.config_json import read_config, transformer
    from shardopt.instances.catalogue.load import find_anywhere, read_machine
    from shardopt.instances.catalogue.schema import ModelEntry

    console = stdout_console()
    if name.endswith(".json"):
        console.print(_sizes(read_config(name)))
        return
    if name.endswith(".toml"):
        shelf = read_machine(Path(name))
        for entry in shelf.entries.values():
            console.print(f"{entry.name}: {entry.title}", style="bold")
            console.print(_figures(entry, shelf.sources))
        return
    entry, sources = find_anywhere(name)
    console.print(entry.title, style="bold")
    console.print(_figures(entry, sources))
    if isinstance(entry, ModelEntry):
        console.print(f"derived from {sources[entry.config_source]}:")
        console.print(_sizes(transformer(entry.config)))


def _figures(entry: Entry, sources: Mapping[str, str]) -> Any:
    from shardopt.instances.catalogue.load import figures

    table = _plain_table()
    for field, figure in figures(entry):
        note = f" ({figure.note})" if figure.note else ""
        value = _value(field, figure.value)
        table.add_row(_words(field), value, figure.flag, sources[figure.source] + note)
    return table


def _sizes(model: Transformer) -> Any:
    table = _plain_table()
    for name, value in _size_rows(model):
        table.add_row(name, value)
    return table


def _size_rows(model: Transformer) -> Iterator[tuple[str, str]]:
    from shardopt.instances.catalogue.transformer import CACHE_BYTES_PER_NUMBER
    from shardopt.units import si

    first, last = model.blocks[0], model.blocks[-1]
    cache = CACHE_BYTES_PER_NUMBER * last.cache_numbers
    yield "family", model.family
    yield "blocks", str(len(model.blocks))
    yield "parameters", f"{model.parameters:,}"
    yield "parameters that a token meets", f"{model.active_parameters:,}"
    yield "precision of the matrices", model.precision.name
    yield "all weights", si(model.weight_bytes(), "B")
    yield "weights of a block", si(model.block_weight_bytes(last), "B")
    if first != last:
        yield "weights of the first block", si(model.block_weight_bytes(first), "B")
    yield "embedding", si(model.embedding_bytes, "B")
    yield "head", si(model.head_bytes, "B") + (", the embedding's" if model.tied else "")
    yield "cache per token and block", si(cache, "B")
    yield "cache per token", si(model.cache_bytes_per_token(), "B")
    yield "activation per token", si(model.activation_bytes_per_token, "B")
    yield "prefill of 1024 tokens, a block", si(last.prefill_flops(1024), "FLOP")
    yield "decode after 1024 tokens, a block", si(last.decode_flops(1024), "FLOP")


def _plain_table() -> Any:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)


def _words(field: str) -> str:
    words = {"memory_bytes": "memory", "memory_bytes_per_s": "memory bandwidth"}
    words |= {"fp16_flops_per_s": "16-bit", "vector_flops_per_s": "16-bit without matrix units"}
    words |= {"bytes_per_s": "rate", "read_bytes_per_s": "read rate"}
    return words.get(field, field.replace("_", " "))


def _value(field: str, value: float) -> str:
    from shardopt.units import si

    return si(value, UNITS[field]) if UNITS[field] else f"{value / 1e9:.4g} billion"
