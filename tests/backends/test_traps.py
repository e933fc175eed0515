"""Traps met with these backends in these versions: a test for each."""

from __future__ import annotations

import subprocess
import sys

import highspy
import numpy as np
import pytest
import toy_models
from backend_helpers import cost, run_adapter, solve_toy
from ortools.sat.python import cp_model

from shardopt.models.formulation import CpFormulation
from shardopt.models.linear import LinearModel
from shardopt.solvers.backends import cbc, highs, messages, mps, worker
from shardopt.solvers.backends.scaling import cost_factor


@pytest.mark.parametrize("presolve", [True, False])
@pytest.mark.parametrize("backend", ["highs", "cbc"])
def test_that_presolve_does_not_cut_off_the_optimum(backend, presolve):
    # HiGHS 1.12 to 1.15.1 answers 0.1021 with the same bound; the pinned 1.11.0 is right.
    formulation = toy_models.golden()
    heard = run_adapter(backend, formulation, presolve=presolve)
    assert cost(formulation, heard.plans[-1]) == pytest.approx(toy_models.GOLDEN["optimum"])
    assert heard.verdict.bound == pytest.approx(toy_models.GOLDEN["optimum"], rel=1e-6)


def test_that_scip_agrees_on_the_model_that_presolve_got_wrong():
    pytest.importorskip("pyscipopt")
    formulation = toy_models.golden()
    heard = run_adapter("scip", toy_models.as_scip(formulation))
    assert cost(formulation, heard.plans[-1]) == pytest.approx(toy_models.GOLDEN["optimum"])
    assert heard.verdict.bound == pytest.approx(toy_models.GOLDEN["optimum"], rel=1e-6)


@pytest.mark.parametrize(
    ("sound", "wanted", "option"),
    [
        (True, True, "choose"),
        (True, False, "off"),
        (False, True, "off"),
    ],
)
def test_that_an_unsound_presolve_stays_off(monkeypatch, sound, wanted, option):
    monkeypatch.setattr(highs, "PRESOLVE_IS_SOUND", sound)
    asked = {}

    class Recorder(highspy.Highs):
        def setOptionValue(self, name, value):
            asked[name] = value
            return super().setOptionValue(name, value)

    monkeypatch.setattr(highspy, "Highs", Recorder)
    run_adapter("highs", toy_models.golden(), presolve=wanted)
    assert asked["presolve"] == option


def test_that_the_versions_with_a_broken_presolve_are_known():
    version = (highspy.HIGHS_VERSION_MAJOR, highspy.HIGHS_VERSION_MINOR)
    assert (version < (1, 12)) == highs.PRESOLVE_IS_SOUND
    assert version != (1, 14)  # returned wrong optima


@pytest.mark.parametrize("order", [("highspy", "ortools"), ("ortools", "highspy")])
def test_that_highspy_and_ortools_work_in_one_process(order):
    use = {
        "highspy": "import highspy; h = highspy.Highs(); h.setOptionValue('output_flag', False); "
        "h.addVar(0, 1); h.run()",
        "ortools": "from ortools.sat.python import cp_model; m = cp_model.CpModel(); "
        "m.new_bool_var('x'); cp_model.CpSolver().solve(m)",
    }
    script = "\n".join(use[name] for name in order)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("backend", ["highs", "cbc"])
def test_that_the_bound_of_a_pure_lp_is_its_objective(backend):
    # HiGHS's mip_dual_bound is 0 here, and CBC's log has no final block.
    model = LinearModel()
    x = model.add_columns(3, cost=[1.0, 2.0, 3.0])
    model.add_row(x, [3.0, 1.0, 1.0], lower=1.0)
    heard = run_adapter(backend, toy_models.plain(model))
    assert heard.verdict.bound == pytest.approx(1 / 3, rel=1e-8)
    assert heard.verdict.bound <= 1 / 3
    assert heard.plans[-1] == pytest.approx([1 / 3, 0, 0])


