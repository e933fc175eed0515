"""`replica-clustering`: the published genetic algorithm `ga`, and `splitwise` in the same frame.

Source: arXiv 2606.03770: gene, operators and their mix are published, all else is ours (spec
section 6.1 numbers the steps). `splitwise` differs in who gets which role (section 6.2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from shardopt.models.errors import InputError
from shardopt.models.replica_clustering.data import Instance, Solution
from shardopt.models.replica_clustering.inside import BatchRule, to_replica
from shardopt.models.replica_clustering.tables import FloatArray, IntArray, Tables, make_tables
from shardopt.models.result import Result, Termination
from shardopt.solvers.budget import Budget, OnProgress, interruptible
from shardopt.solvers.finish import checked_objective, finish
from shardopt.solvers.jit import compiled
from shardopt.solvers.replica_clustering.rates import ROLES, RateModel, Set, rate_model, rate_sets

MUTATION = 0.3
"""Share of children that mutate."""
UNUSED = -1
_RULES = {"all": 0, "ratio": 1, "best": 2}
"""Who gets which role, as the kernels number the rules; ``all``: by enumeration."""


def ga(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    start: Solution | None = None,
    on_progress: OnProgress | None = None,
    population: int = 100,
    generations: int = 300,
    elite: int = 10,
    batch_rule: BatchRule = "largest",
) -> Result:
    """Search clusterings by the published genetic algorithm, anytime.

    Parameters
    ----------
    elite
        How many of the best genes ever are kept to cross with.
    batch_rule
        ``largest`` gives every decode replica the largest batch that its memory and the token
        rate allow, as published; ``best`` the fastest.
    """
    search = (instance, "ga", "all", time_limit, seed, start, on_progress)
    return _run(*search, Size(population, generations, elite), batch_rule)


def splitwise(
    instance: Instance,
    *,
    time_limit: float | None = 60.0,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    population: int = 100,
    generations: int = 300,
    elite: int = 10,
    batch_rule: BatchRule = "largest",
    role_count: Literal["ratio", "best"] = "ratio",
) -> Result:
    """Search with the same algorithm where the groups that prefill fastest must prefill.

    Parameters
    ----------
    elite, batch_rule
        As in `ga`.
    role_count
        How many groups prefill: by the ``ratio`` of the mean times in both roles, or the ``best``
        number.
    """
    search = (instance, "splitwise", role_count, time_limit, seed, None, on_progress)
    return _run(*search, Size(population, generations, elite), batch_rule)


@dataclass(frozen=True)
class Size:
    """How much a run searches."""

    population: int
    generations: int
    elite: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 1 <= value <= 1_000_000:
                raise InputError(str(value), "an integer from 1 to 1000000", name)


def _run(
    instance: Instance,
    solver: str,
    roles: str,
    time_limit: float | None,
    seed: int,
    start: Solution | None,
    on_progress: OnProgress | None,
    size: Size,
    batch_rule: BatchRule,
) -> Result:
    compile_s = sum(compiled(f"replica_clustering.{k}_kernels")[1] for k in ("rate", "genetic"))
    budget = Budget(time_limit, on_progress)
    termination: Termination | None = None
    with interruptible(budget):
        search = Search(rate_model(make_tables(instance)), budget, _RULES[roles], batch_rule, seed)
        search.offer(start)
        if len(instance.devices) > 1:
            ended = search.run(size, start)
            termination = "completed" if ended else None
    return finish(
        instance,
        solver,
        budget,
        [search.best, start],
        termination=termination,
        compile_s=compile_s,
        extra={"sets_rated": len(search.rates.number)},
    )


@dataclass
class Genes:
    """A population: ``order[gene]`` of devices, ``sizes[gene]`` of consecutive groups."""

    order: IntArray
    sizes: IntArray
    value: FloatArray = field(default_factory=lambda: np.empty(0))

    def take(self, which: IntArray) -> Genes:
        """Return some of the genes."""
        return Genes(self.order[which], self.sizes[which], self.value[which])


class Rates:
    """The cache of rates by set of devices: sets of equal devices share an entry.

    ``number`` maps the key of a set to its row in ``rate[n, role]`` and ``batch[n, role]``; row
    0 is no group at all.
    """

    def __init__(self, model: RateModel, batch_rule: BatchRule, rng: np.random.Generator) -> None:
        self.model = model
        self.batch_rule = batch_rule
        self.number: dict[int, int] = {0: 0}
        self.rate = np.zeros((1024, 2))
        self.batch = np.zeros((1024, 2), dtype=np.int64)
        self.hash_of = rng.integers(1, 2**63, size=model.type_count, dtype=np.uint64)[model.type_of]
        self._kernels: Any = compiled("replica_clustering.genetic_kernels")[0]

    def numbers(self, genes: Genes) -> IntArray:
        """Return the row of each group of each gene, rating the sets that are new."""
        keys = np.empty(genes.order.shape, dtype=np.uint64)
        self._kernels.group_keys(genes.order, genes.sizes, self.hash_of, keys)
        unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        new = [n for n, key in enumerate(unique.tolist()) if key not in self.number]
        if new:
            self._add(unique[new].tolist(), [self._set_at(genes, int(first[n])) for n in new])
        numbers = np.array([self.number[key] for key in unique.tolist()], dtype=np.int64)
        return numbers[inverse.reshape(keys.shape)]

    def _set_at(self, genes: Genes, place: int) -> Set:
        gene, group = divmod(place, genes.order.shape[1])
        return self.model.set_of(group_devices(genes, gene)[group])

    def _add(self, keys: list[int], sets: list[Set]) -> None:
        rate, batch = rate_sets(self.model, sets, self.batch_rule)
        last = len(self.number) + len(keys)
        while last > len(self.rate):
            self.rate = np.concatenate([self.rate, np.zeros_like(self.rate)])
            self.batch = np.concatenate([self.batch, np.zeros_like(self.batch)])
        self.rate[len(self.number) : last] = rate
        self.batch[len(self.number) : last] = batch
        self.number.update(zip(keys, range(len(self.number), last), strict=True))


class Search:
    """One run: the cache of rates and the best plan so far, ``best`` with its ``objective``."""

    def __init__(
        self, model: RateModel, budget: Budget, rule: int, batch_rule: BatchRule, seed: int
    ) -> None:
        self.model = model
        self.budget = budget
        self.rule = rule
        self.rng = np.random.default_rng(seed)
        self.rates = Rates(model, batch_rule, self.rng)
        self.best: Solution | None = None
        self.objective = np.inf
        self._kernels: Any = compiled("replica_clustering.genetic_kernels")[0]

    def offer(self, solution: Solution | None) -> None:
        """Take a feasible plan if it is better than the best."""
        if solution is None:
            return
        objective = checked_objective(self.model.tables.instance, solution)
        if objective is not None and objective < self.objective:
            self.best, self.objective = solution, objective
            self.budget.report(objective, None)

    def run(self, size: Size, start: Solution | None) -> bool:
        """Run all generations; whether there was time for them. Steps as in spec section 6.1."""
        genes = self._first(size.population, start)
        elite: Genes | None = None
        for _ in range(size.generations):
            if self.budget.exhausted():
                return False
            numbers = self.rates.numbers(genes)  # 1
            genes.value = np.empty(size.population)
            self._kernels.evaluate(
                genes.order, genes.sizes, numbers, self.rates.rate, self.rule, genes.value
            )
            known = -np.inf if elite is None else elite.value[0]
            elite = fittest(genes, elite, size.elite)  # 2
            if elite.value[0] > max(known, 0.0):
                self.offer(self._plan(elite))
            genes = self._next(genes, elite)  # 3 to 5
        return True

    def _first(self, population: int, start: Solution | None) -> Genes:
        shape = (population, self.model.tables.device_count)
        genes = Genes(np.empty(shape, dtype=np.int64), np.empty(shape, dtype=np.int64))
        self._kernels.draw_genes(self.rng, genes.order, genes.sizes)
        if start is not None:
            genes.order[0], genes.sizes[0] = _gene(self.model.tables, start)
        return genes

    def _next(self, genes: Genes, elite: Genes) -> Genes:
        by_rank = np.argsort(genes.value, kind="stable")
        after = Genes(np.empty_like(genes.order), np.empty_like(genes.sizes))
        self._kernels.breed(
            self.rng,
            genes.order,
            genes.sizes,
            by_rank,
            elite.order,
            elite.sizes,
            MUTATION,
            after.order,
            after.sizes,
        )
        return after

    def _plan(self, elite: Genes) -> Solution:
        """Return the plan of the best gene; what serves in no role is left out."""
        best = elite.take(np.array([0]))
        groups = group_devices(best, 0)
        numbers = self.rates.numbers(best)[0, : len(groups)]
        prefill, decode = np.ascontiguousarray(self.rates.rate[numbers].T)
        lowest = np.array([group.min() for group in groups])
        roles = np.empty(len(groups), dtype=np.int64)
        self._kernels.assign(prefill, decode, lowest, self.rule, roles)
        return Solution(
            tuple(
                to_replica(
                    self.model.tables, ROLES[role], int(self.rates.batch[n, role]), group.tolist()
                )
                for group, n, role in zip(groups, numbers, roles.tolist(), strict=True)
                if role != UNUSED
            )
        )


def fittest(genes: Genes, elite: Genes | None, most: int) -> Genes:
    """Return the best genes of both, no two of the same value."""
    both = genes
    if elite is not None:
        both = Genes(
            np.concatenate([elite.order, genes.order]),
            np.concatenate([elite.sizes, genes.sizes]),
            np.concatenate([elite.value, genes.value]),
        )
    _, first = np.unique(-both.value, return_index=True)
    return both.take(first[:most])


def group_devices(genes: Genes, gene: int) -> list[IntArray]:
    """Return the devices of each group of a gene."""
    sizes = genes.sizes[gene]
    return np.split(genes.order[gene], np.cumsum(sizes[sizes > 0])[:-1])


def _gene(tables: Tables, solution: Solution) -> tuple[IntArray, IntArray]:
    """Return the order and sizes of a plan; unused devices are groups of one."""
    index = tables.instance.device_index()
    groups = [[index[stage.device] for stage in r.stages] for r in solution.replicas]
    used = {device for group in groups for device in group}
    groups += [[device] for device in range(tables.device_count) if device not in used]
    sizes = np.zeros(tables.device_count, dtype=np.int64)
    sizes[: len(groups)] = [len(group) for group in groups]
    return np.concatenate([np.array(group) for group in groups]), sizes
