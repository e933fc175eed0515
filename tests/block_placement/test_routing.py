"""Exact routing of a placement, alone and inside `cg-bp-sweep`, against all ways to route."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import shardopt
from block_placement import golden
from block_placement.draws import draw
from shardopt.models.block_placement.data import Hosting, Instance, Route, Solution
from shardopt.models.block_placement.formulations import routing as formulation
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.errors import InputError
from shardopt.models.result import TracePoint
from shardopt.solvers.backends import highs
from shardopt.solvers.backends.contract import Run
from shardopt.solvers.block_placement import cg_bp, cg_bp_sweep, routing
from shardopt.solvers.block_placement.greedy_placement import design, hostings, place
from shardopt.solvers.block_placement.routings import build
from shardopt.solvers.block_placement.sweep import design_grid

BACKENDS = ["highs", "cbc"]


def routings(instance: Instance, placement: tuple[Hosting, ...]):
    """Yield (objective, plan) of every feasible way to route all sessions on a placement."""
    paths = [
        path
        for hops in range(1, len(placement) + 1)
        for path in itertools.permutations(placement, hops)
        if all(b.start <= a.stop < b.stop for a, b in itertools.pairwise(path))
        and path[0].start == 0
        and path[-1].stop == instance.block_count
    ]
    names = [tuple(run.server for run in path) for path in paths]
    splits = [
        itertools.combinations_with_replacement(names, client.sessions)
        for client in instance.clients
    ]
    for choice in itertools.product(*splits):
        routes = tuple(
            Route(client.name, path, chosen.count(path))
            for client, chosen in zip(instance.clients, choice, strict=True)
            for path in dict.fromkeys(chosen)
        )
        plan = Solution(placement, routes)
        report = shardopt.check(instance, plan)
        if report.feasible:
            yield report.objective, plan


def small_cases():
    """Return placements, some of them too tight for every session to have its best path."""
    cases = []
    for seed in range(400):
        instance = draw(seed, clients=1 + seed % 2)
        if len(instance.servers) > 5 or instance.session_count > 4:
            continue
        plan = design(make_tables(instance), 1 + seed % 2)
        if plan is not None:
            runs = place(plan, instance.block_count)
            cases.append((instance, hostings(instance, runs)))
    return cases


def run_highs(model, threads=1):
    """Solve a formulation in this process; return the best plan and the verdict."""
    plans = []
    run = Run(
        seed=0,
        threads=threads,
        presolve=True,
        left=lambda: 60.0,
        stopped=lambda: False,
        plan=plans.append,
        bound=lambda value: None,
    )
    verdict = highs.solve(model, None, run)
    return (model.decode(plans[-1]) if plans else None), verdict


def test_that_routes_are_the_best_of_all():
    cases = small_cases()
    assert len(cases) > 60
    tight = 0
    for instance, placement in cases:
        optimum = min((value for value, _ in routings(instance, placement)), default=None)
        plan, verdict = run_highs(formulation.build(instance, placement=placement, unit=1.0))
        if optimum is None:
            assert verdict.infeasible or plan is None
            tight += 1
            continue
        report = shardopt.check(instance, plan)
        assert report.feasible
        assert report.objective == pytest.approx(optimum, rel=1e-9)
        assert verdict.bound == pytest.approx(optimum, rel=1e-6)
    assert tight > 3


def test_that_a_plan_survives_being_encoded_and_decoded():
    for name in ("tiny-a", "tiny-b", "clustered-9-r150"):
        instance, plan = golden.instance(name), golden.optimal_plan(name)
        model = formulation.build(instance, placement=plan.placement, unit=1.0)
        values = model.encode(plan)
        again = shardopt.check(instance, model.decode(values))
        assert again.feasible
        assert again.objective == pytest.approx(shardopt.check(instance, plan).objective)
        assert model.model.arrays().cost @ values == pytest.approx(again.objective)


def test_that_relaxed_routes_cost_no_more():
    for instance, placement in small_cases()[:40]:
        whole = run_highs(formulation.build(instance, placement=placement, unit=1.0))[1]
        relaxed = formulation.build(instance, placement=placement, unit=1.0, relaxed=True)
        verdict = run_highs(relaxed)[1]
        if not whole.infeasible and whole.bound is not None:
            assert verdict.bound <= whole.bound * (1 + 1e-9)


def test_that_small_linear_programmes_end_on_two_threads():
    instance = golden.instance("clustered-9-r8")  # "Unknown" by HiGHS' parallel simplex
    tables = make_tables(instance)
    for sessions in range(1, 9):
        runs = place(design(tables, sessions), instance.block_count)
        placement = hostings(instance, runs)
        relaxed = formulation.build(instance, placement=placement, unit=1.0, relaxed=True)
        assert run_highs(relaxed, threads=2)[1].native in {"Optimal", "Infeasible"}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["tiny-a", "tiny-b", "clustered-9-r150"])
def test_that_the_placement_of_the_optimum_gets_its_optimal_routes(backend, name):
    instance, plan = golden.instance(name), golden.optimal_plan(name)
    result = routing(instance, backend=backend, start=plan, threads=1)
    assert result.objective == pytest.approx(golden.expected(name)["optimum"], rel=1e-9)
    assert result.solution.placement == plan.placement


@pytest.mark.parametrize("backend", BACKENDS)
def test_that_routing_mends_routes_and_proves_nothing_of_the_placement(backend):
    instance, best = golden.instance("tiny-b"), golden.optimal_plan("tiny-b")
    worst, start = max(routings(instance, best.placement), key=lambda option: option[0])
    points: list[TracePoint] = []
    result = routing(instance, backend=backend, start=start, threads=1, on_progress=points.append)
    assert worst > result.objective == pytest.approx(golden.expected("tiny-b")["optimum"])
    assert (result.status, result.bound, result.gap) == ("feasible", None, None)
    assert result.extra["routing_bound"] == pytest.approx(result.objective, rel=1e-6)
    assert all(point.bound is None for point in (*result.trace, *points))


def test_that_routing_needs_a_start():
    with pytest.raises(InputError, match="no start"):
        shardopt.solve(golden.instance("tiny-a"), "routing/highs")


@pytest.mark.usefixtures("in_this_process")
def test_that_the_sweep_is_the_best_routing_of_all_its_designs():
    for name in ("tiny-a", "tiny-b"):
        instance = golden.instance(name)
        tables = make_tables(instance)
        known = []
        for sessions in range(1, instance.session_count + 1):
            plan = design(tables, sessions)
            if plan is not None:
                runs = place(plan, instance.block_count)
                known += [value for value, _ in routings(instance, hostings(instance, runs))]
        result = cg_bp_sweep(instance, threads=1)
        assert result.objective == pytest.approx(min(known), rel=1e-9)
        assert (result.status, result.bound, result.faults) == ("feasible", None, ())


@pytest.mark.parametrize("name", ["clustered-9-r8", "clustered-9-r150", "witness-2"])
def test_that_the_sweep_is_never_worse_than_cg_bp(name):
    instance = golden.instance(name)
    assert cg_bp_sweep(instance).objective <= cg_bp(instance).objective * (1 + 1e-9)


def test_that_the_sweep_finds_the_optimum_of_the_witness():
    optimum = golden.expected("witness-2")["optimum"]
    assert cg_bp_sweep(golden.instance("witness-2")).objective == pytest.approx(optimum)


def test_that_the_sweep_improves_from_point_to_point():
    trace = cg_bp_sweep(golden.instance("tiny-b"), threads=1).trace
    values = [point.objective for point in trace]
    assert values == sorted(values, reverse=True)
    assert len(values) > 1


def test_that_the_grid_has_every_number_up_to_200_and_geometric_steps_beyond():
    assert design_grid(200, None) == list(range(200, 0, -1))
    steps = design_grid(1000, None)
    assert (steps[0], steps[-1]) == (1000, 1)
    assert len(steps) <= 40
    assert steps == sorted(set(steps), reverse=True)
    assert design_grid(1000, 1) == [1000]
    assert design_grid(100, 3) == [100, 10, 1]


def test_that_a_grid_of_nothing_is_refused():
    with pytest.raises(InputError, match="grid"):
        cg_bp_sweep(golden.instance("tiny-a"), grid=0)


def test_that_slots_of_a_pool_replace_those_of_the_memory():
    instance = golden.instance("witness-2")
    placement = (Hosting("n0", 0, 2), Hosting("n1", 0, 2))
    few = {"n0": 4, "n1": 2}  # a session takes 2 slots: 3 of 4 sessions fit
    series = build(instance, placements=[placement], slots=few, cutoff=np.inf)
    assert run_highs(series.build(0, False))[1].infeasible