@pytest.mark.parametrize("backend", ["highs", "cbc"])
def test_that_every_kind_of_row_and_bound_arrives(backend):
    # min x0 + 2 x1 - x2 + x3 - x4: x0 >= -2.5 free above, x1 fixed, x2 <= 7 integer, x3 free.
    model = LinearModel()
    x = model.add_columns(
        5,
        cost=[1.0, 2.0, -1.0, 1.0, -1.0],
        lower=[-2.5, 3.0, -np.inf, -np.inf, 0.0],
        upper=[np.inf, 3.0, 7.0, np.inf, np.inf],
    )
    whole = model.add_columns(1, cost=1.0, lower=-3.7, upper=8.0, integer=True)
    model.add_row([x[3], x[0]], lower=-4.0, upper=4.0)  # ranged
    model.add_row([x[4], x[2]], upper=9.5)  # L
    model.add_row([x[0], x[3]], [1.0, 1.0])  # free
    model.add_row([x[3], x[1]], [2.0, 1.0], lower=-6.0)  # G
    model.add_row([x[2], whole[0]], lower=4.0, upper=4.0)  # E
    formulation = toy_models.plain(model)
    heard = run_adapter(backend, formulation)
    # x2 + whole = 4 with whole >= -3, so x2 = 7; x4 = 2.5; x0 + x3 = -4; 2*3 = 6.
    assert cost(formulation, heard.plans[-1]) == pytest.approx(-4.0 + 6.0 - 7.0 - 2.5 - 3.0)
    assert heard.verdict.bound == pytest.approx(-10.5)


@pytest.mark.parametrize("backend", ["highs", "cbc"])
def test_that_a_maximum_is_bounded_from_above(backend):
    # CBC 2.10.3 mishandles starts on models that maximise: ours never do, the unit is negative.
    formulation = toy_models.build_maximum(None)
    job = messages.Job(None, "toy_models:build_maximum", backend)
    heard = []
    task = messages.Task(job, None, 0, 1, True, start=np.array([1.0, 0.0, 0.0]))
    worker.answer(task, lambda: False, heard.append)
    values = [-cost(formulation, m.solution) for m in heard if isinstance(m, messages.Incumbent)]
    bounds = [m.value for m in heard if isinstance(m, messages.Bound)]
    assert values[-1] + formulation.offset == pytest.approx(112.0)
    assert bounds[-1] == pytest.approx(112.0)
    assert min(bounds) >= 112.0


@pytest.mark.parametrize("backend", ["highs", "cbc"])
def test_that_a_start_reaches_the_backend(backend):
    # Market split, with a solution planted: without it nothing is found in this time.
    formulation, planted = toy_models.planted_market_split()
    cold = run_adapter(backend, formulation, seconds=1.0)
    warm = run_adapter(backend, formulation, seconds=1.0, start=planted)
    assert cold.plans == []
    assert warm.plans[-1] == pytest.approx(planted)


def test_that_a_hint_reaches_cp_sat():
    formulation, planted = toy_models.planted_market_split_cp()
    cold = run_adapter("cp-sat", formulation, seconds=1.0)
    warm = run_adapter("cp-sat", formulation, seconds=1.0, start=planted)
    assert cold.plans == []
    assert warm.plans[-1] == list(planted.values())


def test_that_cp_sat_stopped_before_its_search_proves_nothing():
    # It says 0 for objective and bound, where the optimum is -70.
    model = cp_model.CpModel()
    x, y = model.new_int_var(-100, 100, "x"), model.new_int_var(-50, 60, "y")
    model.add(x + y >= -20)
    model.minimize(x + 2 * y)
    formulation = CpFormulation(model, lambda v: v, lambda v: v, unit=1.0)
    heard = run_adapter("cp-sat", formulation, seconds=1e-9)
    assert heard.verdict.termination == "time-limit"
    assert heard.plans == []
    assert all(bound <= -70 for bound in heard.bounds)
    assert heard.verdict.bound is None or heard.verdict.bound <= -70


