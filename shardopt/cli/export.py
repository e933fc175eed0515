"""``shardopt export``."""

from __future__ import annotations

from pathlib import Path

import click

from shardopt.cli.problem import load_with_plan
from shardopt.models.errors import InputError


@click.command(
    epilog="""\b
Example:
  shardopt solve csgo.json -o result.json
  shardopt export csgo.json result.json --engine vllm --model qwen3-14b -o plan.sh
  HEAD=10.0.0.1 sh plan.sh device-1
Engines: vllm, sglang, petals, llama.cpp, accelerate, json, csv."""
)
@click.argument("instance_file", metavar="INSTANCE")
@click.argument("solution_file", metavar="SOLUTION")
@click.option("--engine", required=True, metavar="NAME", help="For which engine.")
@click.option(
    "--model",
    metavar="M",
    help="A catalogue name, a config.json, or owner/model; of a scenario its own by default.",
)
@click.option("-o", "--output", metavar="FILE", help="Write to FILE instead of stdout.")
def command(
    instance_file: str,
    solution_file: str,
    engine: str,
    model: str | None,
    output: str | None,
) -> None:
    """Write the plan of SOLUTION (a solution or result file) as settings of an engine.

    A plan that the engine cannot run is refused, with the reason.
    """
    from shardopt.export.engines import export
    from shardopt.instances.files import read_solution
    from shardopt.instances.scenario import is_scenario

    instance = load_with_plan(instance_file, solution_file)
    if model is None and is_scenario(instance_file):
        from shardopt.instances.scenario.read import read_scenario

        model = read_scenario(instance_file).model.called
    text = export(instance, read_solution(solution_file, instance.problem), engine, model)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(reason, "a place that can be written", file=output) from None
    click.echo(f"wrote {output}", err=True)
