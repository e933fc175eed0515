"""``shardopt profile``."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shardopt.models.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from shardopt.instances.catalogue.schema import DeviceEntry
    from shardopt.profile.fit import Timing
    from shardopt.profile.measure import Profile
    from shardopt.profile.roofline import Rates

MOST_SPREAD = 0.3
"""Times of a machine that does nothing else lie closer together."""


@click.command(
    epilog="""\b
Example:
  shardopt profile llama-3.2-1b -o device.toml
  shardopt profile config.json --device cuda --input-tokens 2048 --as rtx-4090
  shardopt catalogue show device.toml"""
)
@click.argument("model", metavar="CONFIG|MODEL")
@click.option("-o", "--output", metavar="FILE", help="Write the device's entry to FILE (TOML).")
@click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), help="On what.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    help="Precision of weights and arithmetic.  [default: the config's]",
)
@click.option(
    "--input-tokens",
    type=click.IntRange(16, 1 << 20),
    default=512,
    show_default=True,
    help="The longest prompt.",
)
@click.option(
    "--output-tokens",
    type=click.IntRange(1, 1 << 20),
    default=128,
    show_default=True,
    help="Tokens to decode after it.",
)
@click.option(
    "--folder",
    default=".",
    metavar="DIR",
    help="Where a file is written and read back.  [default: the current folder]",
)
@click.option("--as", "name", metavar="DEVICE", help="Also predict with a catalogue device.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    model: str,
    output: str | None,
    device: str | None,
    dtype: str | None,
    input_tokens: int,
    output_tokens: int,
    folder: str,
    name: str | None,
    as_json: bool,
) -> None:
    """Measure how fast this machine runs one block of a model, and describe it as a device.

    The block has the shapes of CONFIG (a config.json, or a MODEL of the catalogue) and random
    weights. Two rates, of arithmetic and of reading, are fitted to some of the times; how far they
    are off at the others, which the fit has not seen, is printed.

    Needs PyTorch: pip install 'shardopt[profile]'.
    """
    from shardopt.cli.console import print_json

    config = _config(model)
    known = _known(name)
    measure = _measure_function()
    profile = measure(
        config,
        device=device,
        dtype=dtype,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        folder=Path(folder),
        report=lambda line: click.echo(line, err=True),
    )
    if output is not None:
        asked = f"{input_tokens} --output-tokens {output_tokens}"
        _write(output, profile, f"{Path(model).name} --input-tokens {asked}")
    if as_json:
        print_json(_json(profile, model, known))
    else:
        _print(profile, known)
    restless = max(timing.spread for timing in profile.timings)
    if restless > MOST_SPREAD:
        message = f"times spread by up to {100 * restless:.0f} %: does something else run here?"
        click.echo(f"warning: {message}", err=True)
    if output is not None:
        click.echo(f"wrote {output}", err=True)


def _config(model: str) -> Any:
    """Return what the ``config.json`` of a file or of a catalogue's model says."""
    from shardopt.instances.catalogue.config_json import transformer
    from shardopt.instances.catalogue.load import models, unknown
    from shardopt.instances.strict import read_json

    if not model.endswith(".json"):
        entries = models().entries
        if model not in entries:
            raise unknown(model, entries, "a model of the catalogue, or a config.json")
        return entries[model].config
    config = read_json(model)
    try:
        transformer(config)
    except InputError as error:
        raise error.in_file(model) from None
    return config


def _known(name: str | None) -> DeviceEntry | None:
    from shardopt.instances.catalogue.load import devices, find

    return None if name is None else find(devices(), name, "a device of the catalogue")


def _measure_function() -> Any:
    try:
        import torch  # noqa: F401
    except ImportError:
        needed = "profile needs PyTorch: pip install 'shardopt[profile]'"
        raise UnavailableError(needed) from None
    from shardopt.profile.measure import measure

    return measure


def _write(output: str, profile: Profile, arguments: str) -> None:
    from shardopt.profile.entry import entry_toml

    versions = ", ".join(f"{name} {version}" for name, version in profile.versions.items())
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    command = f"shardopt profile {arguments} --device {profile.device} --dtype {profile.dtype}"
    try:
        text = entry_toml(profile, f"`{command}` on {today}; {versions}")
        Path(output).write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(reason, "a place that can be written", file=output) from None


def _rates_of(known: DeviceEntry) -> Rates:
    from shardopt.profile.roofline import Rates

    return Rates(known.fp16_flops_per_s.value, known.memory_bytes_per_s.value)


