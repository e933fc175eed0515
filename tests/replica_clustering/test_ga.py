"""`ga`: its operators as published, its cache, its roles, and what it must find."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from replica_clustering.brute import brute_force
from replica_clustering.draws import tiny_instance
from replica_clustering.hand import HAND
from shardopt.instances.replica_clustering.presets import e2llm_testbed, random_edge, typed
from shardopt.models.errors import InputError
from shardopt.models.replica_clustering.tables import make_tables
from shardopt.solvers.budget import Budget
from shardopt.solvers.finish import checked_objective
from shardopt.solvers.replica_clustering import ga, packing_dp, two_pipelines
from shardopt.solvers.replica_clustering import genetic_kernels as kernels
from shardopt.solvers.replica_clustering.genetic import Genes, Search, Size, fittest, group_devices
from shardopt.solvers.replica_clustering.rates import rate_model


def rng(seed=0):
    return np.random.default_rng(seed)


def drawn(genes, devices, seed=0):
    """Return a random population."""
    order, sizes = np.empty((2, genes, devices), dtype=np.int64)
    kernels.draw_genes(rng(seed), order, sizes)
    return Genes(order, sizes)


def assert_genes(genes):
    """Assert that every gene has each device once, in groups that take all of them."""
    for order, sizes in zip(genes.order, genes.sizes, strict=True):
        assert sorted(order) == list(range(len(order)))
        groups = int((sizes > 0).sum())
        assert sizes[:groups].min() >= 1
        assert sizes[groups:].sum() == 0
        assert sizes.sum() == len(order)


def test_that_a_gene_is_read_as_published():
    gene = Genes(np.array([[0, 1, 2, 3, 4, 5]]), np.array([[3, 1, 2, 0, 0, 0]]))
    assert [g.tolist() for g in group_devices(gene, 0)] == [[0, 1, 2], [3], [4, 5]]


def test_that_random_sizes_are_drawn_uniformly_until_none_is_left():
    genes = drawn(20_000, 4)
    assert_genes(genes)
    share = np.bincount(genes.sizes[:, 0], minlength=5)[1:] / 20_000
    assert share == pytest.approx([0.25] * 4, abs=0.02)
    three_first = genes.sizes[genes.sizes[:, 0] == 1]
    share = np.bincount(three_first[:, 1], minlength=4)[1:] / len(three_first)
    assert share == pytest.approx([1 / 3] * 3, abs=0.03)


def bred(genes, by_rank, elite, mutation, seed=0):
    """Return the next population."""
    after = Genes(np.empty_like(genes.order), np.empty_like(genes.sizes))
    kernels.breed(
        rng(seed),
        genes.order,
        genes.sizes,
        by_rank,
        elite.order,
        elite.sizes,
        mutation,
        after.order,
        after.sizes,
    )
    return after


@pytest.mark.parametrize("devices", [2, 3, 9])
def test_that_children_are_genes(devices):
    genes = drawn(300, devices)
    assert_genes(bred(genes, np.arange(300), drawn(10, devices, 1), 1.0))


def test_that_a_child_is_a_head_and_a_tail_repaired_in_the_second_parents_order():
    # Children of equal parents are what they are; then the elite's 0 1 2 3 4 gives the head.
    first = Genes(np.array([[0, 1, 2, 3, 4]]), np.array([[5, 0, 0, 0, 0]]))
    second = Genes(np.array([[4, 3, 2, 1, 0]] * 200), np.array([[1, 4, 0, 0, 0]] * 200))
    children = bred(second, np.arange(200), first, 0.0)
    possible = {
        (0, 3, 2, 1, 4),  # cut after 1: tail 3 2 1 0, in which 0 gives way to 4
        (0, 1, 2, 4, 3),  # after 2 or 3: tail 2 1 0 or 1 0, in which 1 and 0 give way to 4 and 3
        (0, 1, 2, 3, 4),
    }
    assert set(map(tuple, children.order.tolist())) == possible
    assert {tuple(s) for s in children.sizes.tolist()} == {(5, 0, 0, 0, 0), (1, 4, 0, 0, 0)}


def test_that_parents_are_chosen_in_proportion_to_their_rank():
    random, by_rank = rng(), np.array([7, 3, 9, 5])  # the worst is gene 7
    drawn_genes = [kernels._roulette(random, by_rank) for _ in range(10_000)]
    share = [drawn_genes.count(gene) / 10_000 for gene in by_rank]
    assert share == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.02)


def test_that_mutations_come_in_the_published_mix():
    random, devices = rng(), 12
    swapped = same_order = same_sizes = 0
    for _ in range(4000):
        order, sizes = np.arange(devices), np.ones(devices, dtype=np.int64)
        kernels._mutate(random, order, sizes)
        assert_genes(Genes(order[None], sizes[None]))
        moved = int((order != np.arange(devices)).sum())
        same_order += moved == 0
        swapped += moved == 2
        same_sizes += bool((sizes == 1).all())
    assert swapped / 4000 == pytest.approx(0.2, abs=0.02)  # two positions, sizes as they were
    assert same_order / 4000 == pytest.approx(0.65, abs=0.02)  # sizes alone
    assert same_sizes / 4000 > 0.2  # and where the later ones were redrawn from the end


def test_that_the_best_roles_are_those_of_enumeration():
    random = rng(3)
    for _ in range(200):
        groups = int(random.integers(1, 9))
        prefill, decode = random.exponential(size=(2, groups)) * (random.random((2, groups)) < 0.8)
        roles = np.empty(groups, dtype=np.int64)
        lowest = np.arange(groups)
        value = kernels.assign(prefill, decode, lowest, kernels.BEST, roles)
        choices = itertools.product((0, 1), repeat=groups)
        best = max(
            min(
                sum(p for p, r in zip(prefill, c, strict=True) if r == 0),
                sum(d for d, r in zip(decode, c, strict=True) if r == 1),
            )
            for c in choices
        )
        assert value == pytest.approx(best, rel=1e-12)
        served = min(prefill[roles == 0].sum(), decode[roles == 1].sum())
        assert served == pytest.approx(value, rel=1e-12)
        assert prefill[roles == 0].min(initial=1.0) > 0.0
        assert decode[roles == 1].min(initial=1.0) > 0.0


def test_that_many_groups_get_roles_in_no_time():
    prefill, decode = rng(1).exponential(size=(2, 400))
    roles = np.empty(400, dtype=np.int64)
    value = kernels.assign(prefill, decode, np.arange(400), kernels.BEST, roles)
    assert min(prefill[roles == 0].sum(), decode[roles == 1].sum()) == pytest.approx(value)
    assert value > 0.98 * (np.maximum(prefill, decode).sum() / 2)


def test_that_the_cache_rates_sets_of_equal_devices_once():
    instance = typed(seed=0, types=2, devices=8)
    search = Search(rate_model(make_tables(instance)), Budget(), 0, "best", 0)
    search.run(Size(100, 20, 10), None)
    assert len(search.rates.number) <= 5 * 5


def test_that_the_elite_has_no_two_genes_of_the_same_fitness():
    genes = drawn(50, 6)
    genes.value = np.repeat(np.arange(10.0), 5)
    elite = fittest(genes, None, 4)
    assert elite.value.tolist() == [9.0, 8.0, 7.0, 6.0]
    genes.value = np.full(50, 8.5)
    assert fittest(genes, elite, 4).value.tolist() == [9.0, 8.5, 8.0, 7.0]


def test_that_the_golden_optimum_of_the_testbed_is_found():
    assert ga(e2llm_testbed()).objective == pytest.approx(1.3894557019, abs=1e-10)


@pytest.mark.parametrize("unequal", [False, True])
def test_that_the_optimum_of_tiny_instances_is_found_with_the_best_batches(unequal):
    for seed in range(12):
        instance = tiny_instance(seed, unequal)
        optimum = brute_force(instance).value
        result = ga(instance, batch_rule="best", population=40, generations=30)
        assert result.objective == (None if optimum is None else pytest.approx(optimum, rel=1e-9))
        assert result.status == ("unknown" if optimum is None else "feasible")
        assert result.bound is None


def test_that_the_largest_batches_are_never_better_than_the_best():
    for seed in range(6):
        instance = random_edge(seed=seed, devices=5)
        largest, best = (
            ga(instance, batch_rule=rule, population=40, generations=40).objective
            for rule in ("largest", "best")
        )
        optimum = packing_dp(instance).objective
        assert best == pytest.approx(optimum, rel=1e-9)
        assert largest is None or largest >= best * (1 - 1e-12)


def test_that_a_start_is_a_gene_and_never_made_worse():
    instance = random_edge(seed=0, devices=14)
    best = packing_dp(instance)
    result = ga(instance, start=best.solution, population=4, generations=1)
    assert result.objective == best.objective
    poor = two_pipelines(instance)
    better = ga(instance, start=poor.solution, population=4, generations=3)
    assert better.objective <= poor.objective


def test_that_a_start_is_searched_from():
    # The first generation crosses the start with itself and little else: it stays the best gene.
    instance = random_edge(seed=1, devices=12)
    best = packing_dp(instance)
    search = Search(rate_model(make_tables(instance)), Budget(), 0, "best", 0)
    search.run(Size(2, 1, 1), best.solution)
    assert checked_objective(instance, search.best) == pytest.approx(best.objective, rel=1e-12)


def test_that_the_same_seed_gives_the_same_plan_and_more_generations_no_worse_one():
    instance = random_edge(seed=2, devices=12)
    runs = [ga(instance, seed=5, generations=g) for g in (20, 20, 60)]
    assert runs[0].solution == runs[1].solution
    assert runs[2].objective <= runs[0].objective


def test_that_the_trace_falls_to_the_objective():
    result = ga(random_edge(seed=3, devices=12), generations=60)
    objectives = [point.objective for point in result.trace]
    assert len(objectives) > 2
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[-1] == result.objective


def test_that_one_device_has_no_plan():
    result = ga(random_edge(devices=1))
    assert (result.status, result.termination) == ("unknown", "completed")


def test_that_time_runs_out_in_good_order():
    result = ga(random_edge(seed=0, devices=1000), time_limit=0.5, generations=1_000_000)
    assert result.termination == "time-limit"
    assert result.objective is not None


@pytest.mark.parametrize("option", ["population", "generations", "elite"])
def test_that_sizes_below_one_are_refused(option):
    with pytest.raises(InputError, match=option):
        ga(HAND["a-b"][0], **{option: 0})
