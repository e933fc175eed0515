"""Which problem of a scenario is meant, where a scenario stands in an instance's place."""

from __future__ import annotations

from typing import Any

import click

problem_option = click.option(
    "--problem", metavar="P", help="Of a scenario: the problem to make an instance of."
)


def load_with_plan(instance_file: str, solution_file: str) -> Any:
    """Read an instance; of a scenario, make that of the problem which a plan's file names."""
    import shardopt
    from shardopt.instances.scenario import is_scenario
    from shardopt.instances.strict import read_json
    from shardopt.models.discover import problem_ids

    if not is_scenario(instance_file):
        return shardopt.load(instance_file)
    plan = read_json(solution_file, finite=False)
    problem = plan.get("problem") if isinstance(plan, dict) else None
    return shardopt.load(instance_file, problem if problem in problem_ids() else None)
