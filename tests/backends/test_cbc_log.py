"""CBC's status, objective and bound are read from the final block of its log, and nowhere else."""

from __future__ import annotations

import sys

import pulp
import pytest
import toy_models
from backend_helpers import run_adapter

from shardopt.solvers.backends.cbc import read_log
from shardopt.solvers.backends.contract import BackendError

HEAD = """Welcome to the CBC MILP Solver
Version: 2.10.3
Continuous objective value is 500.25 - 0.00 seconds
Cbc0010I After 100 nodes, 40 on tree, 861.4 best solution, best possible 650.1 (1.00 seconds)
"""


def log(result: str, *lines: str) -> str:
    return "\n".join([HEAD, f"Result - {result}", "", *lines, "Enumerated nodes:     17", ""])


def test_that_a_time_limit_is_no_optimum_and_its_bound_is_relaxed_outward():
    text = log(
        "Stopped on time limit",
        "Objective value:                861.40000000",
        "Lower bound:                    625.431",
        "Gap:                            0.38",
    )
    verdict, has_incumbent = read_log(text, 1.0)
    assert verdict.termination == "time-limit"
    assert has_incumbent
    assert verdict.bound == pytest.approx(625.430, abs=1e-12)


def test_that_a_number_without_incumbent_is_no_objective():
    text = log("Stopped on time limit", "No feasible solution found", "Lower bound:     -39758.123")
    verdict, has_incumbent = read_log(text, 1.0)
    assert not has_incumbent
    assert verdict.bound == pytest.approx(-39758.124, abs=1e-9)


@pytest.mark.parametrize(
    ("printed", "relaxed"),
    [
        ("12", 11.0),
        ("-12", -13.0),
        ("0.50", 0.49),
        ("1e+06", 0.0),
        ("1.25e+06", 1.24e6),
        ("-3.5e-05", -3.6e-05),
    ],
)
def test_that_a_bound_gives_way_by_one_unit_of_its_last_digit(printed, relaxed):
    verdict, _ = read_log(log("Stopped on node limit", f"Lower bound:   {printed}"), 1.0)
    assert verdict.termination == "iteration-limit"
    assert verdict.bound == pytest.approx(relaxed, abs=1e-12)


def test_that_scaled_costs_are_scaled_back():
    verdict, _ = read_log(log("Stopped on time limit", "Lower bound:   1024.001"), 1024.0)
    assert verdict.bound == pytest.approx(1.0, abs=1e-12)


def test_that_the_objective_of_an_optimum_is_its_bound():
    verdict, has_incumbent = read_log(
        log("Optimal solution found", "Objective value:    0.07060000"), 1.0
    )
    assert (verdict.termination, has_incumbent) == ("completed", True)
    assert 0.0706 - 2e-8 < verdict.bound < 0.0706


def test_that_an_optimum_within_a_gap_keeps_its_own_bound():
    text = log(
        "Optimal solution found (within gap tolerance)",
        "Objective value:    10.00000000",
        "Lower bound:        9.000",
    )
    assert read_log(text, 1.0)[0].bound == pytest.approx(8.999)


@pytest.mark.parametrize("printed", ["1e+50", "-1e+50", "1.79769e+308"])
def test_that_an_infinity_of_cbc_is_no_bound(printed):
    assert read_log(log("Stopped on time limit", f"Lower bound:  {printed}"), 1.0)[0].bound is None


@pytest.mark.parametrize(
    "text",
    [
        log("Problem proven infeasible", "No feasible solution found"),
        log("Linear relaxation infeasible"),
        HEAD + "Cgl0000I Cut generators found to be infeasible! (or unbounded)\n"
        "Pre-processing says infeasible or unbounded\n",
        "Coin0008I model read with 0 errors\nProblem is infeasible - 0.00 seconds\n",
    ],
)
def test_that_infeasible_is_recognised_in_all_its_forms(text):
    verdict, has_incumbent = read_log(text, 1.0)
    assert verdict.infeasible
    assert not has_incumbent
    assert verdict.bound is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEAD,
        log("Linear relaxation unbounded"),
        log("Difficulties"),
        "Pre-processing says infeasible or unbounded\n",
    ],
)
def test_that_any_other_end_is_an_error_in_words(text):
    with pytest.raises(BackendError):
        read_log(text, 1.0)


def test_that_an_interrupt_keeps_incumbent_and_bound():
    text = log(
        "User ctrl-cuser ctrl-c", "Objective value:   -14213.12000000", "Lower bound:  -14960.619"
    )
    verdict, has_incumbent = read_log(text, 1.0)
    assert (verdict.termination, has_incumbent) == ("interrupted", True)
    assert verdict.bound == pytest.approx(-14960.620)


def test_that_a_cbc_deaf_to_its_limit_leaves_the_bound_of_its_relaxation(monkeypatch, tmp_path):
    deaf = tmp_path / "cbc"  # it buffers what it prints, as CBC does
    deaf.write_text(
        f"#!{sys.executable}\nimport signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('Continuous objective value is 2048.5 - 1.0 seconds')\ntime.sleep(600)\n"
    )
    deaf.chmod(0o755)
    monkeypatch.setattr(pulp.apis.PULP_CBC_CMD, "pulp_cbc_path", str(deaf))
    formulation = toy_models.build(toy_models.instance(1.0))  # its one cost is scaled by 1024
    heard = run_adapter("cbc", formulation, seconds=0.5)
    assert heard.verdict.termination == "time-limit"
    assert heard.verdict.bound == pytest.approx(2048.4 / 1024)
    assert heard.plans == []


def test_that_a_run_that_died_at_its_banner_is_made_once_more(tmp_path, monkeypatch):
    dying = tmp_path / "cbc"
    real = pulp.apis.PULP_CBC_CMD.pulp_cbc_path
    dying.write_text(
        "#!/bin/sh\n"
        f"if mkdir {tmp_path}/died; then echo Build Date: Dec 15 2019; exit 0; fi\n"
        f'exec {real} "$@"\n'
    )
    dying.chmod(0o755)
    monkeypatch.setattr(pulp.apis.PULP_CBC_CMD, "pulp_cbc_path", str(dying))
    heard = run_adapter("cbc", toy_models.build(toy_models.instance(3.0, 2.0)))
    assert heard.verdict.termination == "completed"
    assert heard.verdict.bound == pytest.approx(2.0)


def test_that_a_run_that_dies_twice_is_a_fault_with_its_last_words(tmp_path, monkeypatch):
    dying = tmp_path / "cbc"
    dying.write_text("#!/bin/sh\necho Build Date: Dec 15 2019\n")
    dying.chmod(0o755)
    monkeypatch.setattr(pulp.apis.PULP_CBC_CMD, "pulp_cbc_path", str(dying))
    with pytest.raises(BackendError, match="Dec 15 2019"):
        run_adapter("cbc", toy_models.build(toy_models.instance(3.0, 2.0)))
