"""Instances in the notation of the page's table, and those that can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shardopt.instances.partition_schedule.presets import PRESETS
from shardopt.models.partition_schedule.data import (
    Block,
    Instance,
    Link,
    Node,
    Objective,
    Request,
    Tier,
)

OBJECTIVES: tuple[Objective, ...] = ("bottleneck", "mean-latency", "makespan")


def make(
    blocks: Sequence[tuple[int, float, int, int]],
    tiers: Sequence[Sequence[tuple[float, int]]],
    links: Sequence[tuple[float, float]],
    requests: Sequence[tuple[float, int]],
    objective: Objective,
    name: str = "by-hand",
) -> Instance:
    """Return an instance from blocks (repeat, flops, weight, activation), tiers of nodes (speed,
    memory), links (latency, bandwidth) and requests (arrival, tokens).

    Nodes are named a1, a2, ... on the first tier, b1, ... on the second.
    """
    return Instance(
        name=name,
        source="tests",
        blocks=tuple(
            Block(float(flops), weight, activation)
            for repeat, flops, weight, activation in blocks
            for _ in range(repeat)
        ),
        tiers=tuple(
            Tier(
                f"tier-{letter}",
                tuple(Node(f"{letter}{k}", float(c), m) for k, (c, m) in enumerate(nodes, start=1)),
            )
            for letter, nodes in zip("abcdefgh", tiers, strict=False)
        ),
        links=tuple(Link(float(latency), float(rate)) for latency, rate in links),
        requests=tuple(Request(float(arrival), tokens) for arrival, tokens in requests),
        objective=objective,
    )


def judged_by(instance: Instance, objective: Objective) -> Instance:
    """Return the instance with another objective; `bottleneck` keeps the first request only."""
    requests = instance.requests[:1] if objective == "bottleneck" else instance.requests
    return replace(instance, objective=objective, requests=requests)


def three_tiers() -> Instance:
    """Stages of 0.5, 2/3 and 0.6 s: the bottleneck is in the middle, and 0.75 s on the way."""
    return make(
        [(6, 2, 1, 0)],
        [[(4, 9)], [(6, 9)], [(2, 9), (10, 9)]],
        [(0.5, 1), (0.25, 1)],
        [(0, 1)],
        "bottleneck",
    )


def slow_twin() -> Instance:
    """One node of the first tier is nine times as fast: how fast is the tier?"""
    return make([(14, 1, 1, 0)], [[(1, 99), (9, 99)], [(5, 99)]], [(0, 1)], [(0, 1)], "bottleneck")


def small_and_large_memory() -> Instance:
    """The fast node of the first tier has memory for one block."""
    return make(
        [(4, 1, 10, 0)], [[(4, 10), (1, 40)], [(1, 40)]], [(0.5, 1)], [(0, 1)], "bottleneck"
    )


def unequal_activations() -> Instance:
    """The balanced cut lies where the activation is large."""
    return make(
        [(1, 1, 1, 10), (1, 1, 1, 2000), (2, 1, 1, 10)],
        [[(1, 9)], [(1, 9)]],
        [(0, 1000)],
        [(0, 1)],
        "bottleneck",
    )


def four_at_once(objective: Objective) -> Instance:
    """Four equal requests at once, one node per tier."""
    return make([(5, 1, 1, 0)], [[(1, 9)], [(2, 9)]], [(0.5, 1)], [(0, 1)] * 4, objective)


def two_by_two(objective: Objective, memory: int = 9) -> Instance:
    """Three requests on two tiers of two nodes; ``memory`` is that of the second tier."""
    return make(
        [(6, 1, 1, 0)],
        [[(1, 9), (4, 9)], [(4, memory), (5, memory)]],
        [(0.25, 1)],
        [(0, 2), (1, 2), (1.5, 4)],
        objective,
    )


def one_long_request(objective: Objective) -> Instance:
    """A long request is there first, three short ones come while it could be served."""
    return make([(1, 1, 1, 0)], [[(1, 9)]], [], [(0, 10), (1, 1), (1, 1), (1, 1)], objective)


def too_few_blocks(objective: Objective = "mean-latency") -> Instance:
    """Two blocks for three tiers."""
    return make(
        [(2, 1, 1, 0)],
        [[(1, 9)]] * 3,
        [(0.5, 1)] * 2,
        [(0, 1), (0, 2)][: _count(objective)],
        objective,
    )


def no_memory(objective: Objective = "mean-latency") -> Instance:
    """Memory would suffice in total, but not in the order of the tiers."""
    return make(
        [(1, 1, 8, 0), (2, 1, 2, 0)],
        [[(1, 4), (2, 7)], [(1, 99)]],
        [(0.5, 1)],
        [(0, 1), (0, 2)][: _count(objective)],
        objective,
    )


def _count(objective: Objective) -> int:
    return 1 if objective == "bottleneck" else 2


HAND: dict[str, tuple[Instance, float]] = {
    "three-tiers": (three_tiers(), 17 / 12),
    "slow-twin": (slow_twin(), 1.0),
    "small-and-large-memory": (small_and_large_memory(), 2.5),
    "unequal-activations": (unequal_activations(), 3.01),
    "four-at-once-makespan": (four_at_once("makespan"), 9.5),
    "four-at-once-mean-latency": (four_at_once("mean-latency"), 6.5),
    "two-by-two-mean-latency": (two_by_two("mean-latency"), 3.75),
    "two-by-two-makespan": (two_by_two("makespan"), 6.75),
    "two-by-two-less-memory": (two_by_two("mean-latency", memory=4), 241 / 60),
    "one-long-makespan": (one_long_request("makespan"), 13.0),
    "one-long-mean-latency": (one_long_request("mean-latency"), 5.0),
}
"""Instances with their optimum (spec section 7)."""

GOLDEN: dict[tuple[str, Objective], tuple[float, tuple[int, int] | None]] = {
    ("hyperion-llama3-8b", "bottleneck"): (0.10821499136, None),
    ("hyperion-llama3-8b", "mean-latency"): (0.1573338013, (1, 2)),
    ("hyperion-llama3-8b", "makespan"): (0.4444750238, (1, 2)),
    ("hyperion-phi3-medium", "bottleneck"): (0.159217728, None),
    ("hyperion-phi3-medium", "mean-latency"): (0.2899799533, (1, 2)),
    ("hyperion-phi3-medium", "makespan"): (0.7535714779, (2, 6)),
}
"""Optimum, and cuts that have it, of the fixed testbed by preset and objective (section 8)."""


def golden(preset: str, objective: Objective) -> Instance:
    """Return the fixed testbed: two nodes on each of three tiers, six requests (one for P0)."""
    made: Instance = PRESETS[preset](objective=objective)
    return made
