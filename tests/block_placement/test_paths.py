"""Shortest paths and their rule for ties, against all paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from shardopt.solvers.block_placement.paths import blocks_run, shortest_path


def all_paths(first, between, last):
    """Yield (cost, path) of every path; servers are in the order of their stops."""
    count = first.size
    for hops in range(1, count + 1):
        for path in itertools.combinations(range(count), hops):
            links = [between[i, j] for i, j in itertools.pairwise(path)]
            yield first[path[0]] + sum(links) + last[path[-1]], list(path)


def random_network(seed):
    """Return costs of few values, so that ties abound."""
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 8))
    between = np.where(
        random.random((count, count)) < 0.7, random.integers(0, 3, (count,) * 2), np.inf
    )
    between[np.tril_indices(count)] = np.inf
    first, last = (
        np.where(random.random(count) < 0.7, random.integers(0, 4, count), np.inf) for _ in range(2)
    )
    jitter = 1e-12 * random.random((count, count))
    return first, between + jitter, last


@pytest.mark.parametrize("seed", range(150))
def test_that_ties_go_to_fewer_servers_and_then_to_the_smaller_list(seed):
    network = random_network(seed)
    paths = [(cost, path) for cost, path in all_paths(*network) if np.isfinite(cost)]
    found = shortest_path(*network)
    if not paths:
        assert found is None
        return
    least = min(cost for cost, _ in paths)
    ties = [path for cost, path in paths if cost <= least + 1e-9]
    assert found == min(ties, key=lambda path: (len(path), path))


def test_that_a_run_may_be_entered_late_and_is_never_left_early():
    runs = np.array([[0, 3], [2, 5], [3, 4], [0, 0], [1, 3]])
    first, between = blocks_run(runs)
    assert first.tolist() == [3, 0, 0, 0, 0]
    assert between[0].tolist() == [0, 2, 1, 0, 0]  # the stop of server 4 is no farther
    assert between[2].tolist() == [0, 1, 0, 0, 0]
    assert between[3].tolist() == [0, 0, 0, 0, 0]  # it hosts nothing
