"""The exact formulations: against brute force, on every backend, and row by row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from cold_start.brute import all_plans, brute_force
from cold_start.hand import make
from cold_start.instances import LOADINGS, scaled, tiny_instance
from cold_start.strategies import instances
from shardopt.instances.cold_start.presets import csgo_table1, homogeneous, random_edge
from shardopt.models.cold_start.bounds import lower_bound
from shardopt.models.cold_start.data import Block
from shardopt.models.cold_start.formulations import circuit, direct, run_flow
from shardopt.models.cold_start.formulations.windows import windows
from shardopt.models.cold_start.tables import make_tables
from shardopt.models.formulation import TooLargeError
from shardopt.solvers import cold_start
from shardopt.solvers.backends.exact import Job, solve_exact
from shardopt.solvers.budget import Budget
from shardopt.solvers.cold_start.exact_models import Known
from shardopt.solvers.settings import Settings

METHODS = {
    "direct/highs": ("direct", "highs"),
    "direct/cbc": ("direct", "cbc"),
    "run-flow/highs": ("run_flow", "highs"),
    "run-flow/cbc": ("run_flow", "cbc"),
    "direct/cp-sat": ("circuit", "cp-sat"),
    "minlp/scip": ("products", "scip"),
}
LINEAR = {"direct": direct.build, "run-flow": run_flow.build}
seeds = pytest.mark.parametrize("seed", range(30))
loadings = pytest.mark.parametrize("loading", LOADINGS)
solvable = pytest.mark.parametrize(
    ("loading", "seed"),
    [
        (loading, seed)
        for loading in LOADINGS
        for seed in range(100, 150)
        if brute_force(tiny_instance(seed, loading)).value  # a plan, and a time to scale by
    ][::2],
)


@pytest.fixture(params=METHODS)
def method(request):
    if request.param == "minlp/scip":
        pytest.importorskip("pyscipopt")
    return request.param


def solve_model(method, instance, known=None, **options):
    """Solve a formulation in this process; ``known`` is a plan to start from and to beat."""
    module, backend = METHODS[method]
    plan, value = (None, None) if known is None else known
    before = Known(make_tables(instance), Budget(), plan, value, lower_bound(instance))
    if module == "circuit":
        options |= {"upper_bound": before.upper_s, "lower_bound": before.bound_s}
    else:
        options |= {"unit": before.unit_s}
        options |= {"upper_bound": value} if module != "products" else {}
    job = Job(instance, f"shardopt.models.cold_start.formulations.{module}:build", backend, options)
    return solve_exact(
        job,
        method,
        Settings(threads=1),
        known=[plan],
        bound=0.0,
        isolated=False,
    )


def assert_optimal(result, optimum_s, faults=()):
    assert result.faults == faults
    if optimum_s is None:
        assert result.status == "infeasible"
    else:
        assert result.status == "optimal"
        assert result.objective == pytest.approx(optimum_s, rel=1e-6, abs=1e-9)
        assert result.bound <= optimum_s * (1 + 1e-6)


def solve_by_name(method, instance, **options):
    name, _, backend = method.partition("/")
    if backend in ("highs", "cbc"):
        return getattr(cold_start, name.replace("-", "_"))(instance, backend=backend, **options)
    return {"cp-sat": cold_start.direct_cp_sat, "scip": cold_start.minlp}[backend](
        instance, **options
    )


@seeds
@loadings
def test_that_every_formulation_finds_the_optimum_from_nothing(method, loading, seed):
    instance = tiny_instance(seed, loading)
    optimum_s = brute_force(instance).value
    if method == "direct/cp-sat" and optimum_s is not None:
        # Its clock is as coarse as the upper bound that it is given.
        assert solve_model(method, instance).objective == pytest.approx(optimum_s, 1e-4)
    else:
        assert_optimal(solve_model(method, instance), optimum_s)


@solvable
def test_that_a_bad_plan_to_beat_leaves_the_optimum_in_the_model(method, loading, seed):
    instance = tiny_instance(seed, loading)
    worst = max(all_plans(instance), key=lambda pair: pair[1])
    assert_optimal(solve_model(method, instance, worst), brute_force(instance).value)


@solvable
def test_that_the_optimum_is_proven_when_it_is_known(method, loading, seed):
    instance = tiny_instance(seed, loading)
    optimum = brute_force(instance)
    known = (optimum.solution, optimum.value)
    assert_optimal(solve_model(method, instance, known), optimum.value)


@pytest.mark.long
@loadings
@pytest.mark.parametrize("part", range(10))
def test_that_every_formulation_finds_hundreds_of_optima(method, loading, part):
    for seed in range(1000 + 35 * part, 1035 + 35 * part):
        instance = tiny_instance(seed, loading, max_devices=4, max_blocks=6)
        plans = all_plans(instance)
        if not plans:
            assert_optimal(solve_model(method, instance), None)
            continue
        known = plans[seed % len(plans)]
        if known[1] > 0.0:
            assert_optimal(solve_model(method, instance, known), brute_force(instance).value)


@pytest.mark.parametrize("build", LINEAR.values(), ids=LINEAR)
@loadings
@pytest.mark.parametrize("seed", range(60))
def test_that_every_plan_satisfies_every_row_at_its_own_time(build, loading, seed):
    instance = tiny_instance(seed, loading)
    plans = all_plans(instance)
    for solution, value in plans[:: 1 + len(plans) // 20]:
        for upper in (None, value):
            formulation = build(instance, unit=value or 1.0, upper_bound=upper)
            arrays, x = formulation.model.arrays(), formulation.encode(solution)
            products = arrays.coefficient * x[arrays.column]
            rows = np.add.reduceat(np.append(products, 0.0), arrays.row_start[:-1])
            rows[np.diff(arrays.row_start) == 0] = 0.0
            assert np.all(rows >= arrays.row_lower - 1e-9)
            assert np.all(rows <= arrays.row_upper + 1e-9)
            assert np.all((x >= arrays.lower) & (x <= arrays.upper))
            assert np.all(x[arrays.integer] == np.round(x[arrays.integer]))
            time_s = float(arrays.cost @ x) * formulation.unit
            assert time_s == pytest.approx(value, rel=1e-9, abs=1e-12)
            # Interchangeable devices may have been swapped, which no rule and no time sees.
            again = formulation.decode(x)
            assert [(s.start, s.stop) for s in again.stages] == [
                (s.start, s.stop) for s in solution.stages
            ]


@loadings
@pytest.mark.parametrize("seed", range(40))
def test_that_hints_for_cp_sat_are_a_feasible_point_no_later_than_the_plan(loading, seed):
    from ortools.sat.python import cp_model

    instance = tiny_instance(seed, loading)
    plans = [pair for pair in all_plans(instance) if pair[1] > 0.0]
    for solution, value in plans[:: 1 + len(plans) // 4]:
        formulation = circuit.build(instance, upper_bound=value, lower_bound=0.0)
        for variable, hint in formulation.encode(solution).items():
            formulation.model.proto.solution_hint.vars.append(variable)
            formulation.model.proto.solution_hint.values.append(hint)
        solver = cp_model.CpSolver()
        solver.parameters.fix_variables_to_their_hinted_value = True
        solver.parameters.num_workers = 1
        assert solver.solve(formulation.model) == cp_model.OPTIMAL
        time_s = solver.objective_value * formulation.unit
        assert time_s <= value * (1 + 1e-12)
        assert time_s == pytest.approx(value, rel=1e-6)


@solvable
def test_that_a_coarse_clock_weakens_the_bound_of_cp_sat_and_never_falsifies_it(
    monkeypatch, loading, seed
):
    monkeypatch.setattr(circuit, "LEAST_HORIZON", 40)
    instance = tiny_instance(seed, loading)
    optimum = brute_force(instance)
    result = solve_model("direct/cp-sat", instance, (optimum.solution, optimum.value))
    assert result.faults == ()
    assert result.bound <= optimum.value


@given(instances(max_blocks=5, max_devices=4))
def test_that_windows_hold_every_stage_of_every_plan(instance):
    tables, index = make_tables(instance), instance.device_index()
    plans = all_plans(instance)
    for solution, value in plans[:: 1 + len(plans) // 10]:
        limits = windows(tables, value)
        for stage in solution.stages:
            k = index[stage.device]
            latest = limits.latest[k, stage.stop]
            assert limits.earliest[k, stage.start, stage.stop] <= latest


def over_by_some_hundred_bytes(loading):
    """Return 20 GB of blocks that all but fit on the one fast device."""
    need = 2 * 10e9 + 1e6
    fast, slow = (4e12, 2e9, need - 300.0, 1e8, 1e8), (1e12, 1e9, 30e9, 1e8, 1e8)
    return make([(1e12, 10e9, 1e6)] * 2, [fast, slow], loading)


@loadings
def test_that_a_run_some_hundred_bytes_over_is_refused(method, loading):
    instance = over_by_some_hundred_bytes(loading)
    optimum = brute_force(instance)
    assert len(optimum.solution.stages) == 2
    worst = max(all_plans(instance), key=lambda pair: pair[1])
    assert_optimal(solve_model(method, instance, worst), optimum.value)


def test_that_memory_rows_in_bytes_are_not_exact():
    instance = over_by_some_hundred_bytes("whole-run")
    worst = max(all_plans(instance), key=lambda pair: pair[1])
    result = solve_model("direct/highs", instance, worst, memory_rows="bytes")
    assert any("refused" in fault for fault in result.faults)


@pytest.mark.parametrize("seed", range(4))
def test_that_memory_rows_in_bytes_find_the_optimum_where_nothing_is_close(seed):
    instance = tiny_instance(seed, "whole-run")
    result = solve_model("direct/highs", instance, memory_rows="bytes")
    assert_optimal(result, brute_force(instance).value)


@loadings
def test_that_rates_a_million_times_higher_divide_the_time_by_a_million(method, loading):
    instance = replace(tiny_instance(8, loading), link_latency_s=0.0)
    optimum_s = brute_force(instance).value
    result = solve_by_name(method, scaled(instance, 1e6))
    assert_optimal(result, optimum_s / 1e6)
    assert result.objective == pytest.approx(optimum_s / 1e6, rel=1e-9)


@loadings
def test_that_a_hopelessly_slow_device_spoils_nothing(method, loading):
    blocks = [(4, 2, 1), (2, 5, 3), (6, 1, 2), (3, 3, 1)]
    devices = [(3, 2, 9, 1, 2), (2, 4, 12, 2, 1), (1e-9, 1e-9, 1e9, 1e-9, 1e-9)]
    instance = make(blocks, devices, loading)
    assert_optimal(solve_by_name(method, instance), brute_force(instance).value)


def test_that_nothing_is_modelled_where_nothing_takes_time(method):
    instance = make([(0, 0, 0)] * 3, [(1, 1, 10, 1, 1)] * 2)
    result = solve_by_name(method, instance)
    assert (result.status, result.objective, result.bound) == ("optimal", 0.0, 0.0)
    assert "model" not in result.extra


@pytest.mark.parametrize(
    ("tokens", "loading", "optimum_s"),
    [
        (256, "whole-run", 2.463155305),
        (2048, "whole-run", 3.236062352),
        (8192, "whole-run", 6.952599904),
        (2048, "layerwise", 2.714784792),
    ],
)
@pytest.mark.parametrize("name", ["direct/cp-sat", "run-flow/cbc"])
def test_that_the_golden_values_are_proven(name, tokens, loading, optimum_s):
    result = solve_by_name(name, csgo_table1(tokens=tokens, loading=loading))
    assert_optimal(result, optimum_s)
    assert result.objective == pytest.approx(optimum_s, abs=1e-9)


@pytest.mark.long
@pytest.mark.parametrize(
    ("loading", "optimum_s"), [("whole-run", 3.236062352), ("layerwise", 2.714784792)]
)
def test_that_every_backend_proves_the_golden_values_at_2048_tokens(method, loading, optimum_s):
    assert_optimal(solve_by_name(method, csgo_table1(loading=loading)), optimum_s)


@pytest.mark.long
@loadings
@pytest.mark.parametrize("name", ["run-flow/highs", "run-flow/cbc", "direct/cp-sat"])
def test_that_models_agree_with_dssr_beyond_brute_force(name, loading):
    for instance in (
        random_edge(devices=5, blocks=20, spread=0.3, loading=loading),
        homogeneous(devices=5, blocks=20, loading=loading),
    ):
        optimum = cold_start.dssr(instance)
        assert optimum.status == "optimal"
        assert_optimal(solve_by_name(name, instance), optimum.objective)


@pytest.mark.parametrize("build", [*LINEAR.values(), circuit.build], ids=[*LINEAR, "circuit"])
@loadings
def test_that_a_model_beyond_memory_is_refused_before_it_is_built(build, loading):
    instance = random_edge(devices=1000, blocks=10, loading=loading)
    instance = replace(instance, blocks=(Block(1.0, 1.0, 1.0),) * 10_000)
    options = {"upper_bound": 1.0} | ({"lower_bound": 0.0} if build is circuit.build else {})
    options |= {} if build is circuit.build else {"unit": 1.0}
    with pytest.raises(TooLargeError, match="limits"):
        build(instance, **options)