@pytest.mark.parametrize("presolve", [True, False])
def test_that_large_coefficients_of_conditional_rows_leave_the_optimum_in_cp_sat(presolve):
    # CP-SAT 9.15 calls this infeasible, from 2^34 on and without presolve.
    model = cp_model.CpModel()
    x, z = model.new_int_var(1, 3, "x"), model.new_int_var(0, 2**42, "z")
    chosen = model.new_bool_var("chosen")
    model.add(z >= 2**39 * x).only_enforce_if(chosen)
    model.add(z >= 2**38 * x).only_enforce_if(~chosen)
    model.minimize(z)
    formulation = CpFormulation(model, lambda v: v, lambda v: v, unit=1.0)
    heard = run_adapter("cp-sat", formulation, presolve=presolve)
    assert not heard.verdict.infeasible
    assert heard.verdict.bound == 2**38


def test_that_a_cp_sat_model_that_may_overflow_is_refused_in_words():
    result = solve_toy(
        toy_models.instance(3.0, 2.0), "cp-sat", build="toy_models:build_overflowing"
    )
    assert (result.status, result.termination) == ("unknown", "crashed")
    assert (result.objective, result.bound) == (None, None)
    assert "overflow" in result.faults[0]


def test_that_a_small_objective_is_solved_to_a_relative_tolerance():
    # Absolute tolerances of 1e-6 and 1e-5 would stop at any plan of this model.
    for backend in ("highs", "cbc"):
        formulation, optimum = toy_models.tiny_costs()
        heard = run_adapter(backend, formulation)
        assert cost(formulation, heard.plans[-1]) == pytest.approx(optimum, rel=1e-6)
        assert heard.verdict.bound == pytest.approx(optimum, rel=1e-6)


@pytest.mark.parametrize("cost", [[0.0], [1e-9, 3.0], [1e6, 1.0], [0.1, -0.7]])
def test_that_scaling_costs_changes_no_digit(cost):
    costs = np.array(cost)
    factor = cost_factor(costs)
    assert factor >= 1.0
    assert (costs * factor / factor == costs).all()


@pytest.mark.parametrize("backend", ["highs", "cbc"])
@pytest.mark.parametrize("seed", range(3))
def test_that_an_optimum_is_closed_far_below_the_default_gap(backend, seed):
    # HiGHS ends at a gap of 1e-4 if nobody forbids it.
    formulation = toy_models.knapsack(seed)
    heard = run_adapter(backend, formulation)
    assert heard.verdict.termination == "completed"
    assert heard.verdict.bound == pytest.approx(cost(formulation, heard.plans[-1]), rel=1e-7)


def test_that_no_digit_is_lost_on_the_way_to_cbc(tmp_path):
    # PuLP writes twelve digits.
    model = LinearModel()
    x = model.add_columns(1, cost=1 / 3, lower=1e-17, upper=2 / 3)
    model.add_row(x, 1 / 7, lower=1 / 11)
    mps.write_mps(tmp_path / "model.mps", model.arrays())
    words = (tmp_path / "model.mps").read_text().split()
    assert {repr(v) for v in (1 / 3, 1e-17, 2 / 3, 1 / 7, 1 / 11)} <= set(words)


def test_that_cbc_never_gets_the_seed_that_means_the_time_of_day(monkeypatch):
    commands = []
    run_cbc = cbc._run_cbc

    def listen(command, *rest):
        commands.append(command)
        return run_cbc(command, *rest)

    monkeypatch.setattr(cbc, "_run_cbc", listen)
    for seed in (0, 2**31 - 2, 2**31 - 1, 2**40):
        run_adapter("cbc", toy_models.golden(), seed=seed)
    seeds = [int(command[command.index("-randomSeed") + 1]) for command in commands]
    assert all(0 < seed < 2**31 for seed in seeds)
