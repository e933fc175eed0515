"""The formulations: against brute force on every backend, row by row, and under fixed cuts."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from ortools.sat.python import cp_model

import shardopt
from cli.commandline import run
from partition_schedule.brute import all_cuts, best_for_cuts, brute_force
from partition_schedule.draws import random_plan, tiny_instance, tiny_instances
from partition_schedule.instances import (
    GOLDEN,
    HAND,
    OBJECTIVES,
    golden,
    make,
    no_memory,
    too_few_blocks,
    two_by_two,
)
from shardopt.instances.partition_schedule.presets import random, stress
from shardopt.models.errors import InputError
from shardopt.models.formulation import TooLargeError
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.formulations import intervals, milp
from shardopt.models.partition_schedule.formulations.common import layout
from shardopt.models.partition_schedule.formulations.windows import windows
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.partition_schedule import bsdp_arts, direct, exact_under_cuts, fixed_cuts
from shardopt.solvers.partition_schedule.exact_models import longest_s
from shardopt.solvers.settings import Settings

METHODS = {
    "direct/highs": ("milp", "highs"),
    "direct/cbc": ("milp", "cbc"),
    "direct/cp-sat": ("intervals", "cp-sat"),
}
SCHEDULED = ("mean-latency", "makespan")
NOT_LIKED = (1024, 1028, 1031, 1035, 1047)
"""On these CP-SAT does not end within a minute where nothing decides the order of requests."""

methods = pytest.mark.parametrize("method", METHODS)
objectives = pytest.mark.parametrize("objective", OBJECTIVES)
scheduled = pytest.mark.parametrize("objective", SCHEDULED)


def solve(method, instance, plan=None, **options):
    """Solve a formulation in this process; ``plan`` is what to start from and to beat."""
    module, backend = METHODS[method]
    upper = longest_s(make_tables(instance)) if plan is None else check(instance, plan).objective
    build = f"shardopt.models.partition_schedule.formulations.{module}:build"
    return solve_exact(
        Job(instance, build, backend, {"upper_bound": upper, **options}),
        method,
        Settings(threads=1),
        known=[plan],
        isolated=False,
    )


def assert_optimal(result, optimum_s):
    assert result.faults == ()
    assert result.termination == "completed"
    if optimum_s is None:
        assert result.status == "infeasible"
    else:
        assert result.status == "optimal"
        assert result.objective == pytest.approx(optimum_s, rel=1e-6)
        assert result.bound <= optimum_s * (1 + 1e-7)


def solvable(seeds, objective):
    """Return the tiny instances of these seeds that have a plan."""
    drawn = [tiny_instance(seed, objective) for seed in seeds]
    return [instance for instance in drawn if brute_force(instance).value is not None]


@methods
@objectives
def test_they_find_the_optimum_from_nothing(method, objective):
    for instance in (tiny_instance(seed, objective) for seed in range(10)):
        if len(instance.blocks) >= len(instance.tiers):
            assert_optimal(solve(method, instance), brute_force(instance).value)


@methods
@objectives
def test_a_bad_plan_to_beat_leaves_the_optimum_in_the_model(method, objective):
    for instance in solvable(range(200, 212), objective):
        worst = max(
            (random_plan(instance, seed) for seed in range(10)),
            key=lambda plan: check(instance, plan).objective,
        )
        assert_optimal(solve(method, instance, worst), brute_force(instance).value)


@methods
@objectives
def test_the_optimum_is_proven_when_it_is_known(method, objective):
    for instance in solvable(range(300, 308), objective):
        optimum = brute_force(instance)
        assert_optimal(solve(method, instance, optimum.solution), optimum.value)


@pytest.mark.long
@methods
@objectives
@pytest.mark.parametrize("part", range(4))
def test_they_find_the_optimum_of_hundreds_of_instances(method, objective, part):
    for seed in range(1000 + 30 * part, 1030 + 30 * part):
        instance = tiny_instance(seed, objective)
        if len(instance.blocks) >= len(instance.tiers):
            plan = random_plan(instance, seed) if seed % 2 else None
            assert_optimal(solve(method, instance, plan), brute_force(instance).value)


@pytest.mark.parametrize("seed", NOT_LIKED)
def test_cp_sat_ends_on_one_thread(seed):
    instance = tiny_instance(seed, "mean-latency")
    assert_optimal(solve("direct/cp-sat", instance), brute_force(instance).value)


@methods
@pytest.mark.parametrize("name", HAND)
def test_they_find_what_is_worked_out_by_hand(method, name):
    instance, optimum_s = HAND[name]
    assert_optimal(solve(method, instance), optimum_s)


@methods
@pytest.mark.parametrize(("preset", "objective"), GOLDEN)
def test_they_prove_the_golden_values_of_one_request(method, preset, objective):
    if objective == "bottleneck":
        assert_optimal(solve(method, golden(preset, objective)), GOLDEN[preset, objective][0])


@pytest.mark.long
@pytest.mark.parametrize("method", ["direct/highs", "direct/cp-sat"])
@pytest.mark.parametrize(("preset", "objective"), GOLDEN)
def test_they_prove_the_golden_values(method, preset, objective):
    instance = golden(preset, objective)
    plan = shardopt.solve(instance, "latency-cuts").solution
    assert_optimal(solve(method, instance, plan), GOLDEN[preset, objective][0])


@objectives
@pytest.mark.parametrize("seed", range(20))
def test_every_plan_satisfies_every_row_at_its_own_times(objective, seed):
    instance = tiny_instance(seed, objective)
    plans = [plan for n in range(8) if (plan := random_plan(instance, n)) is not None]
    for plan in plans:
        value = check(instance, plan).objective
        for upper in (value, 3.0 * value):
            formulation = milp.build(instance, upper_bound=upper)
            arrays, x = formulation.model.arrays(), formulation.encode(plan)
            products = arrays.coefficient * x[arrays.column]
            rows = np.add.reduceat(np.append(products, 0.0), arrays.row_start[:-1])
            rows[np.diff(arrays.row_start) == 0] = 0.0
            assert np.all(rows >= arrays.row_lower - 1e-9)
            assert np.all(rows <= arrays.row_upper + 1e-9)
            assert np.all((x >= arrays.lower - 1e-9) & (x <= arrays.upper + 1e-9))
            assert np.all(x[arrays.integer] == np.round(x[arrays.integer]))
            assert float(arrays.cost @ x) * formulation.unit == pytest.approx(value, rel=1e-9)
            again = formulation.decode(x)
            assert again.cuts == plan.cuts
            assert nodes_of(again) == nodes_of(plan)
            assert check(instance, again).objective <= value * (1 + 1e-9)


def nodes_of(plan):
    return {served.request: served.nodes for served in plan.assignments}


@objectives
@pytest.mark.parametrize("seed", range(12))
def test_hints_for_cp_sat_are_a_feasible_point_no_later_than_the_plan(objective, seed):
    instance = tiny_instance(seed, objective)
    plans = [plan for n in range(3) if (plan := random_plan(instance, n)) is not None]
    for plan in plans:
        value = check(instance, plan).objective
        for cuts in (None, plan.cuts):
            formulation = intervals.build(instance, upper_bound=value, cuts=cuts)
            hints = formulation.encode(plan)
            formulation.model.proto.solution_hint.vars.extend(hints.keys())
            formulation.model.proto.solution_hint.values.extend(hints.values())
            solver = cp_model.CpSolver()
            solver.parameters.fix_variables_to_their_hinted_value = True
            solver.parameters.num_workers = 1
            assert solver.solve(formulation.model) == cp_model.OPTIMAL
            time_s = solver.objective_value * formulation.unit + formulation.offset
            assert time_s <= value * (1 + 1e-12)
            decoded = formulation.decode(list(solver.response_proto.solution))
            assert decoded.cuts == plan.cuts
            assert check(instance, decoded).objective == pytest.approx(time_s, rel=1e-6)


@objectives
@pytest.mark.parametrize("horizon", [100, 2**20])
def test_a_coarse_clock_weakens_the_bound_of_cp_sat_and_never_falsifies_it(
    monkeypatch, objective, horizon
):
    monkeypatch.setattr(intervals, "MOST_HORIZON", horizon)
    for instance in solvable(range(400, 410), objective):
        optimum = brute_force(instance)
        result = solve("direct/cp-sat", instance, optimum.solution)
        assert result.faults == ()
        assert result.bound <= optimum.value
        assert result.bound >= optimum.value * (1 - 1000 / horizon) or horizon < 1000


@given(tiny_instances())
def test_windows_hold_every_service_of_every_plan(instance):
    tables = make_tables(instance)
    for seed in range(3):
        plan = random_plan(instance, seed)
        if plan is None or instance.objective == "bottleneck":
            continue
        cuts, node, start = layout(tables, plan)
        for under in (None, cuts):
            limits = windows(tables, check(instance, plan).objective, under)
            since = start - tables.arrival_s[:, None]
            assert np.all(since >= limits.start)
            for j, run_ in enumerate(tables.runs(cuts)):
                served = tables.service_s(j, *run_)[range(len(node)), node[:, j]]
                assert np.all(served >= limits.service[:, j] * (1 - 1e-12))
                assert np.all(since[:, j] + served <= limits.end[:, j])


@scheduled
@pytest.mark.parametrize("seed", range(500, 510))
def test_under_any_cuts_cp_sat_finds_the_best_schedule(objective, seed):
    instance = tiny_instance(seed, objective)
    for cuts in all_cuts(instance):
        optimum = best_for_cuts(instance, cuts)
        if optimum.value is not None:
            assert_optimal(
                solve("direct/cp-sat", instance, optimum.solution, cuts=cuts), optimum.value
            )


@scheduled
def test_under_the_cuts_of_bsdp_it_agrees_with_the_search(objective):
    for instance in (
        random(seed=1, blocks=12, requests=5, objective=objective),
        stress(seed=1, requests=4, objective=objective),
    ):
        searched = exact_under_cuts(instance, rule="bsdp")
        assert_agrees(fixed_cuts(instance, threads=1), searched)


@pytest.mark.long
@scheduled
@pytest.mark.parametrize("seed", range(20))
def test_under_the_cuts_of_bsdp_it_agrees_with_the_search_on_larger_instances(objective, seed):
    for instance in (
        random(seed=seed, blocks=20, requests=6, objective=objective),
        stress(seed=seed, requests=5, objective=objective),
    ):
        searched = exact_under_cuts(instance, rule="bsdp")
        assert_agrees(fixed_cuts(instance, threads=1), searched)


def assert_agrees(result, searched):
    """Assert that the constraint programme proves what the search under the same cuts does."""
    assert (result.faults, result.status) == ((), searched.status)
    assert (result.bound, result.gap) == (None, None)
    assert all(point.bound is None for point in result.trace)
    if searched.solution is not None:
        assert result.solution.cuts == searched.solution.cuts
        assert result.objective == pytest.approx(searched.objective, rel=1e-6)
        bound = searched.extra["fixed_cuts_bound"]
        assert result.extra["fixed_cuts_bound"] == pytest.approx(bound, rel=1e-6)


def test_cuts_are_an_option():
    instance = two_by_two("mean-latency")
    for cut in (1, 4):
        result = fixed_cuts(instance, cuts=str(cut), threads=1)
        assert result.solution.cuts == (cut,)
        assert result.objective == pytest.approx(best_for_cuts(instance, (cut,)).value)


@pytest.mark.parametrize("cuts", ["", "0", "6", "1,2", "2,1", "one", "1.0"])
def test_cuts_that_are_none_are_refused(cuts):
    with pytest.raises(InputError, match="rising integers between 1 and 5"):
        fixed_cuts(two_by_two("mean-latency"), cuts=cuts)


def test_that_given_cuts_do_not_fit_proves_nothing():
    result = fixed_cuts(two_by_two("mean-latency", memory=4), cuts="1")
    assert (result.status, result.termination) == ("unknown", "completed")
    assert "fit no node" in result.extra["reason"]


@pytest.mark.parametrize("instance", [no_memory(), too_few_blocks()], ids=lambda i: i.name)
def test_where_bsdp_has_no_cuts_there_is_no_plan(instance):
    assert fixed_cuts(instance).status == "infeasible"


@methods
@objectives
def test_a_run_that_is_one_byte_over_is_refused(method, objective):
    """40 GB but for a byte: in GB, that is far below every tolerance."""
    requests = [(0, 1), (0, 2)][: 1 if objective == "bottleneck" else 2]
    tiers = [[(4, 20_000_000_000), (1, 10**12)], [(3, 19_999_999_999), (0.5, 10**12)]]
    instance = make([(4, 1, 10**10, 0)], tiers, [(0.1, 1)], requests, objective)
    assert_optimal(solve(method, instance), brute_force(instance).value)


@methods
@objectives
def test_a_hopelessly_slow_node_spoils_nothing(method, objective):
    requests = [(0, 1), (0.5, 2)][: 1 if objective == "bottleneck" else 2]
    tiers = [[(2, 9), (1e-9, 9)], [(1e-9, 9), (3, 9), (2, 3)]]
    instance = make([(4, 2, 1, 1)], tiers, [(0.5, 2)], requests, objective)
    plan = bsdp_arts(instance, capacity="max").solution
    assert_optimal(solve(method, instance, plan), brute_force(instance).value)


@methods
@objectives
def test_blocks_of_very_different_size_are_not_lost_in_rounding(method, objective):
    """2^60 FLOP come first: beside them the others would vanish in a sum."""
    requests = [(0, 1), (0, 2), (1, 1)][: 1 if objective == "bottleneck" else 3]
    tiers = [[(2.0**60, 9)], [(1, 9), (2, 9)]]
    instance = make([(1, 2.0**60, 1, 0), (3, 1, 1, 0)], tiers, [(0, 1)], requests, objective)
    optimum = brute_force(instance)
    assert_optimal(solve(method, instance, optimum.solution), optimum.value)


@methods
@scheduled
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_scaling_all_times_scales_the_optimum(method, objective, factor):
    instance = tiny_instance(8, objective)
    scaled = replace(
        instance,
        blocks=tuple(
            replace(block, flops_per_token=factor * block.flops_per_token)
            for block in instance.blocks
        ),
        links=tuple(
            replace(k, latency_s=factor * k.latency_s, bytes_per_s=k.bytes_per_s / factor)
            for k in instance.links
        ),
        requests=tuple(replace(r, arrival_s=factor * r.arrival_s) for r in instance.requests),
    )
    assert_optimal(solve(method, scaled), factor * brute_force(instance).value)


@methods
@scheduled
def test_late_arrivals_change_little(method, objective):
    instance = tiny_instance(8, objective)
    later = replace(
        instance,
        requests=tuple(replace(r, arrival_s=r.arrival_s + 2.0**30) for r in instance.requests),
    )
    result = solve(method, later)
    assert (result.status, result.faults) == ("optimal", ())
    assert result.objective == pytest.approx(brute_force(instance).value, rel=1e-5)


@pytest.mark.parametrize("build", [milp.build, intervals.build], ids=["milp", "intervals"])
@pytest.mark.parametrize(
    "instance",
    [
        stress(seed=0, requests=3000),
        stress(seed=0, blocks=10_000, tiers=100, requests=100, nodes=100),
    ],
    ids=lambda i: i.name,
)
def test_a_model_beyond_memory_is_refused_before_it_is_built(build, instance):
    with pytest.raises(TooLargeError, match="limits"):
        build(instance, upper_bound=1.0)


@pytest.mark.parametrize("name", ["direct/highs", "direct/cp-sat", "fixed-cuts/cp-sat"])
def test_a_plan_survives_a_model_that_is_refused(name):
    instance = stress(seed=0, requests=3000)
    result = shardopt.solve(instance, name, time_limit=60, threads=1)
    assert (result.status, result.termination) == ("feasible", "memory-limit")
    assert result.bound is None
    assert "limits are 5e+06" in result.faults[0]


def test_a_model_of_many_requests_is_given_up_at_the_limit_while_it_is_built():
    result = direct(stress(seed=0, requests=250, blocks=100), backend="highs", time_limit=1.0)
    assert (result.status, result.termination) == ("feasible", "time-limit")
    assert (result.bound, result.build_s) == (None, 0.0)


def test_an_infeasible_instance_ends_the_command_with_3(tmp_path):
    path = str(tmp_path / "none.json")
    shardopt.save(path, no_memory())
    for name in METHODS:
        assert run("solve", path, "--solver", name, "--threads", "1").exit_code == 3


@scheduled
def test_verify_says_by_whom_the_optimum_of_exact_is_confirmed(tmp_path, objective):
    path = str(tmp_path / "two-by-two.json")
    shardopt.save(path, two_by_two(objective))
    done = run("solve", path, "--verify", "--json", "--threads", "1")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["status"]) == (0, "optimal")
    agreed = {opinion["by"]: opinion["agrees"] for opinion in answer["confirmed_by"]}
    assert agreed == {"direct/cp-sat (presolve off)": True, "direct/highs (presolve off)": True}