def _print(profile: Profile, known: DeviceEntry | None) -> None:
    from rich import box
    from rich.table import Table

    from shardopt.cli.console import stdout_console

    console = stdout_console()
    facts = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    for what, value in _facts(profile):
        facts.add_row(what, value)
    console.print(facts)
    console.print(_table(profile.timings, profile.rates, known))
    worst = max((abs(t.error(profile.rates)) for t in profile.timings if not t.fitted), default=0)
    console.print(f"Rows that the fit has not seen are off by up to {100 * worst:.1f} %.")


def _facts(profile: Profile) -> Sequence[tuple[str, str]]:
    from shardopt.profile.entry import with_threads
    from shardopt.profile.fit import relative_spread
    from shardopt.units import printable, si

    threads = with_threads(profile.threads)
    reading, rates = profile.reading, profile.rates
    read = reading.size_bytes / statistics.median(reading.times_s)
    spread = f"spread {100 * relative_spread(reading.times_s):.0f} %"
    copies = profile.copies_bytes_per_s.items()
    total = si(profile.total_bytes, "B")
    return [
        ("device", f"{printable(profile.title)} ({profile.device}{threads})"),
        ("block", f"{si(profile.block_bytes, 'B')} of random weights, {profile.dtype}"),
        ("memory", f"{si(profile.free_bytes, 'B')} free of {total}"),
        ("arithmetic, fitted", si(rates.flops_per_s, "FLOP/s")),
        ("memory bandwidth, fitted", si(rates.bytes_per_s, "B/s")),
        *((f"copying, {where}", si(rate, "B/s")) for where, rate in copies),
        (
            "reading a file",
            f"{si(read, 'B/s')} ({si(reading.size_bytes, 'B')}, {spread}; "
            f"page cache {reading.cache})",
        ),
    ]


def _table(timings: Sequence[Timing], rates: Rates, known: DeviceEntry | None) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = ["step", "tokens", "measured", "spread", "predicted", "off by", ""]
    if known is not None:
        columns[-1:] = [known.name, "off by", ""]
    for column in columns:
        table.add_column(column, justify="left" if column in ("step", "") else "right")
    for timing in timings:
        row = [timing.phase, str(timing.tokens), _ms(timing.median_s)]
        row += [f"{100 * timing.spread:.0f} %", *_predicted(rates, timing)]
        if known is not None:
            row += _predicted(_rates_of(known), timing)
        table.add_row(*row, "fitted" if timing.fitted else "not seen")
    return table


def _predicted(rates: Rates, timing: Timing) -> list[str]:
    return [_ms(rates.seconds(timing.work)), f"{100 * timing.error(rates):+.1f} %"]


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.4g} ms"


def _json(profile: Profile, model: str, known: DeviceEntry | None) -> dict[str, Any]:
    reading = profile.reading
    return {
        "format": "shardopt-profile/1",
        "model": model,
        "device": profile.device,
        "title": profile.title,
        "dtype": profile.dtype,
        "threads": profile.threads,
        "block_bytes": profile.block_bytes,
        "memory_free_bytes": profile.free_bytes,
        "memory_total_bytes": profile.total_bytes,
        "flops_per_s": profile.rates.flops_per_s,
        "memory_bytes_per_s": profile.rates.bytes_per_s,
        "copies_bytes_per_s": dict(profile.copies_bytes_per_s),
        "read_bytes_per_s": reading.size_bytes / statistics.median(reading.times_s),
        "read_file_bytes": reading.size_bytes,
        "read_times_s": list(reading.times_s),
        "page_cache": reading.cache,
        "as": None if known is None else known.name,
        "rows": [_json_row(timing, profile.rates, known) for timing in profile.timings],
        "versions": dict(profile.versions),
    }


def _json_row(timing: Timing, rates: Rates, known: DeviceEntry | None) -> dict[str, Any]:
    row = {
        "step": timing.phase,
        "tokens": timing.tokens,
        "fitted": timing.fitted,
        "flops": timing.work.flops,
        "read_bytes": timing.work.read_bytes,
        "measured_s": timing.median_s,
        "spread": timing.spread,
        "repeats": len(timing.times_s),
        "predicted_s": rates.seconds(timing.work),
        "error": timing.error(rates),
    }
    if known is not None:
        row["as_predicted_s"] = _rates_of(known).seconds(timing.work)
        row["as_error"] = timing.error(_rates_of(known))
    return row
