"""Makes a problem's instance of a scenario.

Each problem has a module ``scenario`` with ``from_scenario(scenario)``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shardopt.instances.files import instance_from_json, instance_to_json
from shardopt.instances.scenario.data import Scenario
from shardopt.instances.scenario.read import read_scenario
from shardopt.models.discover import part, problem_ids, require_problem
from shardopt.models.errors import InputError


def load_instance(path: str | Path, problem: str | None = None) -> Any:
    """Return the instance of a scenario file; raises `InputError` as `instance_of` does."""
    try:
        return instance_of(read_scenario(path), problem)
    except InputError as error:
        raise error if error.file else error.in_file(str(path)) from None


def instance_of(scenario: Scenario, problem: str | None = None) -> Any:
    """Return the instance of a problem, by default of the one that the scenario names.

    Raises
    ------
    InputError
        No problem or an unknown one, or figures that the problem cannot take.
    """
    problem = problem or scenario.problem
    if problem is None:
        expected = "one of " + ", ".join(problem_ids()) + " (or --problem)"
        raise InputError("nothing", expected, "problem")
    require_problem(problem)
    made = part(problem, "instances", "scenario").from_scenario(scenario)
    # What no file could hold is refused here, with the place in the instance.
    return instance_from_json(instance_to_json(made))
