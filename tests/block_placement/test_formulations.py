"""Every formulation, on every backend, against brute force."""

from __future__ import annotations

import pytest

from block_placement import golden
from block_placement.brute import brute_force
from block_placement.instances import tiny_instance
from shardopt.models.block_placement.check import check
from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.result import OPTIMALITY_TOLERANCE, Result
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.block_placement.mending import mended

HOME = "shardopt.models.block_placement.formulations"
EXACT = {
    "boundary/highs": ("boundary", "highs"),
    "boundary/cbc": ("boundary", "cbc"),
    "runs/highs": ("runs", "highs"),
    "runs/cbc": ("runs", "cbc"),
    "direct/cp-sat": ("circuit", "cp-sat"),
    "direct/highs": ("direct", "highs"),
    "direct/cbc": ("direct", "cbc"),
}
FAST = ("boundary/highs", "runs/highs", "direct/cp-sat")
MOST_LINKS = 12
"""The published program is given only instances of at most so many sessions times servers."""


def solve(instance: Instance, name: str, start: Solution | None = None, **options) -> Result:
    module, backend = EXACT.get(name, (name, "highs"))
    return solve_exact(
        Job(instance, f"{HOME}.{module}:build", backend, options),
        solver=name,
        time_limit=60.0,
        seed=0,
        threads=1,
        start=start,
        on_progress=None,
        repair=lambda plan: mended(instance, plan, 5.0),
        isolated=False,
    )


def is_within_reach(instance: Instance, name: str) -> bool:
    if make_tables(instance).U.sum() < instance.block_count:
        return False  # no plan, and the solvers see that without a model
    if name in ("direct/highs", "direct/cbc"):
        return len(instance.servers) * instance.session_count <= MOST_LINKS
    return True


def assert_solved(instance: Instance, result: Result, optimum: float | None) -> None:
    assert result.faults == ()
    if optimum is None:
        assert result.status == "infeasible"
        return
    assert result.status == "optimal"
    assert result.objective == pytest.approx(optimum, rel=1e-6, abs=1e-12)
    assert check(instance, result.solution).feasible


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("seed", range(60))
def test_a_formulation_has_the_optimum_of_brute_force(name, seed):
    instance = tiny_instance(seed)
    if is_within_reach(instance, name):
        assert_solved(instance, solve(instance, name), brute_force(instance).value)


@pytest.mark.parametrize("seed", range(200, 240))
def test_the_published_program_has_the_optimum_of_brute_force(seed):
    instance = tiny_instance(seed, max_servers=3, max_blocks=3, max_sessions=2)
    if is_within_reach(instance, "direct/highs"):
        assert_solved(instance, solve(instance, "direct/highs"), brute_force(instance).value)


@pytest.mark.long
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("block", range(10))
def test_a_formulation_has_the_optimum_of_brute_force_on_hundreds_of_instances(name, block):
    sizes = {"max_servers": 3, "max_blocks": 3, "max_sessions": 2}
    limits = sizes if name in ("direct/highs", "direct/cbc") else {}
    for seed in range(1000 + 30 * block, 1030 + 30 * block):
        instance = tiny_instance(seed, **limits)
        if is_within_reach(instance, name):
            assert_solved(instance, solve(instance, name), brute_force(instance).value)


@pytest.mark.parametrize("name", [*FAST, "direct/highs"])
@pytest.mark.parametrize("seed", range(300, 330))
def test_an_optimal_start_is_a_solution_of_the_model(name, seed):
    limits = {"max_servers": 3, "max_blocks": 3, "max_sessions": 2}
    instance = tiny_instance(seed, **(limits if name == "direct/highs" else {}))
    best = brute_force(instance)
    if best.solution is not None:
        result = solve(instance, name, start=best.solution)
        assert_solved(instance, result, best.value)
        assert result.trace[0].objective == pytest.approx(best.value, rel=1e-9)


@pytest.mark.parametrize("seed", range(80))
def test_relaxations_are_never_above_the_optimum(seed):
    instance = tiny_instance(seed)
    optimum = brute_force(instance).value
    if optimum is None or not is_within_reach(instance, "runs"):
        return
    bounds = [
        solve(instance, "packing").bound,
        solve(instance, "packing", relaxed=True).bound,
        solve(instance, "boundary", relaxed=True).bound,
        solve(instance, "runs", relaxed=True).bound,
        solve(instance, "runs", pooled=True).bound,
    ]
    for bound in bounds:
        assert bound is not None
        assert bound <= optimum * (1 + OPTIMALITY_TOLERANCE) + 1e-12


@pytest.mark.parametrize("seed", range(80))
def test_pooling_does_not_change_the_linear_relaxation(seed):
    instance = tiny_instance(seed)
    if is_within_reach(instance, "runs"):
        single = solve(instance, "runs", relaxed=True)
        pooled = solve(instance, "runs", relaxed=True, pooled=True)
        if single.status == "infeasible":
            assert pooled.status == "infeasible"
            return
        assert pooled.bound == pytest.approx(single.bound, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", ["clustered-9-r1", "clustered-9-r8"])
def test_the_relaxation_of_the_boundary_model_is_tight_where_few_sessions_share_memory(name):
    bound = solve(golden.instance(name), "boundary", relaxed=True).bound
    assert bound == pytest.approx(golden.expected(name)["optimum"], rel=1e-6)


def test_the_relaxation_of_pooled_runs_is_within_two_percent_at_150_sessions():
    bound = solve(golden.instance("clustered-9-r150"), "runs", relaxed=True, pooled=True).bound
    optimum = golden.expected("clustered-9-r150")["optimum"]
    assert 0.98 * optimum < bound <= optimum


def test_the_published_program_refuses_to_be_too_large():
    instance = golden.instance("clustered-9-r150")
    client = instance.clients[0]
    many = type(client)(**{**vars(client), "sessions": 20_000})
    instance = type(instance)(**{**vars(instance), "clients": (many,)})
    result = solve(instance, "direct/highs")
    assert (result.status, result.termination) == ("unknown", "memory-limit")
