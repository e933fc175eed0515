"""The registry is data, and true to the functions that it names."""

import inspect
import re
from dataclasses import replace

import pytest

import shardopt
from shardopt.models.discover import problem_ids
from shardopt.models.errors import InputError, UnavailableError
from shardopt.solvers import registry
from shardopt.solvers.registry import aliases, find_solver, solver_rows

ROWS = [(problem, row) for problem in problem_ids() for row in solver_rows(problem)]
every_row = pytest.mark.parametrize(
    ("problem", "row"), ROWS, ids=[f"{problem}-{row.name}" for problem, row in ROWS]
)


@every_row
def test_that_a_name_follows_the_convention(problem, row):
    assert re.fullmatch(r"[a-z0-9-]+([/@+][a-z0-9-]+)?", row.name)
    assert row.summary
    assert row.source


@every_row
def test_that_the_function_takes_what_the_row_promises(problem, row):
    parameters = inspect.signature(row.load()).parameters
    assert next(iter(parameters)) == "instance"
    assert ("start" in parameters) == row.warm_start
    assert set(row.fixed) <= set(parameters)


@every_row
def test_that_a_second_opinion_comes_from_solvers_that_prove_bounds(problem, row):
    assert row.proves_bounds == (row.kind == "exact")
    assert bool(row.verify_with) == row.proves_bounds
    assert all(find_solver(problem, name).proves_bounds for name in row.verify_with)


@pytest.mark.parametrize("problem", problem_ids())
def test_that_names_are_unique(problem):
    names = [row.name for row in solver_rows(problem)] + list(aliases(problem))
    assert len(names) == len(set(names))


@pytest.mark.parametrize("problem", problem_ids())
def test_that_every_problem_has_the_two_aliases(problem):
    assert find_solver(problem, "exact").kind == "exact"
    assert find_solver(problem, "heuristic").kind == "heuristic"


def test_that_an_unknown_solver_gets_the_nearest_names():
    with pytest.raises(InputError, match="did you mean dp"):
        find_solver("cold-start", "dpp")


def test_that_an_unknown_problem_gets_the_known_ones():
    with pytest.raises(InputError, match="cold-start"):
        find_solver("warm-start", "exact")


def test_that_a_solver_without_its_package_says_what_to_install(monkeypatch):
    instance = shardopt.generate("cold-start", "csgo-table1")
    row = replace(find_solver("cold-start", "even"), needs=("no_such_package",))
    monkeypatch.setattr(registry, "solver_rows", lambda problem: (row,))
    with pytest.raises(UnavailableError, match=r"no_such_package.*pip install"):
        shardopt.solve(instance, "even")
