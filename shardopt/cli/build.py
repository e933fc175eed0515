"""``shardopt build``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from shardopt.cli.console import print_json, stdout_console
from shardopt.cli.problem import problem_option
from shardopt.models.errors import InputError

if TYPE_CHECKING:
    from shardopt.instances.scenario.data import Machine, Scenario


@click.command(
    epilog="""\b
Example:
  shardopt new cluster.toml
  shardopt build cluster.toml --problem cold-start -o instance.json"""
)
@click.argument("file", metavar="SCENARIO")
@problem_option
@click.option("-o", "--output", metavar="FILE", help="Write to FILE (.json or .json.gz).")
def command(file: str, problem: str | None, output: str | None) -> None:
    """Make a problem's instance of a scenario, and say what was derived for it.

    The instance goes to stdout unless -o names a file. The other commands take the scenario
    itself, too.
    """
    import shardopt
    from shardopt.instances.files import instance_to_json
    from shardopt.instances.scenario import is_scenario
    from shardopt.instances.scenario.build import load_instance
    from shardopt.instances.scenario.read import read_scenario

    if not is_scenario(file):
        raise InputError("no scenario", "a name that ends in .toml", file=file)
    instance = load_instance(file, problem)
    if output is None:
        print_json(instance_to_json(instance))
        return
    shardopt.save(output, instance)
    scenario = read_scenario(file)
    console = stdout_console()
    console.print(_facts(scenario))
    console.print(_machines(scenario))
    click.echo(f"wrote {output}", err=True)


def _facts(scenario: Scenario) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    for name, value in _fact_rows(scenario):
        table.add_row(name, value)
    return table


def _fact_rows(scenario: Scenario) -> Iterator[tuple[str, str]]:
    from shardopt.units import printable, si

    model, asked = scenario.model, scenario.workload
    sizes = model.sizes
    largest = max(sizes.blocks, key=sizes.block_weight_bytes)
    cache = asked.cached_tokens * sum(map(model.cache_bytes_per_token, sizes.blocks))
    room = sum(machine.memory_bytes for machine in scenario.machines)
    yield "model", f"{printable(model.called)}, {sizes.precision.name}"
    yield "blocks", f"{len(sizes.blocks)}, up to {si(sizes.block_weight_bytes(largest), 'B')} each"
    yield "embedding and output matrix", si(model.ends_bytes, "B")
    yield "all weights", si(sizes.weight_bytes(), "B")
    yield "keys and values", f"{si(cache, 'B')} for {asked.sessions} sessions"
    yield "usable memory", f"{si(room, 'B')} on {len(scenario.machines)} machines"


def _machines(scenario: Scenario) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("machine", "what it is"):
        table.add_column(heading)
    for heading in ("usable", "holds", "prefill", "decode", "load", "link"):
        table.add_column(heading, justify="right", no_wrap=True)
    for machine in scenario.machines:
        table.add_row(*_machine_row(scenario, machine))
    table.caption = "holds: blocks with their keys and values; prefill, decode: ms a block"
    return table


def _machine_row(scenario: Scenario, machine: Machine) -> list[str]:
    from shardopt.instances.scenario.roofline import Times
    from shardopt.units import printable, si

    model, times = scenario.model, Times(scenario, machine)
    tokens = scenario.workload.cached_tokens
    block = max(model.sizes.blocks, key=model.sizes.block_weight_bytes)
    whole = model.sizes.block_weight_bytes(block) + tokens * model.cache_bytes_per_token(block)
    load = machine.load_bytes_per_s
    return [
        printable(machine.name),
        machine.title,
        si(machine.memory_bytes, "B"),
        str(min(int(machine.memory_bytes / whole), len(model.sizes.blocks))),
        f"{1e3 * times.prefill_s(block):.3g}",
        f"{1e3 * times.decode_s(block, 1):.3g}",
        "" if load is None else si(load, "B/s"),
        si(machine.link_bytes_per_s, "B/s"),
    ]
