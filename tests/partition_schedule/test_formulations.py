"""The formulations: against brute force on every backend, row by row, and under fixed cuts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from ortools.sat.python import cp_model

import shardopt
from cli.commandline import run
from partition_schedule.brute import brute_force
from partition_schedule.draws import random_plan, tiny_instance, tiny_instances
from partition_schedule.instances import (
    GOLDEN,
    HAND,
    golden,
    no_memory,
    two_by_two,
)
from partition_schedule.methods import (
    METHODS,
    assert_optimal,
    methods,
    objectives,
    scheduled,
    solve,
)
from shardopt.instances.partition_schedule.presets import stress
from shardopt.models.formulation import TooLargeError
from shardopt.models.partition_schedule.check import check
from shardopt.models.partition_schedule.formulations import intervals, milp
from shardopt.models.partition_schedule.formulations.common import layout
from shardopt.models.partition_schedule.formulations.windows import windows
from shardopt.models.partition_schedule.tables import make_tables
from shardopt.solvers.partition_schedule import direct

NOT_LIKED = (1024, 1028, 1031, 1035, 1047)
"""On these CP-SAT does not end within a minute where nothing decides the order of requests."""


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
