"""Random tiny instances, small enough for full enumeration, that cover every corner of the page."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from partition_schedule.instances import OBJECTIVES
from shardopt.models.partition_schedule.data import (
    Assignment,
    Block,
    Instance,
    Link,
    Node,
    Objective,
    Request,
    Solution,
    Tier,
)

MOST_REQUESTS = {1: 5, 2: 4, 3: 3}
"""By tiers: full enumeration takes some hundredths of a second."""


def tiny_instance(seed: int, objective: Objective) -> Instance:
    """Return one random instance.

    Each corner is drawn on its own: one tier, as many blocks as tiers or fewer, unequal blocks
    and activations, weights of zero, memory from ample to too small for any cut, twin nodes,
    bursts, late arrivals.
    """
    rng = np.random.default_rng(seed)
    tiers = int(rng.choice([1, 2, 2, 2, 3, 3]))
    blocks = max(1, tiers + int(rng.choice([-1, 0, 0, 1, 1, 2, 2, 3])))
    requests = int(rng.integers(1, MOST_REQUESTS[tiers] + 1))
    drawn = _blocks(rng, blocks)
    return Instance(
        name=f"tiny-{seed}-{objective}",
        source="tests",
        blocks=drawn,
        tiers=_tiers(rng, tiers, sum(block.weight_bytes for block in drawn)),
        links=tuple(
            Link(float(rng.choice([0.0, 0.3, 1.0])), float(rng.choice([0.5, 3.0, 20.0])))
            for _ in range(tiers - 1)
        ),
        requests=_requests(rng, 1 if objective == "bottleneck" else requests),
        objective=objective,
    )


def _blocks(rng: np.random.Generator, count: int) -> tuple[Block, ...]:
    flops = np.round(rng.uniform(0.5, 4.0, count), 1)
    weights, activations = rng.integers(1, 6, count), rng.integers(0, 5, count)
    if rng.random() < 0.3:
        flops[:], weights[:] = flops[0], weights[0]
    if rng.random() < 0.5:
        activations[:] = activations[0]
    if rng.random() < 0.15:
        weights[rng.random(count) < 0.6] = 0
    return tuple(map(Block, flops.tolist(), weights.tolist(), activations.tolist()))


def _tiers(rng: np.random.Generator, count: int, weight: int) -> tuple[Tier, ...]:
    share = weight / count
    tightness = rng.choice([4.0, 2.0, 1.3, 0.8])

    def node() -> tuple[float, int]:
        memory = share * tightness * rng.uniform(0.7, 1.5)
        return float(np.round(np.exp(rng.uniform(-0.7, 1.6)), 1)), max(1, round(memory))

    made = []
    for j in range(count):
        nodes = [node() for _ in range(int(rng.integers(1, 3 if count > 1 else 4)))]
        if len(nodes) > 1 and rng.random() < 0.35:
            nodes[-1] = nodes[0]
        made.append(Tier(f"t{j}", tuple(Node(f"n{j}-{k}", *n) for k, n in enumerate(nodes))))
    return tuple(made)


def _requests(rng: np.random.Generator, count: int) -> tuple[Request, ...]:
    """Draw requests, in any order: at once, in bursts or spread."""
    spread = float(rng.choice([0.0, 1.0, 5.0]))
    arrivals = np.round(rng.uniform(0, spread, count), 1)
    if rng.random() < 0.4:
        arrivals = np.round(arrivals)
    if rng.random() < 0.2:
        arrivals += 100.0
    tokens = rng.choice([1, 1, 2, 3, 5], count)
    return tuple(map(Request, arrivals.tolist(), tokens.tolist()))


def tiny_instances(objective: Objective | None = None) -> st.SearchStrategy[Instance]:
    """Return a strategy of the same instances for property tests."""
    return st.builds(
        tiny_instance,
        st.integers(0, 2**32 - 1),
        st.sampled_from(OBJECTIVES) if objective is None else st.just(objective),
    )


def random_plan(instance: Instance, seed: int) -> Solution | None:
    """Return a plan with cuts, nodes and order drawn; ``None`` if no cuts fit.

    Services follow each other without a gap that could be closed, save some late starts.
    """
    rng = np.random.default_rng(seed)
    count, tiers = len(instance.blocks), len(instance.tiers)
    options = list(itertools.combinations(range(1, count), tiers - 1))
    for n in rng.permutation(len(options)).tolist():
        runs = list(itertools.pairwise((0, *options[n], count)))
        need = [sum(block.weight_bytes for block in instance.blocks[a:b]) for a, b in runs]
        eligible = [
            [node for node in tier.nodes if node.memory_bytes >= need[j]]
            for j, tier in enumerate(instance.tiers)
        ]
        if all(eligible):
            return _dispatched(instance, options[n], runs, eligible, rng)
    return None


def _dispatched(
    instance: Instance,
    cuts: tuple[int, ...],
    runs: list[tuple[int, int]],
    eligible: list[list[Node]],
    rng: np.random.Generator,
) -> Solution:
    flops = [sum(block.flops_per_token for block in instance.blocks[a:b]) for a, b in runs]
    free = {node.name: 0.0 for nodes in eligible for node in nodes}
    ready = [request.arrival_s for request in instance.requests]
    names: list[list[str]] = [[] for _ in ready]
    starts: list[list[float]] = [[] for _ in ready]
    order = np.repeat(np.arange(len(ready)), len(runs))
    for r in rng.permutation(order).tolist():
        j = len(names[r])
        node = eligible[j][int(rng.integers(len(eligible[j])))]
        start = max(ready[r], free[node.name]) + float(rng.choice([0.0, 0.0, 0.5]))
        end = start + instance.requests[r].tokens * flops[j] / node.flops_per_s
        names[r].append(node.name)
        starts[r].append(start)
        free[node.name] = ready[r] = end
        if j + 1 < len(runs):
            link, handed = instance.links[j], instance.blocks[runs[j][1] - 1]
            sent = instance.requests[r].tokens * handed.activation_bytes_per_token
            ready[r] += link.latency_s + sent / link.bytes_per_s
    assignments = [
        Assignment(r, tuple(nodes), tuple(times))
        for r, (nodes, times) in enumerate(zip(names, starts, strict=True))
    ]
    return Solution(cuts, tuple(assignments[r] for r in rng.permutation(len(ready)).tolist()))
